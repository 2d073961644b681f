"""A repository with a story in it, and the command line on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from releasectl.cli.main import main
from tests.scenarios.world import World


@dataclass
class Cli:
    """Calls ``releasectl`` on a repository and tells what it printed."""

    repository: Path
    state: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, verb: str, *arguments: str) -> tuple[int, str, str]:
        self.capture.readouterr()
        code = main([verb, "-R", str(self.repository), "--state", str(self.state), *arguments])
        printed = self.capture.readouterr()
        return code, printed.out, printed.err


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Version 2 was rolled back and version 3 promoted. For reading only."""
    world = World(tmp_path_factory.mktemp("told"), releases=("shop", "desk"))

    async def story() -> None:
        await world.run_pass()
        await world.run_pass()
        world.users.error_rates["2"] = 0.3
        world.add_candidate("2", name="risky")
        await world.run_for(24, every=3)
        world.add_candidate("3", name="better")
        await world.run_for(90, every=3)

    asyncio.run(story())
    assert world.reasons()[-1].startswith("PROMOTE")
    yield world
    world.close()


@pytest.fixture
def reader(told: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on the story."""
    return Cli(told.origin, tmp_path / "state", capsys)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh world to write to; nothing has been decided yet."""
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def cli(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on the fresh world."""
    return Cli(world.origin, tmp_path / "state", capsys)
