"""C18: many controllers behind one git server over HTTP. Nothing is lost, nothing doubled, a pass pushes once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.git.http_host import serve
from tests.scenarios.contention import ask_much, contend
from tests.scenarios.world import World, run_git


async def contended(folder: Path, controllers: int, decisions: int, *, releases: int = 1) -> int:
    """Let controllers contend until each of their releases has its decisions; the number of lost races."""
    shards = [[f"r{number}-{place}" for place in range(releases)] for number in range(controllers)]
    names = [name for shard in shards for name in shard]
    world = World(folder, releases=names)
    ask_much(world, names, decisions - 1)
    with serve(folder) as server:
        contenders = await contend(folder, server.url("origin.git"), shards, decisions)
    ids = [one["Releasectl-Decision-Id"] for one in world.decisions()]
    assert len(ids) == len(set(ids)) == len(names) * decisions
    for name, state in world.states().items():
        assert state.seq == len(world.records(name)) == decisions, name
    on_the_ledger = run_git("rev-list", "--count", "releasectl/ledger", cwd=world.origin)
    assert int(on_the_ledger) == 1 + sum(one.repo.pushes for one in contenders), "one commit for each push"
    world.fsck()
    world.close()
    return sum(one.repo.lost for one in contenders)


async def test_c18_controllers_that_push_at_the_same_time_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    assert await contended(tmp_path, 3, 5) > 0, "nothing was contended"


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_c18_of_8_controllers_with_50_decisions_each_400_are_recorded_once(tmp_path: Path) -> None:
    assert await contended(tmp_path, 8, 50) > 0, "nothing was contended"


@pytest.mark.slow
async def test_c18_500_decisions_of_one_controller_are_50_in_a_push(tmp_path: Path) -> None:
    assert await contended(tmp_path, 1, 10, releases=50) == 0
