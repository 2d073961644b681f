"""What is out of reach holds, never decides: the git host, the metrics, the router, time itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.adapters.workloads.memory import MemoryWorkloads
from releasectl.domain.decision import PersonAction
from releasectl.domain.observation import ReadState
from releasectl.domain.reasons import Reason
from releasectl.errors import Denied, Unavailable
from releasectl.ports import Commit, Heads, WorkloadKey, WorkloadStatus
from tests.scenarios.world import POLICY, World, run_git

TO_THE_END = [
    "ADVANCE Adopted",
    "ADVANCE CandidateStarted",
    "ADVANCE StepPassed",
    "PROMOTE EvidenceSufficient",
]


def hide(world: World) -> None:
    """The git host is gone."""
    world.origin.rename(world.origin.with_name("away.git"))


def bring_back(world: World) -> None:
    """The git host is here again."""
    world.origin.with_name("away.git").rename(world.origin)


# --- git ------------------------------------------------------------------------------------------------


async def test_without_git_a_rollback_acts_at_once_and_is_recorded_once_when_git_returns(on_trial: World) -> None:
    world = on_trial
    hide(world)
    world.users.error_rates["2"] = 0.4
    await world.run_for(6)
    assert world.share("stable") == 10_000
    assert world.status().unrecorded
    asked = world.users.served["shop", "2"]
    await world.run_for(20)
    assert world.users.served["shop", "2"] == asked, "the candidate got requests while its rollback was not recorded"
    bring_back(world)
    await world.run_for(120, every=5)
    assert world.reasons()[2:] == ["ROLLBACK GuardrailBreached"]
    assert "candidates" not in world.read("releases/shop.yaml")
    assert not world.status().unrecorded
    world.check()


async def test_without_git_a_rollback_outlives_a_restart(on_trial: World) -> None:
    world = on_trial
    hide(world)
    world.users.error_rates["2"] = 0.4
    await world.run_for(6)
    world.restart()
    await world.run_for(10)
    assert world.share("stable") == 10_000
    bring_back(world)
    await world.run_for(120, every=5)
    assert world.reasons()[2:] == ["ROLLBACK GuardrailBreached"]
    world.check()


async def test_without_git_nothing_is_advanced_or_promoted(on_trial: World) -> None:
    world = on_trial
    hide(world)
    await world.run_for(60, every=2)
    assert world.share("next") == 1_000
    assert world.seen.problems[0].startswith(Reason.GIT_UNAVAILABLE)
    bring_back(world)
    await world.run_for(150, every=5)
    assert world.reasons() == TO_THE_END
    world.check()


async def test_a_controller_started_while_git_is_away_goes_on_from_its_mirror(on_trial: World) -> None:
    world = on_trial
    hide(world)
    world.restart()
    world.router.tables.clear()
    await world.run_for(1)
    assert world.share("next") == 1_000
    world.users.error_rates["2"] = 0.4
    await world.run_for(8)
    assert world.share("stable") == 10_000
    bring_back(world)
    await world.run_for(120, every=5)
    assert world.reasons()[2:] == ["ROLLBACK GuardrailBreached"]
    world.check()


async def test_a_rollback_that_waited_leaves_a_candidate_that_a_person_put_in_its_place(on_trial: World) -> None:
    world = on_trial
    text = world.read("releases/shop.yaml")
    hide(world)
    world.users.error_rates["2"] = 0.4
    await world.run_for(6)
    assert world.status().unrecorded
    bring_back(world)
    world.write("releases/shop.yaml", text.replace('versions: {app: "2"}}', 'versions: {app: "3"}}'))
    await world.run_for(70)
    assert world.reasons()[2:5] == [
        "ROLLBACK GuardrailBreached",
        "ADVANCE CandidateStarted",
        "ADVANCE StepPassed",
    ]
    world.check()


async def test_c20_commits_lost_from_the_repository_stop_all_writing_and_leave_traffic(on_trial: World) -> None:
    world = on_trial
    for number in range(3):
        world.write(f"notes/{number}.md", "text", f"Note {number}")
    await world.run_pass()
    run_git("update-ref", "refs/heads/main", "refs/heads/main~3", cwd=world.origin)
    ledger = run_git("rev-parse", "refs/heads/releasectl/ledger", cwd=world.origin)
    await world.run_for(60, every=2)
    assert world.share("next") == 1_000
    assert run_git("rev-parse", "refs/heads/releasectl/ledger", cwd=world.origin) == ledger
    assert world.seen.problems[0].startswith(Reason.HISTORY_REWRITTEN)
    assert "Note 2" in world.seen.problems[0]
    world.person.acknowledge_rewrite()
    with GitRepo(str(world.origin), mirror=world.folder / "mirror-a") as repo:
        repo.acknowledge_rewrite()
    await world.run_for(60)
    assert world.reasons() == TO_THE_END
    world.check()


async def test_c20_on_a_rewritten_history_a_rollback_still_acts(on_trial: World) -> None:
    world = on_trial
    world.write("notes/1.md", "text", "Note")
    await world.run_pass()
    run_git("update-ref", "refs/heads/main", "refs/heads/main~1", cwd=world.origin)
    world.users.error_rates["2"] = 0.4
    await world.run_for(10)
    assert world.share("stable") == 10_000
    assert world.status().unrecorded


# --- metrics --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [ReadState.PROVIDER_ERROR, ReadState.STALE, ReadState.INVALID, ReadState.NO_DATA])
async def test_c1_while_metrics_cannot_be_read_nothing_is_advanced(on_trial: World, state: ReadState) -> None:
    world = on_trial
    world.users.state = state
    await world.run_for(19)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted"
    assert world.share("next") == 1_000
    expected = Reason.COLLECTING_SAMPLES if state is ReadState.NO_DATA else Reason.METRICS_UNAVAILABLE
    assert world.condition() == expected


async def test_c1_an_outage_shorter_than_the_budget_changes_no_share_and_the_release_completes(on_trial: World) -> None:
    world = on_trial
    world.users.state = ReadState.PROVIDER_ERROR
    await world.run_for(19)
    assert world.share("next") == 1_000
    world.users.state = ReadState.OK
    await world.run_for(60)
    assert world.reasons() == TO_THE_END


async def test_c1_an_outage_longer_than_the_budget_takes_the_declared_action_once(on_trial: World) -> None:
    world = on_trial
    world.users.state = ReadState.PROVIDER_ERROR
    await world.run_for(60)
    assert world.reasons()[2:] == ["ROLLBACK OutageBudgetSpent"]
    assert world.share("stable") == 10_000
    world.users.state = ReadState.OK
    await world.run_for(20)
    assert world.reasons()[2:] == ["ROLLBACK OutageBudgetSpent"]
    world.check()


async def test_c1_the_budget_counts_the_outages_of_a_stage_together_over_restarts(on_trial: World) -> None:
    world = on_trial
    world.users.state = ReadState.PROVIDER_ERROR
    await world.run_for(12)
    world.users.state = ReadState.OK
    await world.run_for(2)
    world.restart()
    world.users.state = ReadState.STALE
    await world.run_for(11)
    assert world.reasons()[-1] == "ROLLBACK OutageBudgetSpent"


async def test_c1_a_policy_that_holds_waits_for_the_metrics_however_long_it_takes(tmp_path: Path) -> None:
    world = World(tmp_path, policy=POLICY.replace("then: rollback", "then: hold"))
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1:] == ["ADVANCE CandidateStarted"])
    world.users.state = ReadState.PROVIDER_ERROR
    await world.run_for(120)
    assert world.share("next") == 1_000
    assert world.condition() == Reason.METRICS_UNAVAILABLE
    world.users.state = ReadState.OK
    await world.run_for(60)
    assert world.reasons() == TO_THE_END
    world.close()


async def test_c1_a_guardrail_that_still_answers_rolls_back_while_another_is_gone(tmp_path: Path) -> None:
    both = "[{metric: error-rate, margin: {points: 2}}, {metric: slow-requests}]"
    world = World(tmp_path, policy=POLICY.replace("[{metric: error-rate, margin: {points: 2}}]", both))
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1:] == ["ADVANCE CandidateStarted"])
    world.users.states["slow-requests"] = ReadState.PROVIDER_ERROR
    world.users.error_rates["2"] = 0.4
    await world.run_for(8)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    world.close()


# --- router ---------------------------------------------------------------------------------------------


async def test_c12_a_router_that_acknowledges_and_does_not_apply_never_starts_the_clock(world: World) -> None:
    world.router.deaf = True
    world.add_candidate("2")
    await world.run_for(60)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted"
    assert world.condition() == Reason.WAITING_FOR_ROUTE
    world.router.deaf = False
    await world.run_for(9)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted", "the time before the share was served has counted"
    await world.run_for(60)
    assert world.reasons() == TO_THE_END


async def test_c12_time_in_which_the_share_is_not_served_does_not_count(on_trial: World) -> None:
    world = on_trial
    await world.run_for(5)
    world.router.broken = True
    await world.run_for(30)
    assert world.seen.problems[0].startswith(Reason.ROUTER_UNAVAILABLE)
    world.router.broken = False
    await world.run_for(4)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted", "the router's absence has counted as time at the step"
    await world.run_for(60)
    assert world.reasons() == TO_THE_END


async def test_a_rollback_whose_router_is_away_is_recorded_and_routed_when_it_returns(on_trial: World) -> None:
    world = on_trial
    world.ask(PersonAction.ROLLBACK)
    world.router.broken = True
    await world.run_for(5)
    assert world.reasons()[-1] == "ROLLBACK Requested"
    world.router.broken = False
    await world.run_for(1)
    assert world.share("stable") == 10_000
    world.check()


class Silent(MemoryWorkloads):
    """Runs everything and, while told so, says nothing."""

    silent = True

    async def observe(self) -> Mapping[WorkloadKey, WorkloadStatus]:
        if self.silent:
            raise Unavailable("the runner does not answer")
        return await super().observe()


async def test_a_new_controller_leaves_routes_alone_until_it_knows_the_processes_behind_them(on_trial: World) -> None:
    world = on_trial
    shares = world.router.tables["shop"].shares
    world.workloads = MemoryWorkloads()
    world.restart()
    for _ in range(3):
        await world.run_for(1)
        assert world.router.tables["shop"].shares == shares


async def test_a_runner_that_does_not_answer_a_new_controller_takes_no_routes_away(on_trial: World) -> None:
    world = on_trial
    table = world.router.tables["shop"]
    world.workloads = runner = Silent()
    world.restart()
    await world.run_for(5)
    assert world.router.tables == {"shop": table}
    runner.silent = False
    world.users.error_rates["2"] = 0.4
    await world.run_for(10)
    assert world.reasons()[2:] == ["ROLLBACK GuardrailBreached"]
    world.check()


async def test_routes_changed_by_hand_are_put_right(on_trial: World) -> None:
    world = on_trial
    table = world.router.tables.pop("shop")
    await world.run_for(1)
    assert world.router.tables["shop"] == table


# --- time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-1, 1])
async def test_c23_a_wall_clock_set_anew_across_a_restart_promotes_nothing_early(on_trial: World, hours: int) -> None:
    world = on_trial
    await world.run_for(5)
    world.set_wall_clock(timedelta(hours=hours))
    await world.run_for(3)
    assert world.reasons()[-1] == "ADVANCE CandidateStarted", "the jump has counted as time at the step"
    await world.run_for(60)
    assert world.reasons() == TO_THE_END
    world.check()


# --- protected branches ---------------------------------------------------------------------------------


class Protected:
    """A repository whose manifests branch takes no push of the controller."""

    def __init__(self, repo: Any) -> None:
        self._repo = repo

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repo, name)

    def push(self, base: Heads, *, manifests: Sequence[Commit] = (), ledger: Sequence[Commit] = ()) -> Heads:
        if manifests:
            raise Denied("main is protected", hint="let the controller push to it")
        moved: Heads = self._repo.push(base, ledger=ledger)
        return moved


def protect(world: World) -> None:
    world.wrap = lambda kind, port: Protected(port) if kind == "repo" else port
    world.restart()


async def test_where_manifests_are_protected_nothing_is_promoted_and_people_are_told(on_trial: World) -> None:
    world = on_trial
    protect(world)
    await world.run_for(60, every=2)
    assert world.reasons()[-1] == "ADVANCE StepPassed"
    assert world.share("next") == 5_000
    assert world.seen.problems == ("GitDenied: main is protected (let the controller push to it)",)


async def test_where_manifests_are_protected_a_rollback_is_recorded_and_the_candidate_is_not_tried_again(
    on_trial: World,
) -> None:
    world = on_trial
    protect(world)
    world.users.error_rates["2"] = 0.4
    await world.run_for(20)
    assert world.reasons()[2:] == ["ROLLBACK GuardrailBreached"]
    assert "candidates" in world.read("releases/shop.yaml")
    assert world.share("stable") == 10_000
    assert world.condition() == Reason.QUARANTINED
    world.check()


async def test_the_other_candidates_get_nothing_while_a_rollback_waits_for_git(world: World) -> None:
    both = '  candidates: [{name: two, versions: {app: "2"}}, {name: three, versions: {app: "3"}}]\n'
    text = world.read("releases/shop.yaml")
    world.write("releases/shop.yaml", text.replace("  strategy:", both + "  strategy:"))
    await world.run_for(4)
    assert (world.share("two"), world.share("three")) == (500, 500)
    hide(world)
    world.users.error_rates["2"] = 0.6
    await world.run_for(8)
    # Nobody judges the third version until the rollback of the second is recorded, so nobody sees it either.
    assert world.share("stable") == 10_000
    bring_back(world)
    await world.run_for(120, every=5)
    assert world.reasons().count("ROLLBACK GuardrailBreached") == 1
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    assert world.state().stable.versions["app"].name == "3"
