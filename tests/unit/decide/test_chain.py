"""The order of the checks: when several things are true at once, which one is acted on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from releasectl.decide.chain import decide
from releasectl.decide.inputs import Input
from releasectl.domain.decision import Action, Allocation, Decision, PersonAction, Suspension
from releasectl.domain.evidence import MetricState
from releasectl.domain.observation import Health, VariantHealth
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.evaluate.evaluation import Evaluation
from tests.builders import (
    NOW,
    a_desired,
    a_policy,
    a_quarantine,
    a_release,
    a_request,
    a_state,
    an_input,
    an_observation,
    some_evidence,
)

Change = Mapping[str, Any]
TESTS = Path(__file__).parents[2]


def _health(health: Health) -> Change:
    return {"health": {"next": VariantHealth(health=health, detail="the test says so")}}


FINDINGS: list[tuple[Reason, Change]] = [
    (Reason.REQUESTED, {"requests": (a_request(PersonAction.ROLLBACK),)}),
    (Reason.CANDIDATE_WITHDRAWN, {"release": a_release(candidates={})}),
    (Reason.GUARDRAIL_BREACHED, {"evidence": (some_evidence(MetricState.BAD),)}),
    (Reason.NEVER_READY, {"observed": _health(Health.FAILED)}),
    (Reason.OUTAGE_BUDGET_SPENT, {"observed": {"unreadable_seconds": 601.0}}),
    (Reason.INCONCLUSIVE, {"observed": {"stage_seconds": 86_401.0}}),
    (Reason.REQUESTED, {"requests": (a_request(PersonAction.PROMOTE),)}),
    (Reason.RESUMED, {"requests": (a_request(PersonAction.RESUME),)}),
    (Reason.SUSPENDED, {"state": {"suspension": Suspension(by="ada", at=NOW)}}),
    (Reason.INVALID_MANIFEST, {"invalid": "releases/shop.yaml:3:1: unknown field"}),
    (Reason.WAITING_FOR_READINESS, {"observed": _health(Health.STARTING)}),
    (Reason.WAITING_FOR_ROUTE, {"observed": {"served": Allocation.all_to(STABLE)}}),
    (Reason.NO_GUARDRAILS, {"policy": {"guardrails": []}}),
    (Reason.SAMPLE_RATIO_MISMATCH, {"mismatch": "requests do not follow the shares"}),
    (Reason.METRICS_UNAVAILABLE, {"evidence": (some_evidence(MetricState.STALE),)}),
    (Reason.DWELLING, {"observed": {"served_since": NOW - timedelta(seconds=9)}}),
    (Reason.COLLECTING_SAMPLES, {"evidence": (some_evidence(step_trials=99),)}),
    (Reason.STEP_PASSED, {}),
]
"""What a trial is asked, in its order, with the smallest change of the world that makes it true."""
PAIRS = list(pairwise(FINDINGS[:-1]))


def a_trial(*changes: Change) -> Input:
    """A trial at the first step, ready to go on, but for these changes; earlier ones win where they collide."""
    merged: dict[str, Any] = {"observed": {}, "state": {}, "policy": {}, "requests": (), "evidence": ()}
    for change in reversed(changes):
        for key, value in change.items():
            if isinstance(value, dict):
                merged[key] = {**merged[key], **value}
            elif isinstance(value, tuple):
                merged[key] = (*value, *merged[key])
            else:
                merged[key] = value
    tried = a_release()
    state = a_state(tried, **merged["state"])
    role = "guardrail" if merged["policy"].get("guardrails", True) else "objective"
    rows = tuple(row.model_copy(update={"role": role}) for row in merged["evidence"] or (some_evidence(),))
    return an_input(
        desired=a_desired(merged.get("release", tried), a_policy(**merged["policy"])),
        state=state,
        observed=an_observation(state, **merged["observed"]),
        requests=merged["requests"],
        invalid=merged.get("invalid", ""),
        evaluation=Evaluation(evidence=rows, mismatch=merged.get("mismatch")),
    )


@pytest.mark.parametrize(("reason", "change"), FINDINGS, ids=[f"{n}-{r}" for n, (r, _) in enumerate(FINDINGS)])
def test_each_finding_alone_decides(reason: Reason, change: Change) -> None:
    assert decide(a_trial(change)).reason is reason


@pytest.mark.parametrize(
    ("first", "second"),
    PAIRS,
    ids=[f"{n}-{a}-before-{b}" for n, ((a, _), (b, _)) in enumerate(PAIRS)],
)
def test_of_two_findings_that_follow_each_other_the_first_one_wins(
    first: tuple[Reason, Change], second: tuple[Reason, Change]
) -> None:
    alone, both = decide(a_trial(first[1])), decide(a_trial(first[1], second[1]))
    assert (both.action, both.reason) == (alone.action, alone.reason)


def test_whatever_takes_a_candidate_back_wins_over_everything_that_holds_it() -> None:
    holding = [change for _, change in FINDINGS[8:-1] if "invalid" not in change and "policy" not in change]
    for reason, change in FINDINGS[:6]:
        assert decide(a_trial(change, *holding)).reason is reason


STATES: dict[str, Callable[[], Change]] = {
    "first step": dict,
    "paused": lambda: FINDINGS[8][1],
    "manifest invalid": lambda: FINDINGS[9][1],
    "processes starting": lambda: FINDINGS[10][1],
    "processes failed": lambda: FINDINGS[3][1],
    "route not served": lambda: FINDINGS[11][1],
    "metrics unavailable": lambda: FINDINGS[14][1],
    "dwelling": lambda: FINDINGS[15][1],
    "everything proven": lambda: {"evidence": (some_evidence(MetricState.OK),)},
    "promotion asked for": lambda: FINDINGS[6][1],
}


@pytest.mark.parametrize("state", STATES)
def test_c14_a_rollback_asked_for_wins_from_every_state(state: str) -> None:
    decision = decide(a_trial(FINDINGS[0][1], STATES[state]()))
    assert (decision.action, decision.reason) == (Action.ROLLBACK, Reason.REQUESTED)
    assert decision.state is not None
    assert decision.state.allocation == Allocation.all_to(STABLE)
    assert decision.state.progress is None


# --- promotion ------------------------------------------------------------------------------------------


def at_the_last_step(*rows: MetricState, **observed: object) -> Decision:
    state = a_state(step=1)
    evidence = tuple(some_evidence(one, metric=f"metric-{n}") for n, one in enumerate(rows))
    guardrails = [{"metric": f"metric-{n}"} for n, _ in enumerate(rows)]
    desired = a_desired(policy=a_policy(guardrails=guardrails or [{"metric": "error-rate"}]))
    seen = an_observation(state).model_copy(update=observed)
    return decide(an_input(desired=desired, state=state, observed=seen, evidence=evidence))


def test_time_that_ran_out_while_nobody_looked_takes_back_nothing_that_is_proven() -> None:
    assert at_the_last_step(MetricState.OK, stage_seconds=90_000.0).action is Action.PROMOTE
    assert at_the_last_step(MetricState.INCONCLUSIVE, stage_seconds=90_000.0).reason is Reason.INCONCLUSIVE


def test_a_candidate_is_promoted_when_every_guardrail_passes() -> None:
    decision = at_the_last_step(MetricState.OK, MetricState.OK)
    assert (decision.action, decision.reason) == (Action.PROMOTE, Reason.EVIDENCE_SUFFICIENT)


@pytest.mark.parametrize("other", [state for state in MetricState if state is not MetricState.OK])
def test_c2_no_state_of_a_metric_but_ok_promotes(other: MetricState) -> None:
    assert at_the_last_step(MetricState.OK, other).action is not Action.PROMOTE
    assert at_the_last_step(other).action is not Action.PROMOTE


def test_c3_no_evidence_at_all_is_never_success() -> None:
    assert at_the_last_step().action is Action.HOLD


def test_c7_one_sample_less_than_the_policy_wants_holds() -> None:
    assert decide(a_trial({"evidence": (some_evidence(MetricState.OK, step_trials=99),)})).action is Action.HOLD
    assert decide(a_trial({"evidence": (some_evidence(MetricState.OK, step_trials=100),)})).action is Action.ADVANCE


@pytest.mark.parametrize(("seconds", "reason"), [(9.999, Reason.DWELLING), (10.0, Reason.STEP_PASSED)])
def test_a_step_lasts_as_long_as_it_must_and_no_longer(seconds: float, reason: Reason) -> None:
    served = {"served_since": NOW - timedelta(seconds=seconds)}
    assert decide(a_trial({"observed": served})).reason is reason


@pytest.mark.parametrize(("seconds", "action"), [(599.9, Action.ADVANCE), (600.0, Action.ROLLBACK)])
def test_c1_the_outage_budget_is_spent_to_the_second(seconds: float, action: Action) -> None:
    assert decide(a_trial({"observed": {"unreadable_seconds": seconds}})).action is action


def test_a_policy_may_hold_instead_of_rolling_back() -> None:
    spent = {"observed": {"unreadable_seconds": 1e6, "stage_seconds": 1e6}}
    patient = {"policy": {"outage": {"then": "hold"}, "whenInconclusive": "hold"}}
    assert decide(a_trial(spent)).action is Action.ROLLBACK
    assert decide(a_trial(spent, patient)).action is Action.ADVANCE


# --- every reason ---------------------------------------------------------------------------------------


def at_rest(**changes: Any) -> Input:
    state = a_state(step=None, **changes.pop("state", {}))
    return an_input(state=state, evidence=(), **changes)


def _failed(**_: Any) -> Mapping[str, VariantHealth]:
    return {"stable": VariantHealth(health=Health.READY), "next": VariantHealth(health=Health.FAILED, detail="exits")}


RESTS: dict[Reason, Callable[[], Input]] = {
    Reason.ADOPTED: lambda: Input(desired=a_desired(), state=None, observed=an_observation(), now=NOW),
    Reason.STABLE_CHANGED: lambda: at_rest(desired=a_desired(a_release(stable="3"))),
    Reason.MANIFEST_CHANGED: lambda: at_rest(desired=a_desired(a_release(route={"prefix": "/other/"}))),
    Reason.CANDIDATE_STARTED: at_rest,
    Reason.QUARANTINED: lambda: at_rest(quarantine=a_quarantine(a_release())),
    Reason.NEVER_READY: lambda: at_rest(observed=an_observation(health=_failed())),
    Reason.WAITING_FOR_READINESS: lambda: at_rest(observed=an_observation(health={})),
    Reason.IDLE: lambda: at_rest(desired=a_desired(a_release(candidates={}))),
    Reason.LIFTED: lambda: at_rest(requests=(a_request(PersonAction.LIFT),)),
    Reason.RESUMED: lambda: at_rest(requests=(a_request(PersonAction.RESUME),)),
    Reason.SUSPENDED: lambda: at_rest(requests=(a_request(PersonAction.PAUSE),)),
    Reason.INVALID_MANIFEST: lambda: at_rest(invalid="broken"),
    Reason.REMOVED: lambda: Input(desired=None, state=a_state(), observed=an_observation(), now=NOW),
}


@pytest.mark.parametrize("reason", RESTS)
def test_what_is_decided_while_nothing_is_on_trial(reason: Reason) -> None:
    assert decide(RESTS[reason]()).reason is reason


def test_every_reason_is_produced_by_a_test() -> None:
    produced = {reason for reason, _ in FINDINGS} | RESTS.keys()
    produced |= {at_the_last_step(MetricState.OK).reason, at_the_last_step(MetricState.INCONCLUSIVE).reason}
    texts = [path.read_text() for path in TESTS.rglob("test_*.py") if path != Path(__file__)]
    named = {
        reason for reason in Reason if any(re.search(rf"Reason\.{reason.name}\b|\b{reason}\b", text) for text in texts)
    }
    assert sorted(set(Reason) - produced - named) == []


# --- decisions ------------------------------------------------------------------------------------------


def test_equal_inputs_give_equal_decisions_and_other_inputs_another_identity() -> None:
    one, same, other = decide(a_trial()), decide(a_trial()), decide(a_trial({"state": {"decision": "f" * 16}}))
    assert one == same
    assert one.id != other.id


def test_a_hold_is_not_recorded_unless_it_answers_a_person() -> None:
    assert not decide(a_trial({"invalid": "broken"})).records
    assert decide(a_trial({"requests": (a_request(PersonAction.PAUSE),)})).records


def test_c17_a_rollback_holds_the_artifact_and_a_withdrawal_does_not() -> None:
    rolled_back = decide(a_trial({"evidence": (some_evidence(MetricState.BAD),)})).state
    withdrawn = decide(a_trial({"release": a_release(candidates={})})).state
    assert rolled_back is not None
    assert withdrawn is not None
    assert [item.version for item in rolled_back.quarantine] == ["2"]
    assert withdrawn.quarantine == ()


def test_the_manifest_as_the_promotion_leaves_it_is_what_the_state_says() -> None:
    state = at_the_last_step(MetricState.OK).state
    assert state is not None
    assert state.intent == a_release(stable="2", candidates={}).intent
