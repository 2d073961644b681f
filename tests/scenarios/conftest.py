"""The world, adopted and at rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.scenarios.world import World, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the release ``shop``, to be copied."""
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
async def world(tmp_path: Path, prepared: Path) -> AsyncIterator[World]:
    world = World(tmp_path, prepared=prepared)
    await world.run_pass()
    await world.run_pass()
    yield world
    world.close()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[dict[str, object]]]:
    """Log lines as data; printing tracebacks with all their values takes longer than any scenario."""
    with capture_logs() as lines:
        yield lines
