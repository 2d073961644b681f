"""What a case of a policy test says without effect is refused in words, whatever it expects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from releasectl.domain.policy_test import PolicyCase, PolicyTestSpec
from releasectl.simulate.script import run_case
from tests.unit.simulate.cases import a_case

CANARY = "{type: canary, steps: [50], interval: 1m}"
POLICY = (
    "{guardrails: [{metric: wrong, margin: {points: 5}, segments: {by: language}}], minSamples: 50, maxDuration: 30m}"
)
HELD = {"decision": "HOLD"}
PROMOTED = {"decision": "PROMOTE"}


def told(
    phase: Mapping[str, Any], *later: Mapping[str, Any], strategy: str = CANARY, expect: Mapping[str, Any] = HELD
) -> tuple[str, ...]:
    case = a_case(policy=POLICY, strategy=f"[{strategy}]")
    given = [{"for": "10m", **phase}, *({"for": "10m", **one} for one in later)]
    written = PolicyCase.model_validate({"name": "odd", "given": given, "expect": [expect]}, strict=False)
    return run_case(case, written, timedelta(seconds=30)).wrong


@pytest.mark.parametrize(
    "phase",
    [
        {"candidates": {"knew": {"wrong": "9%"}}},
        {"candidatePairs": {"knew": {}}},
        {"segments": {"language=es": {"candidates": {"knew": {"wrong": "9%"}}}}},
    ],
)
def test_a_candidate_that_is_not_on_trial(phase: Mapping[str, Any]) -> None:
    assert told(phase) == ("no candidate 'knew' (did you mean 'new'?)",)


def test_an_expected_candidate_that_is_not_on_trial() -> None:
    assert told({}, expect={"decision": "ROLLBACK", "candidate": "knew"}) == (
        "no candidate 'knew' (did you mean 'new'?)",
    )


def test_groups_that_are_more_than_all_requests_told_in_one_phase_or_in_two() -> None:
    spanish, english = {"language=es": {"share": "70%"}}, {"language=en": {"share": "40%"}}
    wrong = ("the groups by language are 110 % of the requests together",)
    assert told({"segments": spanish | english}) == wrong
    assert told({"segments": spanish}, {"segments": english}) == wrong
    assert (
        told({"segments": spanish}, {"segments": {"language=es": {"share": "60%"}, **english}}, expect=PROMOTED) == ()
    )


def test_a_group_by_a_field_that_no_metric_is_counted_by() -> None:
    assert told({"segments": {"country=es": {"share": "10%"}}}) == ("no metric of the policy is counted by country",)


def test_pairs_that_no_shadow_stage_compares() -> None:
    shadow = "{type: shadow, duration: 1m, errors: {atMost: 1}}"
    assert told({"pairs": {"agreement": "90%"}}) == (
        "agreement of pairs is compared by no shadow stage (the strategy needs one)",
    )
    slower = {"candidatePairs": {"new": {"slower": "90%"}}}
    assert told(slower, strategy=f"{shadow}, {CANARY}") == (
        "slower of pairs is compared by no shadow stage (the strategy needs one with `slower`)",
    )
    equal = {"pairs": {"agreement": "100%", "errors": "0%", "stable-errors": "1%"}}
    assert told(equal, strategy=f"{shadow}, {CANARY}", expect=PROMOTED) == ()


def test_looks_with_no_time_between_them() -> None:
    with pytest.raises(ValueError, match="longer than 0s"):
        PolicyTestSpec.model_validate(
            {"policy": "p", "look": "0s", "cases": [{"name": "x", "given": [{"for": "1m"}], "expect": [HELD]}]},
            strict=False,
        )
