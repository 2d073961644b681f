"""What every test may ask for. Servers are imported only by those who do: some environments lack what they need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.gitea.server import Gitea
    from tests.mlflow.server import Mlflow


@pytest.fixture(scope="session")
def gitea() -> Iterator[Gitea]:
    """One server for the whole session, marker ``gitea``. A test that writes makes repositories of its own."""
    from tests.gitea.server import serve

    with serve() as server:
        yield server


@pytest.fixture(scope="session")
def mlflow() -> Iterator[Mlflow]:
    """One server for the whole session, marker ``mlflow``. Each test registers models of its own."""
    from tests.mlflow.server import serve

    with serve() as server:
        yield server
