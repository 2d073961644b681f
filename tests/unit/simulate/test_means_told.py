"""Means in policy tests and in what is typed for a simulation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from releasectl.cli.worlds import world_of
from releasectl.domain.policy_test import PolicyCase
from releasectl.errors import UsageError
from releasectl.simulate.case import Case
from releasectl.simulate.script import Outcome, run_case
from releasectl.simulate.summary import assumptions, figures, simulate
from releasectl.simulate.supposed import harmful_world
from releasectl.simulate.world import World
from tests.unit.simulate.cases import a_case

GUARDED = (
    "{guardrails: [{metric: latency, margin: {units: 10}}],"
    " objectives: [{metric: worth, goal: superior}], minSamples: 50, maxDuration: 30m}"
)
QUICK = "[{type: canary, steps: [10, 50], interval: 1m}]"


@pytest.fixture(scope="module")
def case() -> Case:
    return a_case(policy=GUARDED, strategy=QUICK)


def played(case: Case, expect: dict[str, Any], **candidate: str) -> Outcome:
    given = {"for": "20m", "requests": "20/s", "stable": {"latency": "120 ~ 40", "worth": "20 ~ 6"}}
    written = {"name": "means", "given": [given | {"candidate": candidate}], "expect": [expect]}
    return run_case(case, PolicyCase.model_validate(written, strict=False), timedelta(seconds=30))


def test_a_mean_beyond_its_margin_is_taken_back(case: Case) -> None:
    rolled_back = {"decision": "ROLLBACK", "reason": "GuardrailBreached", "within": "10m"}
    assert played(case, rolled_back, latency="150 ~ 40", worth="20 ~ 6").wrong == ()


def test_a_mean_that_is_better_is_promoted(case: Case) -> None:
    assert played(case, {"decision": "PROMOTE"}, latency="120 ~ 40", worth="24 ~ 6").wrong == ()


def test_what_a_case_does_not_say_of_a_mean_lies_in_the_middle_of_its_range(case: Case) -> None:
    """500 ms, where stable takes 120."""
    assert played(case, {"decision": "ROLLBACK", "reason": "GuardrailBreached"}, worth="20 ~ 6").wrong == ()


def test_a_rate_of_a_mean_is_refused_in_words(case: Case) -> None:
    (wrong,) = played(case, {"decision": "HOLD"}, latency="5%").wrong
    assert wrong == "latency is a mean, of which '5%' says nothing: write '25 ~ 8', for example"


def typed(case: Case, *, baseline: tuple[str, ...] = (), effect: tuple[str, ...] = ()) -> World:
    return world_of(
        case,
        traffic=20.0,
        baseline=baseline,
        effect=effect,
        delay=(),
        drift="0%",
        every=timedelta(seconds=30),
        looks=60,
    )


def test_means_are_typed_in_their_own_unit(case: Case) -> None:
    world = typed(case, baseline=("latency=120~40", "worth=20"), effect=("latency=+8", "new/worth=-2"))
    told = assumptions(world)["rates"]
    assert told["latency"] == {"stable": 120, "new": 128, "standardDeviation": 40}
    assert told["worth"]["new"] == 18


@pytest.mark.parametrize("baseline", ["latency=5%", "latency=120~", "latency=much", "latency=inf", "latency=120~nan"])
def test_what_is_no_number_is_refused(case: Case, baseline: str) -> None:
    with pytest.raises(UsageError, match="latency is a mean"):
        typed(case, baseline=(baseline,))


def test_harm_of_a_mean_is_found_in_simulated_releases(case: Case) -> None:
    world = typed(case, baseline=("latency=120~40", "worth=20~6"))
    told = {one.name: one.value for one in figures(simulate(case, harmful_world(case, world), 40, seed=3))}
    assert told["harm found"] == 1.0
    told = {one.name: one.value for one in figures(simulate(case, world, 40, seed=3))}
    assert told["false rollback"] is not None
    assert told["false rollback"] <= 0.05 + 3 * (0.05 * 0.95 / 40) ** 0.5
