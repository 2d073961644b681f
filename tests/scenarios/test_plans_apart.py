"""Plans of pull requests are made in a process of their own: what goes wrong there costs one comment, and no pass."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import psutil
import pytest

from releasectl.cli.planner import Planner
from releasectl.errors import Denied, Unavailable
from releasectl.pulls.check import Merge, plan_of
from releasectl.pulls.desk import Desk
from tests.scenarios.pulling import Pulling
from tests.scenarios.world import World

pytestmark = pytest.mark.slow


class Apart:
    """A forge around a world, and a desk whose plans are made by a process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pulling = Pulling(world)
        self.planners: list[Planner] = []

    def desk(self, planner: Planner) -> Desk:
        self.planners.append(planner)
        return self.pulling.another_desk(planner=planner)

    def unreliable(self, fates: dict[str, str], seconds: float = 60) -> Planner:
        (self.world.folder / "fates.json").write_text(json.dumps(fates))
        return Planner(self.world.folder / "pulls", seconds=seconds, module="tests.scenarios.unreliable")


@pytest.fixture
async def apart(world: World) -> AsyncIterator[Apart]:
    found = Apart(world)
    await world.run_pass()
    yield found
    for planner in found.planners:
        await planner.close()
    found.pulling.close()
    assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]


async def test_a_plan_made_apart_is_the_plan(apart: Apart) -> None:
    planner = Planner(apart.world.folder / "pulls")
    pull = await apart.pulling.propose()
    await apart.desk(planner).look()
    assert apart.pulling.status(pull) == ("success", "Plan: 1 to start.")
    assert planner.pid is not None
    repo = apart.pulling._repos[-1]
    heads = repo.fetch()
    tree = repo.merged(heads.manifests, pull.head_sha)
    merge = Merge(heads.manifests, pull.head_sha, tree, heads.ledger, apart.world.clock.now())
    assert await planner(merge) == plan_of(repo, merge)


async def test_a_plan_that_does_not_end_costs_its_own_comment(apart: Apart) -> None:
    endless = await apart.pulling.propose("2", name="endless", branch="endless")
    planner = apart.unreliable({endless.head_sha: "hang"}, seconds=10)
    other = await apart.pulling.propose("2", name="other", branch="other")
    desk = apart.desk(planner)
    await desk.look()
    assert apart.pulling.status(endless) == ("failure", "its plan takes more than 10 s")
    assert not apart.pulling.ours(endless.number)
    assert apart.pulling.status(other) == ("success", "Plan: 1 to start.")
    # It is not made again and again.
    await desk.look()
    assert planner.pid is not None


async def test_a_plan_whose_process_dies_is_made_again_later(apart: Apart) -> None:
    pull = await apart.pulling.propose()
    desk = apart.desk(apart.unreliable({pull.head_sha: "die"}))
    await desk.look()
    assert apart.pulling.status(pull) == ("pending", "is being checked")
    apart.unreliable({})
    apart.world.clock.at += timedelta(minutes=3)
    await desk.look()
    assert apart.pulling.status(pull) == ("success", "Plan: 1 to start.")


async def test_what_is_refused_and_what_is_missing_come_back_as_such(apart: Apart) -> None:
    planner = Planner(apart.world.folder / "pulls")
    pull = await apart.pulling.open("many", {f"more/{n}.yaml": "a: 1\n" for n in range(2001)})
    await apart.desk(planner).look()
    state, text = apart.pulling.status(pull)
    assert (state, text) == ("failure", "it changes 2001 YAML files; more than 2000 are not checked")
    with pytest.raises(Unavailable, match="cannot read"):
        await planner(Merge("a" * 40, "b" * 40, "c" * 40, None, apart.world.clock.now()))
    with pytest.raises(Denied):
        repo = apart.pulling._repos[-1]
        heads = repo.fetch()
        tree = repo.merged(heads.manifests, pull.head_sha)
        await planner(Merge(heads.manifests, pull.head_sha, tree, heads.ledger, apart.world.clock.now()))
