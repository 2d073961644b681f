"""Sharing by exact P(best) loses what per-request Thompson sampling loses, without drawing a number.

The shares are the chances with which Thompson sampling picks each arm, so the two have the same regret on average;
the tolerance is three standard errors of the difference of independent means.
"""

import math

import pytest

from tests.bench import regret
from tests.bench.regret import SCENES

pytestmark = [pytest.mark.slow, pytest.mark.simulation]

RUNS = 60
STATIONARY, _, SWAP = SCENES


def test_stationary_regret_is_that_of_thompson_sampling() -> None:
    ours = regret.play(STATIONARY, regret.best_chance(), runs=RUNS)
    thompson = regret.thompson_per_request(STATIONARY, runs=RUNS)
    assert abs(ours.mean - thompson.mean) <= 3 * math.hypot(ours.se, thompson.se)


def test_discounting_finds_the_new_best_arm() -> None:
    forgets = regret.play(SWAP, regret.best_chance(floor=200), runs=RUNS, discount=0.98)
    assert forgets.mean <= 620 + 3 * forgets.se
    assert forgets.last_share.mean() > 0.7


def test_a_step_limit_costs_little() -> None:
    free = regret.play(STATIONARY, regret.best_chance(floor=200), runs=RUNS)
    stepped = regret.play(STATIONARY, regret.best_chance(floor=200, step=1000), runs=RUNS)
    assert stepped.mean <= 1.1 * free.mean + 3 * math.hypot(free.se, stepped.se)


def test_a_second_play_repeats_the_first() -> None:
    once = regret.play(STATIONARY, regret.best_chance(), runs=3)
    again = regret.play(STATIONARY, regret.best_chance(), runs=3)
    assert once.regret.tolist() == again.regret.tolist()
