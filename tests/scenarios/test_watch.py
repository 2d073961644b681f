"""The watch before a promotion is recorded, and what happens when there is no way back."""

from __future__ import annotations

import pytest

from releasectl.domain.decision import PersonAction
from releasectl.ports import WorkloadPhase
from tests.scenarios.world import POLICY, World

STRATEGY = "strategy: [{type: canary, steps: [10, 50], interval: 10s}]"
WATCHED = POLICY + "  watch: {for: 20s, keep: 5}\n"


@pytest.fixture
async def watched(world: World) -> World:
    """The world with a candidate that is being watched."""
    world.write("policies/careful.yaml", WATCHED)
    world.add_candidate("2")
    await world.run_until(lambda: world.share("next") == 9500)
    return world


async def test_what_passed_its_stages_serves_nearly_all_for_a_while_and_is_then_promoted(watched: World) -> None:
    stage = watched.status().stage
    assert stage is not None
    assert (stage.type, stage.number, stage.of) == ("watch", 2, 2)
    assert 'stable: {app: "1"}' in watched.read("releases/shop.yaml")
    await watched.run_for(15)
    assert watched.share("next") == 9500
    await watched.run_for(10)
    assert watched.reasons()[-2:] == ["ADVANCE StagePassed", "PROMOTE WatchPassed"]
    assert 'stable: {app: "2"}' in watched.read("releases/shop.yaml")


async def test_harm_that_shows_only_at_the_full_share_goes_back_and_the_manifest_never_changed(watched: World) -> None:
    watched.users.error_rates["2"] = 0.2
    await watched.run_for(15)
    assert watched.reasons()[-1] == "ROLLBACK GuardrailBreached"
    assert watched.share("stable") == 10_000
    text = watched.read("releases/shop.yaml")
    assert 'stable: {app: "1"}   # what serves now' in text
    assert "candidates" not in text
    assert [held.version for held in watched.state().quarantine] == ["2"]


async def test_c16_a_watched_process_that_dies_leaves_the_old_stable_serving(watched: World) -> None:
    watched.workloads.set_phase("app", "2", WorkloadPhase.FAILED, "exited")
    await watched.run_for(2)
    assert watched.reasons()[-1] == "ROLLBACK NeverReady"
    assert watched.share("stable") == 10_000


async def test_c15_a_rollback_is_not_rolled_back(watched: World) -> None:
    watched.users.error_rates["2"] = 0.2
    await watched.run_until(lambda: watched.reasons()[-1].startswith("ROLLBACK"))
    watched.users.error_rates["1"] = 0.9
    await watched.run_for(30)
    assert watched.reasons()[-1] == "ROLLBACK GuardrailBreached"
    watched.ask(PersonAction.ROLLBACK)
    await watched.run_for(2)
    assert watched.reasons()[-1] == "HOLD Idle"
    assert watched.share("stable") == 10_000


async def test_a_watch_that_saw_nothing_passes_nothing(watched: World) -> None:
    watched.users.requests_per_second = 0
    await watched.run_for(60)
    assert watched.condition() == "CollectingSamples"
    assert watched.share("next") == 9500


async def test_a_watch_taken_out_of_the_policy_under_way_ends_at_once(watched: World) -> None:
    watched.write("policies/careful.yaml", POLICY)
    await watched.run_for(8)
    assert watched.reasons()[-1] == "PROMOTE WatchPassed"


async def test_only_the_best_of_several_candidates_is_watched(world: World) -> None:
    world.write("policies/careful.yaml", WATCHED)
    block = '  candidates: [{name: two, versions: {app: "2"}}, {name: three, versions: {app: "3"}}]\n'
    world.replace("releases/shop.yaml", f"  {STRATEGY}", f"{block}  {STRATEGY}")
    await world.run_until(lambda: world.status().stage is not None and world.share("stable") == 500)
    [watched] = world.state().candidates
    assert world.share(watched) == 9500
    await world.run_until(lambda: world.reasons()[-1] == "PROMOTE WatchPassed")
    assert "ROLLBACK CandidateWithdrawn" not in world.reasons(), "dropping the other one is no edit of a person"


async def test_c15_without_a_stable_that_can_run_nothing_is_rolled_back_and_a_person_is_called(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(3)
    before = world.reasons()
    world.workloads.set_phase("app", "1", WorkloadPhase.FAILED, "image deleted")
    world.users.error_rates["2"] = 0.4
    await world.run_for(20)
    assert world.reasons() == before
    condition = world.status().condition
    assert condition is not None
    assert (condition.type, condition.reason) == ("Stalled", "NoWayBack")
    assert "image deleted" in condition.message
    world.workloads.set_phase("app", "1", WorkloadPhase.READY)
    await world.run_for(2)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"


async def test_a_person_may_go_back_to_a_stable_that_does_not_run(world: World) -> None:
    world.add_candidate("2")
    await world.run_for(3)
    world.workloads.set_phase("app", "1", WorkloadPhase.FAILED, "image deleted")
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(1)
    assert world.reasons()[-1] == "ROLLBACK Requested"
