"""A group of users that looks harmed at present holds the end of a stage, and with it the promotion; nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from releasectl.decide.chain import decide
from releasectl.decide.inputs import Input
from releasectl.domain.decision import Action, PersonAction
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.reasons import Reason
from releasectl.evaluate.evaluation import Evaluation
from tests.builders import (
    a_desired,
    a_policy,
    a_release,
    a_request,
    a_state,
    an_input,
    an_observation,
    some_evidence,
)

CANARY = {"type": "canary", "steps": [10, 50], "interval": "10s"}
AB = {"type": "ab", "share": 50, "duration": "10s"}
APPROVAL = {"type": "approval", "notAuthor": False}
WATCH = {"for": "10s"}
GUARDRAIL = {"metric": "error-rate", "margin": {"points": 2}, "segments": {"by": "language"}}
GUARDED = a_policy(guardrails=[GUARDRAIL])
SUSPECTED = {"summary": "with language=eu 20 % of 50: harm is suspected", "suspicious": True}


def the_group(candidate: str = "next", **more: Any) -> Evidence:
    state = MetricState.INCONCLUSIVE
    return some_evidence(state, role="segment", part="language=eu", candidate=candidate, **more)


def a_trial(
    *groups: Evidence, strategy: Mapping[str, Any] = CANARY, stage: int = 0, step: int = 1, **policy: Any
) -> Input:
    """All is proven in the whole, and time and samples are there."""
    release = a_release(strategy=[strategy])
    desired = a_desired(release, a_policy(guardrails=[GUARDRAIL], **policy))
    vote = a_request(PersonAction.APPROVE, by="bob", trial=2)
    state = a_state(release, stage=stage, step=step, votes=(vote,))
    whole = some_evidence(MetricState.OK)
    return an_input(desired=desired, state=state, observed=an_observation(state), evidence=(whole, *groups))


ENDS: Mapping[str, tuple[Mapping[str, Any], Reason]] = {
    "canary": ({"strategy": CANARY}, Reason.EVIDENCE_SUFFICIENT),
    "ab": ({"strategy": AB, "step": 0}, Reason.EVIDENCE_SUFFICIENT),
    "approval": ({"strategy": APPROVAL, "step": 0}, Reason.APPROVED),
    "watch": ({"strategy": CANARY, "stage": 1, "step": 0, "watch": WATCH}, Reason.WATCH_PASSED),
}


@pytest.mark.parametrize("stage", ENDS)
def test_what_would_be_promoted_waits_while_a_group_is_suspected(stage: str) -> None:
    changes, reason = ENDS[stage]
    unsuspected = decide(a_trial(the_group(), **changes))
    assert (unsuspected.action, unsuspected.reason) == (Action.PROMOTE, reason)
    held = decide(a_trial(the_group(**SUSPECTED), **changes))
    assert (held.action, held.reason) == (Action.HOLD, Reason.AWAITING_EVIDENCE)
    assert "with language=eu 20 % of 50: harm is suspected" in held.message


def test_a_step_within_a_stage_does_not_wait() -> None:
    decision = decide(a_trial(the_group(**SUSPECTED), step=0))
    assert (decision.action, decision.reason) == (Action.ADVANCE, Reason.STEP_PASSED)


@pytest.mark.parametrize("stage", ENDS)
def test_the_wait_ends_with_the_longest_time_of_a_stage_unless_people_are_waited_for(stage: str) -> None:
    given = a_trial(the_group(**SUSPECTED), **ENDS[stage][0])
    decision = decide(replace(given, observed=given.observed.model_copy(update={"stage_seconds": 25 * 3600.0})))
    if stage == "approval":
        assert (decision.action, decision.reason) == (Action.HOLD, Reason.AWAITING_EVIDENCE)
    else:
        assert (decision.action, decision.reason) == (Action.ROLLBACK, Reason.INCONCLUSIVE)
        assert "with language=eu 20 % of 50: harm is suspected" in decision.message


def test_a_person_may_promote_all_the_same() -> None:
    decision = decide(replace(a_trial(the_group(**SUSPECTED)), requests=(a_request(PersonAction.PROMOTE),)))
    assert (decision.action, decision.reason) == (Action.PROMOTE, Reason.REQUESTED)


def test_of_several_candidates_one_whose_groups_look_well_is_promoted() -> None:
    release = a_release(candidates={"next": "2", "other": "3"}, strategy=[AB])
    state = a_state(release)
    rows = [some_evidence(MetricState.OK, candidate=name) for name in ("next", "other")]
    observed = an_observation(state)
    given = an_input(desired=a_desired(release, GUARDED), state=state, observed=observed, evidence=rows)
    assert decide(given).candidate == "next"
    given = replace(given, evaluation=Evaluation(evidence=(*rows, the_group(**SUSPECTED))))
    decision = decide(given)
    assert (decision.action, decision.candidate) == (Action.PROMOTE, "other")
