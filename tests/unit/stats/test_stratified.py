"""Rules made of one increment a tick: mirror symmetry, drift, margins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.stats.contrast import Contrast
from releasectl.stats.dispersion import dispersion_factor
from releasectl.stats.horizon import Horizon, symmetric
from releasectl.stats.moments import Moments, RatioMoments, capped, frozen_cap
from releasectl.stats.stratified import Stratified, expected_variance, stratified_proportion_log_e
from releasectl.stats.trials import Trials
from tests.unit.stats.series import counted, moments, trials

PAIRS = [
    (Stratified(v_opt=30.0), Stratified(v_opt=30.0, claim="better")),
    (Horizon(last_tick=20, from_tick=2), Horizon(last_tick=20, from_tick=2, claim="better")),
]


@pytest.mark.parametrize(("worse", "better"), PAIRS, ids=["mixture", "horizon"])
@settings(deadline=None, max_examples=60)
@given(block=trials())
def test_relabelling_the_arms_mirrors_the_answer_to_the_bit(worse, better, block):
    one = worse.step(worse.init(), block)
    other = better.step(better.init(), block.swapped())
    assert float(one.peak) == float(other.peak)


@pytest.mark.parametrize(("worse", "better"), PAIRS, ids=["mixture", "horizon"])
@settings(deadline=None, max_examples=60)
@given(block=trials())
def test_counting_the_bad_outcomes_instead_mirrors_too(worse, better, block):
    one = worse.step(worse.init(), block)
    other = better.step(better.init(), block.flipped())
    assert float(one.peak) == pytest.approx(float(other.peak), abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(block=trials(), margin=st.floats(0.01, 0.4))
def test_an_absolute_margin_is_the_same_for_good_and_for_bad_outcomes(block, margin):
    good = Contrast(margin=margin, margin_kind="absolute")
    bad = Contrast(margin=margin, margin_kind="absolute", worse="higher")
    a, b = block.increments(good), block.flipped().increments(bad)
    assert np.allclose(a.s, b.s, atol=1e-9)
    assert np.allclose(a.v, b.v, atol=1e-9)
    assert np.allclose(a.k3, b.k3, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(block=trials())
def test_the_order_of_ticks_does_not_matter_to_the_mixture(block):
    back = Trials(*(getattr(block, n)[::-1] for n in ("x_b", "n_b", "x_c", "n_c")))
    rule = Stratified(v_opt=30.0, dispersion_from=2)
    a, b = rule.step(rule.init(), block).log_e, rule.step(rule.init(), back).log_e
    assert float(a) == pytest.approx(float(b), rel=1e-6, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(block=trials(most=200))
def test_doubling_the_counts_of_a_breach_leaves_a_breach(block):
    rule = Stratified(v_opt=30.0)
    double = Trials(*(2 * getattr(block, n) for n in ("x_b", "n_b", "x_c", "n_c")))
    if float(rule.step(rule.init(), block).log_e) >= np.log(20):
        assert float(rule.step(rule.init(), double).log_e) >= np.log(20)


def test_the_variance_at_no_margin_is_the_hypergeometric_one():
    block = Trials.of_good(x_b=[30], n_b=[40], x_c=[5], n_c=[10])
    one = block.increments(Contrast())
    n, k, m = 50, 35, 10
    variance = m * (k / n) * (1 - k / n) * (n - m) / (n - 1)
    assert one.v[0] == pytest.approx(variance)
    # Third central moment of a hypergeometric count, with the sign of -x_c.
    third = -variance * (1 - 2 * k / n) * (n - 2 * m) / (n - 2)
    assert one.k3[0] == pytest.approx(third * (n - 2) / n * (n - 1) / n, rel=0.01)


def test_a_tick_with_an_empty_arm_changes_nothing():
    full = stratified_proportion_log_e(x_b=[8, 8], n_b=[10, 10], x_c=[5, 5], n_c=[10, 10], v_opt=3.0)
    holed = stratified_proportion_log_e(
        x_b=[8, 7, 0, 8], n_b=[10, 9, 0, 10], x_c=[5, 0, 3, 5], n_c=[10, 0, 3, 10], v_opt=3.0
    )
    assert holed[-1] == full[-1]
    assert holed[1] == holed[0] == full[0]


def test_a_shared_drift_with_changing_shares_is_no_evidence():
    rate, share = np.array([0.9, 0.8, 0.6, 0.3]).repeat(10), np.array([0.05, 0.1, 0.3, 0.5]).repeat(10)
    n_c = np.round(1000 * share)
    n_b = 1000 - n_c
    log_e = stratified_proportion_log_e(
        x_b=np.round(rate * n_b), n_b=n_b, x_c=np.round(rate * n_c), n_c=n_c, v_opt=500.0
    )
    assert log_e.max() < 0.5


def test_margins_forgive_harm_up_to_themselves_and_no_more():
    harm = Trials.of_good(x_b=[900] * 30, n_b=[1000] * 30, x_c=[880] * 30, n_c=[1000] * 30)
    v_opt = float(expected_variance(ticks=10, n_b=1000, n_c=1000, rate=0.9))
    for kind, inside, outside in (("relative", 0.03, 0.01), ("absolute", 0.027, 0.01)):
        for margin, breach in ((inside, False), (outside, True)):
            rule = Stratified(v_opt=v_opt, margin=margin, margin_kind=kind)
            assert bool(rule.step(rule.init(), harm).breached(0.05)) is breach
        safe = Stratified(v_opt=v_opt, margin=0.05, margin_kind=kind, claim="better")
        assert bool(safe.step(safe.init(), harm).breached(0.05))


def test_nothing_is_acted_on_before_its_tick():
    rule = Stratified(v_opt=30.0, from_tick=5)
    bad = Trials.of_good(x_b=[90] * 4, n_b=[100] * 4, x_c=[10] * 4, n_c=[100] * 4)
    state = rule.step(rule.init(), bad)
    assert state.log_e > 20
    assert state.peak == 0


def test_dispersion_grows_when_ticks_scatter_and_is_never_below_one():
    rule = Stratified(v_opt=30.0)
    quiet = rule.step(rule.init(), Trials.of_good(x_b=[80] * 30, n_b=[100] * 30, x_c=[80] * 30, n_c=[100] * 30))
    wild = rule.step(rule.init(), Trials.of_good(x_b=[80] * 30, n_b=[100] * 30, x_c=[60, 100] * 15, n_c=[100] * 30))
    assert dispersion_factor(quiet) == 1.0
    assert dispersion_factor(wild) > 4


@settings(deadline=None, max_examples=60)
@given(block=moments())
def test_means_mirror_when_arms_are_exchanged(block):
    swapped = Moments(block.n_c, block.s_c, block.q_c, block.n_b, block.s_b, block.q_b)
    worse, better = Stratified(v_opt=9.0), Stratified(v_opt=9.0, claim="better")
    assert float(worse.step(worse.init(), block).log_e) == float(better.step(better.init(), swapped).log_e)


def test_means_of_outcomes_are_proportions():
    block = counted(3, 12)
    as_means = Moments(block.n_b, block.x_b, block.x_b, block.n_c, block.x_c, block.x_c)
    a, b = block.arms(), as_means.arms()
    assert np.allclose(a.mean_b, b.mean_b)
    assert np.allclose(a.var_c, b.var_c)


def test_a_ratio_with_constant_denominator_is_a_mean():
    y = np.array([3.0, 5.0, 4.0, 8.0])
    arm = (4, y.sum(), 4 * 2.0, (y * y).sum(), (2 * y).sum(), 4 * 4.0)
    ratio = RatioMoments.of(b=arm, c=arm).arms()
    mean = Moments.of(n_b=4, s_b=y.sum(), q_b=(y * y).sum(), n_c=4, s_c=y.sum(), q_c=(y * y).sum()).arms()
    assert ratio.mean_b[0] == pytest.approx(mean.mean_b[0] / 2)
    assert ratio.var_b[0] == pytest.approx(mean.var_b[0] / 4)


def test_higher_latency_is_worse_when_said_so():
    slow = Moments.of(n_b=[50] * 20, s_b=[500] * 20, q_b=[5100] * 20, n_c=[50] * 20, s_c=[600] * 20, q_c=[7300] * 20)
    rule = Stratified(v_opt=100.0, worse="higher", margin=0.05)
    assert bool(rule.step(rule.init(), slow).breached(0.05))
    fine = Stratified(v_opt=100.0, worse="higher", margin=0.3)
    assert not bool(fine.step(fine.init(), slow).breached(0.05))


def test_a_cap_comes_from_the_past():
    history = list(range(1000))
    assert frozen_cap(history, share=0.99) == 990
    assert capped([5.0, 5000.0], 990).tolist() == [5.0, 990.0]
    with pytest.raises(ValueError, match="past value"):
        frozen_cap([])


@settings(deadline=None, max_examples=60)
@given(z=st.floats(-8, 8), step=st.floats(1e-3, 3), g=st.floats(-1.5, 1.5))
def test_taking_out_skewness_keeps_the_order(z, step, g):
    low, high = symmetric(np.array([z, z + step]), np.array([g, g]))
    assert low < high
