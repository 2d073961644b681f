"""C18, C22: two controllers that both believe they are in charge lose nothing and decide nothing twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from releasectl.errors import Conflict
from tests.scenarios.world import World

TO_THE_END = ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ADVANCE StepPassed", "PROMOTE EvidenceSufficient"]
TAKEN_BACK = ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ROLLBACK GuardrailBreached"]


class Rival:
    """A second controller on the world: the same repository, router and users, its own memory and mirror."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.lost_races = 0
        world.wrap = self._counting
        world.restart("one")
        users = replace(world.users, seed=8)
        users.versions, users.learn = world.users.versions, world.users.learn  # type: ignore[method-assign]
        self.store, self._controller = world.another("other", [users])

    async def run_for(self, seconds: float, *, every: float) -> None:
        """Both run their passes at the same time."""
        for _ in range(round(seconds / every)):
            self._world.clock.at += timedelta(seconds=every)
            await asyncio.gather(self._world.run_pass(), self._controller.run_pass())

    def _counting(self, kind: str, port: Any) -> Any:
        return _Watching(self, port) if kind == "repo" else port


class _Watching:
    def __init__(self, rival: Rival, repo: Any) -> None:
        self._rival = rival
        self._repo = repo

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repo, name)

    def push(self, *arguments: Any, **named: Any) -> Any:
        try:
            return self._repo.push(*arguments, **named)
        except Conflict:
            self._rival.lost_races += 1
            raise


async def contend(folder: Path, releases: int, *, bad: int) -> None:
    """Each release gets a candidate, a few at a time; ``bad`` of them fail their users."""
    names = [f"r{number:03d}" for number in range(releases)]
    world = World(folder, releases=names)
    world.users.error_rates |= {"2": 0.01, "3": 0.5}
    rival = Rival(world)
    await rival.run_for(2, every=1)
    step = max(1, releases // 10)
    for first in range(0, releases, step):
        for place, name in enumerate(names[first : first + step], start=first):
            world.add_candidate("3" if place < bad else "2", release=name)
        await rival.run_for(6, every=3)
    await rival.run_for(60, every=6)
    for place, name in enumerate(names):
        assert world.reasons(name) == (TAKEN_BACK if place < bad else TO_THE_END), name
        assert f'stable: {{app: "{1 if place < bad else 2}"}}' in world.read(f"releases/{name}.yaml")
    assert rival.lost_races, "nothing was contended"
    assert not rival.store.intents()
    world.check()
    world.close()


async def test_c18_two_controllers_on_one_repository_decide_everything_once(tmp_path: Path) -> None:
    await contend(tmp_path, 4, bad=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_c18_of_400_contended_decisions_none_is_lost_or_doubled(tmp_path: Path) -> None:
    await contend(tmp_path, 104, bad=16)
