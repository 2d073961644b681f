"""A bandit that earns a mean: what it loses while it learns, and how often it ends with an arm that is no better.

Through the program's own ``evaluate()`` and ``decide()``, with fixed seeds.
"""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from releasectl.domain.decision import Action
from releasectl.simulate.summary import Runs, simulate
from releasectl.simulate.world import Rate, Spread, World
from tests.unit.simulate.cases import TWO, a_case

pytestmark = [pytest.mark.slow, pytest.mark.simulation]

RUNS, UPDATES, UNITS = 200, 60, 1000
SD, GAIN = 12.0, 1.1
"""The best of three is better by a tenth of a standard deviation, as a rate of 7 % is than one of 5 %."""
POLICY = (
    "{guardrails: [{metric: error-rate, margin: {points: 2}}], objectives: [{metric: worth, goal: superior}],"
    " minSamples: 200, maxDuration: 7d, whenInconclusive: hold}"
)
STAGE = "[{type: bandit, objective: worth, every: 10m, tolerance: 0.5}]"


def played(effects: dict[str, float], *, late: int = 0) -> Runs:
    """Sixty updates of three arms; outcomes are known so many updates later."""
    every = timedelta(minutes=10)
    rates = {
        "error-rate": Rate(0.01),
        "worth": Rate(20.0, effects, delay=late * every, spread=Spread(SD, 100 / 1_000_000)),
    }
    world = World(UNITS / every.total_seconds(), rates, every, looks=UPDATES)
    return simulate(a_case(policy=POLICY, strategy=STAGE, candidates=TWO), world, RUNS, seed=9)


@pytest.mark.parametrize("late", [0, 5])
def test_late_values_cost_at_most_two_fifths_of_what_even_shares_cost(late: int) -> None:
    found = played({"new": GAIN}, late=late)
    # What is left after the end goes to what it ended with.
    rest = UPDATES * UNITS - found.requests.sum(axis=1)
    wrong = np.array([run.end is not None and (run.end.candidate != "new") for run in found.runs])
    regret = GAIN * (found.requests[:, [0, 2]].sum(axis=1) + np.where(wrong, rest, 0))
    even = GAIN * UPDATES * UNITS * 2 / 3
    assert np.median(regret) <= 0.4 * even


def test_equal_arms_end_in_a_promotion_no_more_often_than_alpha() -> None:
    ends = [run.end for run in played({}).runs]
    promoted = sum(end is not None and end.action is Action.PROMOTE for end in ends)
    # Either of two candidates may be called better by chance; each with alpha at most.
    alpha = 2 * 0.05
    assert promoted / RUNS <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / RUNS)
