"""Fixtures for tests that are marked ``gitea`` and ``slow``; ``tests/conftest.py`` hands them to all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gitea.server import Gitea, serve


@pytest.fixture(scope="session")
def gitea() -> Iterator[Gitea]:
    """One server for the whole session. A test that writes makes repositories of its own."""
    with serve() as server:
        yield server
