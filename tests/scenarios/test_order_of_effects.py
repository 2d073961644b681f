"""Down in the right order: routes first, processes only once no route leads to them."""

from __future__ import annotations

from releasectl.domain.decision import PersonAction
from tests.scenarios.world import World


def running(world: World) -> set[str]:
    return {key.version for key in world.workloads.running}


async def test_c11_a_process_that_a_router_may_still_reach_goes_on_running(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(4)
    assert world.share("next") == 1000
    world.router.broken = True
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(3)
    assert world.reasons()[-1] == "ROLLBACK Requested"
    assert world.router.tables["shop"].shares.share("next") == 1000
    assert running(world) == {"1", "2"}
    world.router.broken = False
    await world.run_for(3)
    assert world.share("next") == 0
    assert running(world) == {"1"}
