"""Fixtures for tests that are marked ``mlflow`` and ``slow``; ``tests/conftest.py`` hands them to all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mlflow.server import Mlflow, serve


@pytest.fixture(scope="session")
def mlflow() -> Iterator[Mlflow]:
    """One server for the whole session. Each test registers models of its own."""
    with serve() as server:
        yield server
