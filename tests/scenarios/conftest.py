"""Worlds to begin with. They are made once and copied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.scenarios.world import World, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the release ``shop``, to be copied."""
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="session")
def adopted(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> World:
    """``shop``, adopted and at rest; others begin like this one."""
    world = World(tmp_path_factory.mktemp("adopted"), prepared=prepared)
    asyncio.run(_pass_by(world, "ADVANCE Adopted"))
    return world


@pytest.fixture(scope="session")
def tried(tmp_path_factory: pytest.TempPathFactory, adopted: World) -> World:
    """``shop`` with a candidate, version 2, that has just got its first 10 %."""
    world = World.like(tmp_path_factory.mktemp("tried"), adopted)
    world.add_candidate("2")
    asyncio.run(_pass_by(world, "ADVANCE CandidateStarted"))
    return world


@pytest.fixture
async def world(tmp_path: Path, adopted: World) -> AsyncIterator[World]:
    """Adopted and at rest."""
    world = World.like(tmp_path, adopted)
    await world.run_pass()
    yield world
    world.close()


@pytest.fixture
async def on_trial(tmp_path: Path, tried: World) -> AsyncIterator[World]:
    """A candidate, version 2, has just got its first 10 %."""
    world = World.like(tmp_path, tried)
    await world.run_pass()
    yield world
    world.close()


async def _pass_by(world: World, last: str) -> None:
    with capture_logs():
        # Processes are there after one pass, routes after another; no time goes by.
        await world.run_pass()
        await world.run_pass()
        await world.run_until(lambda: world.reasons()[-1:] == [last])
    world.close()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[dict[str, object]]]:
    """Log lines as data; printing tracebacks with all their values takes longer than any scenario."""
    with capture_logs() as lines:
        yield lines
