"""Groups of users in policy tests: harm to one of them, told beside what everybody else gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from releasectl.domain.policy_test import PolicyCase
from releasectl.simulate.case import Case
from releasectl.simulate.script import Outcome, run_case
from tests.unit.simulate.cases import a_case

GUARDED = (
    "{guardrails: [{metric: wrong, margin: {points: 5}, segments: {by: language, minSamples: 100, most: 5}},"
    " {metric: length, margin: {units: 5}, segments: {by: language, minSamples: 100, most: 5}}],"
    " minSamples: 50, maxDuration: 30m}"
)
QUICK = "[{type: canary, steps: [50], interval: 1m}]"
ROLLBACK = {"decision": "ROLLBACK", "reason": "GuardrailBreached"}
EVERYBODY = {"for": "30m", "requests": "100/s", "stable": {"wrong": "2%", "length": "50 ~ 10"}}


@pytest.fixture(scope="module")
def case() -> Case:
    return a_case(policy=GUARDED, strategy=QUICK)


def played(
    case: Case, expect: Mapping[str, Any], segments: Mapping[str, Any], *later: Mapping[str, Any]
) -> Sequence[str]:
    given = EVERYBODY | {"candidate": {"wrong": "2%", "length": "50 ~ 10"}, "segments": segments}
    written = {"name": "groups", "given": [given, *later], "expect": [expect]}
    done: Outcome = run_case(case, PolicyCase.model_validate(written, strict=False), timedelta(seconds=30))
    return done.wrong


def test_harm_to_one_group_rolls_back_and_without_it_the_candidate_is_promoted(case: Case) -> None:
    spanish = {"language=es": {"share": "5%", "candidate": {"wrong": "40%"}}}
    assert played(case, ROLLBACK, spanish) == ()
    assert played(case, {"decision": "PROMOTE"}, {"language=es": {"share": "5%"}}) == ()


def test_a_group_too_small_to_be_judged_holds_the_promotion_while_it_looks_harmed() -> None:
    """One in two hundred: half a request a second, of which each arm has half."""
    few = {"language=eu": {"share": "0.5%", "candidate": {"wrong": "60%"}}}
    trusting = a_case(policy=GUARDED.replace("most: 5}", "most: 5, suspicion: 1000000}"), strategy=QUICK)
    assert played(trusting, {"decision": "PROMOTE", "within": "5m"}, few) == ()
    wary = a_case(policy=GUARDED, strategy=QUICK)
    assert played(wary, ROLLBACK | {"after": "6m", "within": "8m"}, few) == ()


def test_a_mean_in_a_group_is_told_like_any_other(case: Case) -> None:
    assert played(case, ROLLBACK, {"language=es": {"share": "10%", "candidate": {"length": "80 ~ 10"}}}) == ()


def test_the_whole_holds_the_groups(case: Case) -> None:
    """Nine of ten speak Spanish: harm to them is harm to all, and is found by a policy that knows no groups."""
    plain = a_case(policy="{guardrails: [{metric: wrong, margin: {points: 5}}], minSamples: 50}", strategy=QUICK)
    assert played(plain, ROLLBACK, {"language=es": {"share": "90%", "candidate": {"wrong": "40%"}}}) == ()


def test_what_a_later_phase_leaves_out_stays_as_it_was() -> None:
    slow = a_case(policy=GUARDED, strategy="[{type: canary, steps: [50], interval: 20m}]")
    first = {"language=es": {"share": "10%", "candidate": {"wrong": "2%"}}}
    harm = {"for": "30m", "segments": {"language=es": {"candidate": {"wrong": "60%"}}}}
    written = {
        "name": "later",
        "given": [EVERYBODY | {"for": "5m", "segments": first}, harm],
        "expect": [ROLLBACK | {"after": "5m"}],
    }
    done = run_case(slow, PolicyCase.model_validate(written, strict=False), timedelta(seconds=30))
    assert done.wrong == ()


@pytest.mark.parametrize(
    ("part", "metric", "told"),
    [
        ("country=es", "wrong", "wrong is counted by language, not by country"),
        ("language=es", "length", "length is a mean, of which '5%' says nothing: write '25 ~ 8', for example"),
    ],
)
def test_a_group_that_nothing_counts_is_refused_in_words(case: Case, part: str, metric: str, told: str) -> None:
    assert played(case, ROLLBACK, {part: {"share": "5%", "candidate": {metric: "5%"}}}) == (told,)


@pytest.mark.parametrize("part", ["es", "=es", "language="])
def test_a_group_needs_a_field_and_a_value(part: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        PolicyCase.model_validate(
            {"name": "x", "given": [{"for": "1m", "segments": {part: {}}}], "expect": [ROLLBACK]}, strict=False
        )
