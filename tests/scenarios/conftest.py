"""The world, adopted and at rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.scenarios.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.run_pass()
    await world.run_pass()
    yield world
    world.close()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[dict[str, object]]]:
    """Log lines as data; printing tracebacks with all their values takes longer than any scenario."""
    with capture_logs() as lines:
        yield lines
