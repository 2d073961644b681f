"""What other shares would have earned: right on average, honest about its error, silent where nothing is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from releasectl.domain.decision import Allocation
from releasectl.evaluate.offpolicy import Earned, Exposure, model, would_have_earned

RATES = {("stable", "en"): 0.05, ("next", "en"): 0.1, ("stable", "es"): 0.3, ("next", "es"): 0.2}
LOGGED = {"en": 0.1, "es": 0.4}
"""The chance of ``next``, by segment: the log's policy looked at the segment."""
EVEN = Allocation(shares={"stable": 5000, "next": 5000})
TRUTH = sum(RATES.values()) / 4


def a_log(seed: int, rows: int = 4000, chance: Callable[[str], float] = LOGGED.__getitem__) -> list[Exposure]:
    rng = np.random.default_rng(seed)
    log = []
    for _ in range(rows):
        segment = "en" if rng.random() < 0.5 else "es"
        new = bool(rng.random() < chance(segment))
        variant, propensity = ("next", chance(segment)) if new else ("stable", 1 - chance(segment))
        log.append(Exposure(variant, propensity, float(rng.random() < RATES[variant, segment]), segment))
    return log


def answers(seeds: int) -> list[Earned]:
    return [would_have_earned(a_log(seed), EVEN) for seed in range(seeds)]


@pytest.fixture(scope="module")
def found() -> list[Earned]:
    return answers(80)


@pytest.mark.parametrize("name", ["ips", "snips", "dr"])
def test_an_estimate_is_right_on_average_and_knows_its_error(found: list[Earned], name: str) -> None:
    values = np.array([one.estimates[name].value for one in found])
    errors = np.array([one.estimates[name].se for one in found])
    assert abs(values.mean() - TRUTH) <= 3 * values.std(ddof=1) / np.sqrt(len(values))
    # The standard error of a standard deviation from n runs is about 1 / sqrt(2 n) of it.
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=3 / np.sqrt(2 * len(values)))


def test_what_was_served_is_not_taken_for_the_answer(found: list[Earned]) -> None:
    served = np.array([one.served.value for one in found if one.served])
    assert abs(served.mean() - TRUTH) > 5 * served.std(ddof=1) / np.sqrt(len(served))


def test_a_model_of_the_segments_makes_the_error_smaller(found: list[Earned]) -> None:
    assert np.mean([one.estimates["dr"].se for one in found]) < np.mean([one.estimates["ips"].se for one in found])


def test_the_shares_that_ran_earn_what_they_earned() -> None:
    log = a_log(3, chance=lambda _: 0.25)
    found = would_have_earned(log, Allocation(shares={"stable": 7500, "next": 2500}))
    mean = sum(row.reward for row in log) / len(log)
    assert found.served is not None
    assert found.served.value == pytest.approx(mean)
    assert found.estimates["ips"].value == pytest.approx(mean)
    assert found.estimates["snips"].value == pytest.approx(mean)


def test_no_row_guesses_itself() -> None:
    log = [Exposure("stable", 1.0, 1.0), Exposure("stable", 1.0, 0.0)]
    (first,), (second,) = model(log, ["stable"])
    assert (first, second > 0.04) == (0.0, True)


def test_too_few_effective_exposures_are_refused_in_words() -> None:
    log = [Exposure("stable", 0.99, 0.0)] * 5000 + [Exposure("next", 0.01, 1.0)] * 50
    found = would_have_earned(log, Allocation(shares={"next": 10_000}))
    assert found.refused == "only 50.0 effective rows of 5050; at least 100 are needed"
    assert not found.estimates


def test_a_variant_that_was_never_shown_is_refused_in_words() -> None:
    log = [Exposure("stable", 1.0, 1.0)] * 500
    found = would_have_earned(log, EVEN)
    assert found.refused == "no exposure of next is in the log, so nothing is known of what it earns"
    assert would_have_earned(log, Allocation(shares={"stable": 10_000, "next": 0})).estimates["ips"].value == 1.0


def test_an_empty_log_is_refused_in_words() -> None:
    found = would_have_earned([], EVEN)
    assert (found.refused, found.served, found.rows) == ("the log has no rows", None, 0)
