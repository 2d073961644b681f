"""What `simulate` reports holds: the error rate of a shipped policy, harm that is found, and the same again."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from releasectl.cli.main import cli
from releasectl.errors import UsageError
from releasectl.simulate.summary import figures, is_harmful, simulate
from releasectl.simulate.world import Rate, World
from tests.unit.simulate.cases import TWO, a_case

EVERY = timedelta(seconds=30)
ALPHA = 0.05
FOLDER = Path(__file__).parents[2] / "examples" / "press-desk"


def values(case_strategy: str, rates: dict[str, Rate], *, runs: int, traffic: float, looks: int) -> dict[str, float]:
    found = simulate(a_case(strategy=case_strategy), World(traffic, rates, EVERY, looks), runs, seed=11)
    return {figure.name: figure.value for figure in figures(found) if figure.value is not None}


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("error_rate", [0.002, 0.02, 0.2])
def test_safe_default_rolls_back_a_harmless_candidate_as_rarely_as_it_says_at_200_looks(error_rate: float) -> None:
    # An interval as long as all looks: no run can end early by being promoted. Both guardrails at their margins,
    # where chance is worst.
    rates = {
        "error-rate": Rate(error_rate, {"new": 0.01}),
        "slow-requests": Rate(0.05, {"new": 0.02}),
    }
    runs = 1500
    case = a_case(strategy="[{type: canary, steps: [10], interval: 2h}]")
    found = simulate(case, World(33.0, rates, EVERY, looks=200), runs, seed=11)
    rate = {figure.name: figure.value for figure in figures(found)}["false rollback"]
    assert rate is not None
    assert all(run.looks == 200 for run in found.runs if run.end is None)
    assert rate <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def test_harm_is_found_before_most_of_the_traffic_meets_it() -> None:
    rates = {"error-rate": Rate(0.01, {"new": 0.05}), "slow-requests": Rate(0.03)}
    found = values("[{type: canary}]", rates, runs=100, traffic=100.0, looks=200)
    assert found["harm found"] == 1.0
    assert found["missed harm"] == 0.0
    assert found["users exposed to harm"] < 0.02 * 100 * 200 * 30


def test_a_candidate_within_the_margin_is_not_called_harmful_and_one_beyond_is() -> None:
    case = a_case(candidates=TWO)
    rates = {"error-rate": Rate(0.01, {"new": 0.01, "other": 0.011}), "slow-requests": Rate(0.03)}
    assert is_harmful(case, World(1.0, rates, EVERY, 1)) == ("other",)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["simulate", "press-desk", "-R", str(FOLDER), *arguments], standalone_mode=False)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    options = ("--runs", "20", "--looks", "40", "--every", "10s", "-o", "json")
    one, again, other = run(*options), run(*options), run(*options, "--seed", "2")
    assert one.output == again.output
    assert one.output != other.output


def test_every_number_comes_with_a_standard_error() -> None:
    found = json.loads(run("--runs", "20", "--looks", "40", "--every", "10s", "-o", "json").output)
    rows = [row for world in found["worlds"] for row in world["figures"]]
    assert {"false rollback", "missed harm", "time to decision, median", "users exposed to harm"} <= {
        row["name"] for row in rows
    }
    assert all(row["standardError"] is not None for row in rows if row["value"] is not None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--baseline", "eror-rate=1%"), "--baseline: the policy has no metric 'eror-rate'"),
        (("--effect", "next/correct=+1%"), "--effect: no candidate 'next'"),
        (("--effect", "correct"), "--effect 'correct' has no '='"),
        (("--baseline", "correct=much"), "'much' is not a rate"),
        (("--baseline", "correct=120%"), "--baseline correct: a rate lies between 0% and 100%"),
        (("--effect", "correct=+95%"), "--effect correct: candidate would be at 105 %"),
        (("--effect", "correct=-11%"), "--effect correct: candidate would be at -1 %"),
        (("--drift", "130%"), "--drift 130%: rates swing by a part of themselves"),
        (("--every", "0s"), "--every: between looks some time must pass"),
        (("--delay", "correct=later"), "--delay: 'later' is not a duration such as 30s, 10m, 1h30m or 7d"),
    ],
)
def test_worlds_that_make_no_sense_are_refused(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, UsageError)
    assert done.exception.message == message
