"""A trial whose counts were wrong begins anew at a person's word: what that may give a candidate, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from releasectl.decide.chain import decide
from releasectl.decide.inputs import Input
from releasectl.domain.base import format_time
from releasectl.domain.decision import Action, Allocation, PersonAction
from releasectl.domain.metric import BUILT_IN
from releasectl.domain.observation import Health, VariantHealth
from releasectl.domain.reasons import Reason
from releasectl.evaluate.evaluation import Evaluation
from tests.builders import NOW, a_desired, a_policy, a_release, a_request, a_state, an_input, an_observation

CANARY = {"type": "canary", "steps": [40], "interval": "10s"}
AB = {"type": "ab", "share": 20, "duration": "10s"}
SHADOW = {"type": "shadow", "agreement": {"atLeast": 97}, "mirror": 50}
BANDIT = {"type": "bandit", "objective": "error-rate", "explore": 5}
FROZEN = [
    {
        "from": format_time(NOW - timedelta(hours=1)).replace(".000Z", "Z"),
        "until": format_time(NOW + timedelta(hours=1)).replace(".000Z", "Z"),
        "reason": "year end",
        "owner": "cleo",
    }
]


def resumed(strategy: Sequence[Mapping[str, Any]], share: int, *, stage: int, frozen: bool = False) -> Input:
    """A trial whose counts are found wrong in this stage, at this share in basis points; ada resumes."""
    release = a_release(strategy=strategy)
    policy = a_policy(freeze=FROZEN) if frozen else a_policy()
    allocation = Allocation(shares={"stable": 10_000 - share, "next": share})
    state = a_state(release, stage=stage, allocation=allocation)
    return an_input(
        desired=replace(a_desired(release, policy), metrics=dict(BUILT_IN)),
        state=state,
        observed=an_observation(state),
        evaluation=Evaluation(mismatch="requests do not follow the shares"),
        requests=(a_request(PersonAction.RESUME),),
    )


@pytest.mark.parametrize(
    ("first", "share"),
    [(CANARY, 4_000), (SHADOW, 0), (BANDIT, 500), ({"type": "approval"}, 0)],
    ids=lambda one: one["type"] if isinstance(one, dict) else "",
)
def test_a_trial_that_begins_anew_has_what_its_first_stage_gives_a_new_one_and_nothing_of_what_it_had(
    first: Mapping[str, Any], share: int
) -> None:
    decision = decide(resumed([first, CANARY], 9_000, stage=1))
    assert (decision.action, decision.reason) == (Action.REALLOCATE, Reason.RESUMED)
    assert decision.state is not None
    assert decision.state.allocation.share("next") == share


def test_a_bandit_forgets_the_shares_that_wrong_counts_have_earned() -> None:
    decision = decide(resumed([BANDIT], 9_000, stage=0))
    assert decision.state is not None
    assert decision.state.allocation.share("next") == 500


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ([CANARY, AB], "with more than now, next 40 %; frozen until 2026-01-01T13:00:00Z: year end (ask cleo)"),
        ([SHADOW, AB], "with more than now, copies of 50 % to next; frozen until"),
    ],
)
def test_a_freeze_refuses_what_would_give_a_candidate_more_than_it_has(
    strategy: Sequence[Mapping[str, Any]], told: str
) -> None:
    given = resumed(strategy, 2_000, stage=1, frozen=True)
    decision = decide(given)
    assert (decision.action, decision.reason, decision.answers) == (Action.HOLD, Reason.REFUSED, ("resume-1",))
    assert f"ada asked for resume: the trial would begin anew {told}" in decision.message
    assert given.state is not None
    assert decision.state is not None
    assert decision.state.allocation == given.state.allocation
    assert decision.state.progress == given.state.progress


def test_a_freeze_lets_a_trial_begin_anew_with_no_more_than_it_has() -> None:
    decision = decide(resumed([CANARY, AB], 4_000, stage=0, frozen=True))
    assert decision.reason is Reason.RESUMED


def test_a_candidate_that_is_not_ready_gets_no_larger_share_and_the_request_stays_open() -> None:
    given = resumed([CANARY, AB], 2_000, stage=1)
    starting = {"next": VariantHealth(health=Health.STARTING)}
    given = replace(given, observed=given.observed.model_copy(update={"health": starting}))
    decision = decide(given)
    assert (decision.reason, decision.answers) == (Reason.WAITING_FOR_READINESS, ())
