"""How soon the sequential rules find harm, and that their errors hold off the beaten track.

Two hundred looks, four thousand runs, fixed seeds. The tolerance of a rate is three standard errors of its
estimate. (Error rates in the usual worlds are in test_error_rates.py.)
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from releasectl.stats import (
    Betting,
    Conditional,
    Horizon,
    Moments,
    SampleRatio,
    Stratified,
    Trials,
    TwoByTwo,
    difference_init,
    difference_interval,
    difference_step,
    expected_variance,
    spread_starts,
)
from tests.simulation.arms import RUNS, TICKS, World, at_most, found

pytestmark = [pytest.mark.slow, pytest.mark.simulation]

ALPHA = 0.05


def horizon(block: Trials) -> np.ndarray:
    """Per run and tick, whether the rule with a last tick fires."""
    rule = Horizon(TICKS)
    return rule.run(rule.init((block.x_b.shape[0],)), block)[1] >= rule.boundary


def exact(rule: TwoByTwo | Conditional, block: Trials) -> np.ndarray:
    """Per run and tick, whether an exact rule fires."""
    return rule.run(rule.init((block.x_b.shape[0],)), block)[1] >= math.log(1 / ALPHA)


@pytest.mark.parametrize("ticks", [20, 60])
@pytest.mark.parametrize(("n_b", "n_c"), [(900, 100), (500, 500), (18, 2), (10, 1)])
def test_short_stages_thin_traffic_and_rare_outcomes_keep_the_error(ticks, n_b, n_c):
    rng = np.random.default_rng([11, ticks, n_b])
    for rate in (0.9995, 0.99, 0.5, 0.01, 0.0005):
        x_b, x_c = (rng.binomial(n, rate, (RUNS, ticks)) for n in (n_b, n_c))
        block = Trials.of_good(x_b=x_b, n_b=n_b, x_c=x_c, n_c=n_c)
        for rule in (Horizon(ticks), Horizon(ticks, dispersion_from=10)):
            crossed = rule.breached(rule.step(rule.init((RUNS,)), block))
            assert crossed.mean() <= at_most(ALPHA), rate


@pytest.mark.parametrize("world", [World(0.8, icc=0.01), World(0.05, icc=0.01)], ids=[".80", ".05"])
def test_with_clustered_outcomes_the_dispersion_factor_keeps_false_alarms_near_alpha(world):
    rule = Horizon(TICKS, dispersion_from=10)
    assert rule.breached(rule.step(rule.init((RUNS,)), world.draw(2))).mean() <= 1.5 * ALPHA


@pytest.mark.parametrize("rate", [0.99, 0.05])
def test_a_margin_holds_at_its_edge_and_so_does_a_claim_of_safety(rate):
    rng, margin = np.random.default_rng([12, int(1000 * rate)]), 0.02
    x_b, x_c = rng.binomial(900, rate, (RUNS, 60)), rng.binomial(100, rate * (1 - margin), (RUNS, 60))
    block = Trials.of_good(x_b=x_b, n_b=900, x_c=x_c, n_c=100)
    for claim in ("worse", "better"):
        rule = Horizon(60, claim=claim, margin=margin)
        assert rule.breached(rule.step(rule.init((RUNS,)), block)).mean() <= at_most(ALPHA)


@pytest.mark.parametrize("world", [World(0.99), World(0.05, drift=True, ramp=True)], ids=[".99", ".05 drift, ramp"])
def test_starts_over_the_whole_stage_cost_no_error(world):
    block, starts = world.draw(3), spread_starts(TICKS)
    events = block.flipped() if world.rate > 0.5 else block.swapped()
    assert found(exact(Conditional(starts=starts), events))[0] <= at_most(ALPHA)
    assert found(exact(TwoByTwo(starts=starts), block))[0] <= at_most(ALPHA)


# Of the best rule known before that compares within ticks: share found, median tick, mean ticks until then.
HARMFUL = {
    ".99 -2 %": (World(0.99, -0.02), 1.0, 5, 5.73),
    ".99 -10 %": (World(0.99, -0.10), 1.0, 2, 2.05),
    ".80 -2 %": (World(0.80, -0.02), 0.996, 43, 52.03),
    ".80 -10 %": (World(0.80, -0.10), 1.0, 4, 4.42),
    ".05 -10 %": (World(0.05, -0.10), 0.67, 138, 129.38),
}


@pytest.mark.parametrize(("world", "share", "median", "mean"), HARMFUL.values(), ids=HARMFUL.keys())
def test_one_rule_finds_every_harm_no_later_than_the_best_for_each(world, share, median, mean):
    hit, at, ticks = found(horizon(world.draw(4)))
    assert hit >= share - 3 * (share * (1 - share) / RUNS) ** 0.5
    assert at <= 1.1 * median
    assert ticks <= 1.1 * mean


def test_a_last_tick_finds_small_harm_at_a_low_rate_that_a_mixture_misses():
    world = World(0.05, -0.10)
    block = world.draw(5)
    v = float(expected_variance(ticks=TICKS / 2, n_b=900, n_c=100, rate=world.rate))
    mixture = Stratified(v_opt=v)
    other = mixture.step(mixture.init((RUNS,)), block).breached(ALPHA).mean()
    hit, at, _ = found(horizon(block))
    assert hit >= 0.84
    assert hit >= other + 0.05
    assert at <= 100


def test_starts_find_late_harm_sooner():
    block = World(0.99, -0.02, from_tick=101).draw(6)
    at_once = found(exact(TwoByTwo(), block))[1]
    spread = found(exact(TwoByTwo(starts=spread_starts(TICKS)), block))[1]
    assert spread <= 100 + 0.5 * (at_once - 100)


def test_means_are_compared_with_the_error_that_was_asked_for():
    rng, runs, ticks = np.random.default_rng(7), 1000, 60
    rule, mixture = Horizon(ticks, dispersion_from=10), Stratified(v_opt=16.0 * 16 * ticks / 10)
    fired = []
    for _ in range(10):
        arms = []
        for n in (80, 20):
            level = 10 + np.sin(np.arange(ticks) / 9)[:, None]
            y = level + 4 * (rng.exponential(size=(runs // 10, ticks, n)) - 1)
            arms += [np.full(y.shape[:2], n), y.sum(axis=-1), (y * y).sum(axis=-1)]
        block = Moments.of(**dict(zip(("n_b", "s_b", "q_b", "n_c", "s_c", "q_c"), arms, strict=True)))
        one = rule.breached(rule.step(rule.init((runs // 10,)), block))
        other = mixture.step(mixture.init((runs // 10,)), block).breached(ALPHA)
        fired.append(np.stack([one, other]))
    assert np.all(np.concatenate(fired, axis=1).mean(axis=1) <= at_most(ALPHA, runs))


@pytest.mark.parametrize("world", [World(0.95, -0.03), World(0.2, 0.1)], ids=[".95 -3 %", ".20 +10 %"])
def test_the_interval_holds_the_difference_at_every_tick(world):
    block = world.draw(8)
    n_b, n_c = world.sizes()
    v_opt = float(expected_variance(ticks=TICKS / 4, n_b=n_b[0], n_c=n_c[0], rate=world.rate))
    truth = world.rate * world.change
    state, missed = difference_init((RUNS,)), np.zeros(RUNS, dtype=bool)
    for t in range(TICKS):
        state = difference_step(state, block.part(slice(t, t + 1)))
        limits = difference_interval(state, alpha=ALPHA, v_opt=v_opt)
        missed |= (limits.low > truth) | (limits.high < truth)
    assert missed.mean() <= at_most(ALPHA)


def test_a_right_split_is_accused_in_one_of_a_hundred_at_most():
    canary = np.random.default_rng(9).binomial(1000, 0.1, size=(RUNS, TICKS))
    rule = SampleRatio(2)
    state = rule.step(rule.init((RUNS,)), np.stack([1000 - canary, canary], axis=-1), [0.9, 0.1])
    assert state.breached(0.01).mean() <= at_most(0.01)


def test_betting_keeps_the_true_mean():
    x, rule = np.random.default_rng(10).beta(0.4, 0.6, size=(500, 400)), Betting(breaks=200)
    limits = rule.run(rule.init((500,)), x)[1]
    missed = ((limits.lower > 0.4) | (limits.upper < 0.4)).any(axis=-1)
    assert missed.mean() <= at_most(ALPHA, 500)
