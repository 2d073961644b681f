"""What people do while a trial is under way has a declared meaning."""

from __future__ import annotations

import pytest

from releasectl.adapters.git.trailers import append_trailers
from releasectl.domain.decision import PersonAction
from releasectl.domain.reasons import Reason
from releasectl.ports import Commit, WorkloadPhase
from tests.scenarios.world import POLICY, START, World

MANIFEST = "releases/shop.yaml"


# --- pause and resume -----------------------------------------------------------------------------------


async def test_a_paused_release_is_not_advanced_until_it_is_resumed(on_trial: World) -> None:
    world = on_trial
    world.ask(PersonAction.PAUSE)
    await world.run_for(40, every=2)
    assert world.share("next") == 1_000
    assert world.status().phase == "paused"
    assert world.condition() == Reason.SUSPENDED
    world.ask(PersonAction.RESUME)
    await world.run_for(60, every=2)
    assert world.reasons()[2:] == [
        "HOLD Suspended",
        "HOLD Resumed",
        "ADVANCE StepPassed",
        "PROMOTE EvidenceSufficient",
    ]
    world.check()


async def test_guardrails_go_on_guarding_a_paused_release(on_trial: World) -> None:
    world = on_trial
    world.ask(PersonAction.PAUSE)
    await world.run_for(2)
    world.users.error_rates["2"] = 0.4
    await world.run_for(10)
    assert world.reasons()[2:] == ["HOLD Suspended", "ROLLBACK GuardrailBreached"]
    assert world.share("stable") == 10_000


async def test_a_pause_longer_than_the_stage_may_take_ends_nothing(on_trial: World) -> None:
    world = on_trial
    world.ask(PersonAction.PAUSE)
    await world.run_for(1_200, every=30)
    assert world.reasons()[2:] == ["HOLD Suspended"]
    world.ask(PersonAction.RESUME)
    await world.run_for(60, every=2)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"


# --- promote, roll back, lift ---------------------------------------------------------------------------


async def test_a_person_may_promote_before_the_evidence_is_there(on_trial: World) -> None:
    world = on_trial
    world.ask(PersonAction.PROMOTE)
    await world.run_for(2)
    assert world.reasons()[2:] == ["PROMOTE Requested"]
    assert world.state().stable.versions["app"].name == "2"
    assert 'stable: {app: "2"}' in world.read(MANIFEST)
    world.check()


async def test_c16_a_candidate_that_does_not_run_is_not_promoted_for_anybody(on_trial: World) -> None:
    world = on_trial
    world.workloads.set_phase("app", "2", WorkloadPhase.STARTING)
    world.ask(PersonAction.PROMOTE)
    await world.run_for(3)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted"
    world.workloads.set_phase("app", "2", WorkloadPhase.READY)
    await world.run_for(2)
    assert world.reasons()[-1] == "PROMOTE Requested"


async def test_a_promotion_asked_for_waits_while_the_manifest_is_invalid(on_trial: World) -> None:
    world = on_trial
    good = world.read(MANIFEST)
    world.write(MANIFEST, good + "  unheardOf: 1\n")
    world.ask(PersonAction.PROMOTE)
    await world.run_for(3)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted"
    assert world.condition() == Reason.INVALID_MANIFEST
    world.write(MANIFEST, good)
    await world.run_for(2)
    assert world.reasons()[-1] == "PROMOTE Requested"
    world.check()


async def test_c14_a_person_takes_a_candidate_back_at_once(on_trial: World) -> None:
    world = on_trial
    world.ask(PersonAction.ROLLBACK)
    await world.run_pass()
    assert world.share("stable") == 10_000
    await world.run_for(2)
    assert world.reasons()[2:] == ["ROLLBACK Requested"]
    assert "candidates" not in world.read(MANIFEST)
    assert world.state().quarantine[0].version == "2"
    world.check()


async def test_c14_a_rollback_asked_for_while_idle_moves_nothing(world: World) -> None:
    manifest, writes = world.read(MANIFEST), world.router.writes
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(3)
    assert world.reasons() == ["ADVANCE Adopted", "HOLD Idle"], "only the answer to the request is recorded"
    assert world.read(MANIFEST) == manifest
    assert world.router.writes == writes
    await world.run_for(3)
    assert len(world.reasons()) == 2


async def test_c14_a_rollback_wins_over_a_promotion_asked_for_at_the_same_time(on_trial: World) -> None:
    world = on_trial
    world.ask(PersonAction.PROMOTE)
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(3)
    assert world.reasons()[2:] == ["ROLLBACK Requested", "HOLD Idle"]
    assert world.share("stable") == 10_000


async def test_a_lifted_quarantine_lets_the_artifact_be_tried_again(on_trial: World) -> None:
    world = on_trial
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(2)
    world.add_candidate("2", name="again")
    await world.run_for(3)
    assert world.condition() == Reason.QUARANTINED
    world.ask(PersonAction.LIFT)
    await world.run_for(3)
    assert world.reasons()[2:] == ["ROLLBACK Requested", "HOLD Lifted", "ADVANCE CandidateStarted"]


# --- the manifest is edited -----------------------------------------------------------------------------


async def test_c24_a_candidate_taken_out_by_hand_ends_the_trial_and_is_not_held(on_trial: World) -> None:
    world = on_trial
    text = world.read(MANIFEST)
    lines = [line for line in text.splitlines(keepends=True) if "candidates" not in line and "next" not in line]
    world.write(MANIFEST, "".join(lines))
    await world.run_for(2)
    assert world.reasons()[2:] == ["ROLLBACK CandidateWithdrawn"]
    assert world.share("stable") == 10_000
    assert world.state().quarantine == ()
    assert world.read(MANIFEST) == "".join(lines)
    world.check()


async def test_c24_a_candidate_replaced_by_hand_starts_again_at_the_first_step(on_trial: World) -> None:
    world = on_trial
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE StepPassed")
    world.replace(MANIFEST, 'versions: {app: "2"}}', 'versions: {app: "3"}}')
    await world.run_for(3)
    assert world.reasons()[3:] == ["ROLLBACK CandidateWithdrawn", "ADVANCE CandidateStarted"]
    assert world.share("next") == 1_000
    assert world.state().variants["next"].versions["app"].name == "3"
    await world.run_for(60, every=2)
    assert world.state().stable.versions["app"].name == "3"


async def test_a_rollback_asked_for_together_with_a_new_candidate_leaves_the_new_one_to_be_tried(
    on_trial: World,
) -> None:
    world = on_trial
    world.replace(MANIFEST, '{name: next, versions: {app: "2"}}', '{name: other, versions: {app: "3"}}')
    world.ask(PersonAction.ROLLBACK)
    await world.run_for(4)
    assert world.reasons()[2:] == ["ROLLBACK Requested", "ADVANCE CandidateStarted"]
    assert world.share("other") == 1_000
    assert "other" in world.read(MANIFEST)


async def test_of_two_candidates_the_one_that_cannot_start_is_dropped_and_the_other_is_tried(world: World) -> None:
    world.workloads.set_phase("app", "2", WorkloadPhase.FAILED, "exits at once")
    both = '  candidates:\n    - {name: a, versions: {app: "2"}}\n    - {name: b, versions: {app: "3"}}\n'
    world.replace(MANIFEST, "  strategy:", both + "  strategy:")
    await world.run_for(4)
    assert world.reasons()[1:] == ["ROLLBACK NeverReady", "ADVANCE CandidateStarted"]
    assert world.share("b") == 1_000
    assert "name: a," not in world.read(MANIFEST)


async def test_stable_changed_by_hand_serves_once_it_is_ready(world: World) -> None:
    world.workloads.set_phase("app", "2", WorkloadPhase.STARTING, "loading")
    world.replace(MANIFEST, 'stable: {app: "1"}', 'stable: {app: "2"}')
    await world.run_for(5)
    assert world.condition() == Reason.WAITING_FOR_READINESS
    assert world.reasons() == ["ADVANCE Adopted"]
    assert world.users.served.get(("shop", "2")) is None
    world.workloads.set_phase("app", "2", WorkloadPhase.READY)
    await world.run_for(3)
    assert world.reasons()[1:] == ["REALLOCATE StableChanged"]
    assert world.users.served["shop", "2"] > 0
    world.check()


async def test_a_deleted_release_loses_its_routes_and_comes_back_when_it_is_added_again(world: World) -> None:
    text = world.read(MANIFEST)
    world.write(MANIFEST, None)
    await world.run_for(2)
    assert world.reasons()[1:] == ["REALLOCATE Removed"]
    assert "shop" not in world.router.tables
    assert not world.workloads.running
    world.write(MANIFEST, text)
    await world.run_for(3)
    assert world.reasons()[2:] == ["ADVANCE Adopted"]
    assert world.share("stable") == 10_000
    world.check()


async def test_a_release_deleted_in_mid_trial_is_removed_with_its_candidate(on_trial: World) -> None:
    world = on_trial
    world.write(MANIFEST, None)
    await world.run_for(2)
    assert world.reasons()[2:] == ["REALLOCATE Removed"]
    assert world.router.tables == {}
    assert world.state().progress is None


async def test_c24_with_an_edited_policy_the_evidence_begins_anew_under_the_new_rules(on_trial: World) -> None:
    world = on_trial
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE StepPassed")
    await world.run_for(1)
    before = world.status().evidence[0]
    assert before.tried.trials > 250
    world.write("policies/careful.yaml", POLICY.replace("points: 2", "points: 3"))
    await world.run_for(1)
    after = world.status().evidence[0]
    assert after.margin == pytest.approx(0.03)
    assert after.tried.trials < before.tried.trials, "evidence gathered under the old rules was taken over"
    await world.run_for(60)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    folds = [record["decision"]["state"].get("folds", {}) for record in world.records()]
    assert all(len(fold) <= 1 for fold in folds), "folds of two policies stand side by side"


async def test_c24_a_reverted_promotion_serves_the_old_stable_and_tries_the_candidate_again(on_trial: World) -> None:
    world = on_trial
    before = world.read(MANIFEST)
    world.ask(PersonAction.PROMOTE)
    await world.run_for(2)
    world.write(MANIFEST, before, "Revert the promotion")
    await world.run_for(4)
    assert world.reasons()[2:] == [
        "PROMOTE Requested",
        "REALLOCATE StableChanged",
        "ADVANCE CandidateStarted",
    ]
    assert world.state().stable.versions["app"].name == "1"
    world.check()


async def test_c24_a_reverted_rollback_finds_its_artifact_held(on_trial: World) -> None:
    world = on_trial
    before = world.read(MANIFEST)
    world.users.error_rates["2"] = 0.4
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK GuardrailBreached")
    world.write(MANIFEST, before, "Revert the rollback")
    await world.run_for(3)
    assert world.condition() == Reason.QUARANTINED
    assert world.share("stable") == 10_000


async def test_commits_that_change_nothing_of_a_release_wake_nothing(world: World) -> None:
    world.write("README.md", "hello", "Say hello")
    heads = world.person.fetch()
    message = append_trailers("Look like a bot", [("Releasectl-Decision", "PROMOTE")])
    world.person.push(heads, manifests=[Commit(message, {"notes.txt": b"x"})])
    await world.run_for(3)
    assert world.reasons() == ["ADVANCE Adopted"]
    assert world.clock.at > START
