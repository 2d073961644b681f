"""What can hold or stop a trial is said in words, and why there is no forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from releasectl.controller.fleet import Traffic
from releasectl.domain.environment import Trust
from releasectl.domain.release import Interface
from releasectl.preview.contracts import breaks
from releasectl.preview.forecast import forecast, no_forecast
from releasectl.preview.ramp import exposure, ramp
from releasectl.preview.stops import stops
from releasectl.preview.wording import assumptions
from tests.builders import NOW, a_desired, a_policy, a_release


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({}, "error-rate proven more than 2 points higher than stable's: taken back at once"),
        (
            {"guardrails": [{"metric": "error-rate", "margin": {"percent": 10}, "limit": 5}]},
            "error-rate proven more than 10 % of stable's value higher than stable's: taken back at once",
        ),
        (
            {"guardrails": [{"metric": "error-rate", "limit": 5}]},
            "error-rate shown to be over 5 %, whatever stable has: taken back",
        ),
        ({"guardrails": []}, "the policy names no guardrail: nothing can be proven, so nothing is promoted"),
        (
            {"guardrails": [{"metric": "error-rate", "segments": {"by": "language", "mustPass": True}}]},
            "error-rate: the same for each language with 200 samples an arm, 20 of them at most; all of these must be "
            "proven harmless, too",
        ),
        ({"maxDuration": "2h", "whenInconclusive": "hold"}, "a stage that proves nothing in 2h: the candidate is held"),
        ({"outage": {"budget": "5m", "then": "hold"}}, "cannot be read for 5m together: the candidate is held"),
        (
            {"objectives": [{"metric": "slow-requests", "goal": "superior"}]},
            "slow-requests must be proven better than stable's before promotion",
        ),
        (
            {"freeze": [{"from": "Fri 16:00", "until": "Mon 08:00", "reason": "weekend", "owner": "Ana"}]},
            "nothing goes forward every week from Fri 16:00 until Mon 08:00 UTC: weekend (ask Ana)",
        ),
    ],
)
def test_each_rule_of_a_policy_is_told(policy: Mapping[str, Any], words: str) -> None:
    found = [stop.text for stop in stops(a_desired(policy=a_policy(**policy)), NOW)]
    assert any(words in text for text in found), found


def test_where_only_signed_commits_are_believed_the_plan_says_so() -> None:
    desired = a_desired()
    spec = desired.environment.spec.model_copy(update={"trust": Trust(signers="keys/signers")})
    environment = desired.environment.model_copy(update={"spec": spec})
    [told] = [stop for stop in stops(replace(desired, environment=environment), NOW) if stop.kind == "trust"]
    assert "keys/signers" in told.text
    assert not [stop for stop in stops(desired, NOW) if stop.kind == "trust"]


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ({"guardrails": []}, "names no guardrail"),
        ({"guardrails": [{"metric": "error-rate", "segments": {"by": "x", "mustPass": True}}]}, "groups of users"),
        ({}, ""),
    ],
)
def test_why_there_is_no_forecast_is_told(policy: Mapping[str, Any], why: str) -> None:
    told = no_forecast(a_desired(policy=a_policy(**policy)))
    assert why in told
    assert bool(told) is bool(why)


def test_a_forecast_says_which_groups_of_users_it_knows_nothing_of() -> None:
    wrong = {"metric": "error-rate", "margin": {"points": 20}, "segments": {"by": "language"}}
    desired = a_desired(policy=a_policy(guardrails=[wrong], maxDuration="5m"))
    found = forecast(desired, ramp(desired), Traffic(), given_rate=50.0)
    assert found.not_drawn == ("error-rate by language",)
    assert assumptions(found).endswith("; groups of users are not simulated (error-rate by language)")


def test_a_strangers_many_candidates_are_not_simulated() -> None:
    release = a_release(candidates={f"c{n}": "2" for n in range(9)})
    assert "more than 8 candidates" in no_forecast(a_desired(release))


def test_every_kind_of_stage_has_its_steps() -> None:
    strategy = [
        {"type": "shadow", "mirror": 50, "duration": "5m"},
        {"type": "canary", "steps": [2, 10], "interval": "1m"},
        {"type": "ab", "share": 40, "duration": "1h"},
        {"type": "bandit", "objective": "error-rate", "explore": 5, "control": 10},
        {"type": "approval", "required": 2},
    ]
    release = a_release(strategy=strategy, candidates={"one": "2", "two": "3"})
    desired = a_desired(release, a_policy(watch={"for": "10m", "keep": 5}))
    steps = ramp(desired)
    assert [(step.type, step.step) for step in steps] == [
        ("shadow", 1), ("canary", 1), ("canary", 2), ("ab", 1), ("bandit", 1), ("approval", 1), ("watch", 1),
    ]  # fmt: skip
    assert all(sum(step.shares.values()) == pytest.approx(100) for step in steps)
    assert steps[0].mirror == 50
    assert steps[1].shares == {"stable": 98, "one": 1, "two": 1}
    assert steps[5].shares == steps[4].shares
    assert [step.proof for step in steps] == [True, False, True, True, True, False, False]
    # People may leave it waiting, so no time bounds it.
    assert (exposure(desired).largest, exposure(desired).at_most_seconds) == (90, None)


def schema(*required: str, **types: str) -> Mapping[str, Any]:
    return {"type": "object", "required": list(required), "properties": {n: {"type": t} for n, t in types.items()}}


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        ({"request": schema("a", a="string")}, {"request": schema("a", a="string", b="string")}, ""),
        ({"request": schema("a")}, {"request": schema("a", "b")}, "requests must have 'b' now"),
        ({"request": schema("a", "b")}, {"request": schema("a")}, ""),
        ({"request": schema(a="number")}, {"request": schema(a="string")}, "'a' in requests: number is not string"),
        ({"request": schema(a="integer")}, {"request": schema(a="number")}, ""),
        ({"response": schema("a", "b")}, {"response": schema("a")}, "answers need not have 'b' any more"),
        ({"response": schema("a")}, {"response": schema("a", "b")}, ""),
        ({"response": schema(a="number")}, {"response": schema(a="integer")}, ""),
        ({"response": schema(a="integer")}, {"response": schema(a="number")}, "'a' in answers: number is not integer"),
        ({"protocol": "rest"}, {"protocol": "grpc"}, "the protocol changes from rest to grpc"),
    ],
)
def test_an_interface_that_changes_breaks_only_those_who_depend_on_what_went(
    was: Mapping[str, Any], now: Mapping[str, Any], why: str
) -> None:
    found = breaks(Interface(**was), Interface(**now))
    assert found == ((why,) if why else ())
