"""Decisions where manifests change by pull request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from releasectl.decide.chain import decide
from releasectl.decide.inputs import Desired, Finding
from releasectl.domain.decision import Action, Edit, PersonAction
from releasectl.domain.evidence import MetricState
from releasectl.domain.forge import WriteBack
from releasectl.domain.observation import Health, VariantHealth
from releasectl.domain.reasons import Reason
from releasectl.domain.release import Release
from tests.builders import a_desired, a_policy, a_release, a_request, a_state, an_input, an_observation, some_evidence


def proposing(release: Release | None = None) -> Desired:
    """The same as pushes, but by pull request."""
    desired = a_desired(release, a_policy())
    spec = desired.environment.spec.model_copy(update={"write_back": WriteBack(mode="pull-request")})
    return replace(desired, environment=desired.environment.model_copy(update={"spec": spec}))


MERGED = a_release(stable="2", candidates={})
"""What the manifest says once the promotion of version 2 is merged."""


def test_stable_in_the_manifest_is_what_is_on_trial() -> None:
    decision = decide(an_input(desired=proposing(MERGED), state=a_state(a_release())))
    assert (decision.action, decision.reason, decision.candidate) == (Action.PROMOTE, Reason.MERGED, "next")
    assert decision.edit is None
    assert decision.state is not None
    assert (decision.state.stable.versions["app"].name, decision.state.progress) == ("2", None)
    assert decision.state.intent == MERGED.at_rest().intent


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"desired": a_desired(MERGED)}, Reason.CANDIDATE_WITHDRAWN),
        ({"desired": proposing(a_release(stable="3", candidates={}))}, Reason.CANDIDATE_WITHDRAWN),
        (
            {
                "desired": proposing(MERGED),
                "observed": an_observation(
                    health={"next": VariantHealth(health=Health.STARTING), "stable": VariantHealth(health=Health.READY)}
                ),
            },
            Reason.CANDIDATE_WITHDRAWN,
        ),
        ({"desired": proposing(MERGED), "invalid": "broken"}, Reason.INVALID_MANIFEST),
    ],
    ids=["where manifests are pushed to", "another version", "one that cannot serve", "a manifest that is invalid"],
)
def test_no_promotion_follows_from(given: dict[str, Any], reason: Reason) -> None:
    decision = decide(an_input(state=a_state(a_release()), **given))
    assert (decision.action is Action.PROMOTE, decision.reason) == (False, reason)


def test_it_is_asked_before_anything_takes_the_candidate_back() -> None:
    decision = decide(
        an_input(
            desired=proposing(MERGED),
            state=a_state(a_release()),
            evidence=[some_evidence(MetricState.BAD)],
            requests=(a_request(PersonAction.ROLLBACK),),
        )
    )
    assert decision.reason is Reason.MERGED


def test_a_merge_answers_whoever_asked_for_the_promotion() -> None:
    request = a_request(PersonAction.PROMOTE)
    decision = decide(an_input(desired=proposing(MERGED), state=a_state(a_release()), requests=(request,)))
    assert decision.answers == (request.id,)


def test_a_promotion_that_is_proposed_changes_and_records_nothing() -> None:
    waits = Finding(Reason.AWAITING_MERGE, "it is proposed", candidate="next")
    given = an_input(
        desired=proposing(), state=a_state(step=1), evidence=[some_evidence(MetricState.OK)], proposed=waits
    )
    decided = decide(replace(given, proposed=None))
    assert (decided.action, decided.edit) == (Action.PROMOTE, Edit(promote="next"))
    held = decide(given)
    assert (held.action, held.reason, held.state, held.records) == (
        Action.HOLD,
        Reason.AWAITING_MERGE,
        given.state,
        False,
    )
    # It is the promotion that waits; harm takes the candidate back as ever.
    harmed = replace(given, evaluation=an_input(evidence=[some_evidence(MetricState.BAD)]).evaluation)
    assert decide(harmed).reason is Reason.GUARDRAIL_BREACHED


TWO = a_release(candidates={"next": "2", "other": "3"})


def test_one_of_two_is_taken_back_and_the_trial_goes_on_with_the_manifest_as_it_is() -> None:
    given = an_input(desired=proposing(TWO), state=a_state(TWO), evidence=[some_evidence(MetricState.BAD)])
    first = decide(given)
    assert (first.action, first.edit) == (Action.ROLLBACK, None)
    assert first.state is not None
    assert (first.state.candidates, first.state.intent) == (("other",), TWO.intent)

    again = replace(given, state=first.state, observed=an_observation(first.state))
    evidence = an_input(evidence=[some_evidence(MetricState.BAD, candidate="other")]).evaluation
    last = decide(replace(again, evaluation=evidence))
    # The end of the trial takes both out of the manifest, and until that is merged none of them starts again.
    assert last.edit == Edit(drop=("next", "other"))
    assert last.state is not None
    assert last.state.progress is None
    rest = replace(again, state=last.state, observed=an_observation(last.state))
    assert decide(rest).reason is Reason.IDLE
