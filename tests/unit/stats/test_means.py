"""Means compared inside ticks: mirrors, margins, and what a covariate from before takes off the variance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.stats.adjusted import AdjustedMoments, no_slope
from releasectl.stats.contrast import Contrast
from releasectl.stats.stratified_means import MeanDifference, MeanState, mean_limit

RULE = MeanDifference(v_opt=100.0, margin=0.0, margin_kind="absolute")


def sums(y: np.ndarray, x: np.ndarray | None = None) -> np.ndarray:
    """Sums over the last axis, in the order of ``Sums``."""
    x = np.zeros_like(y) if x is None else x
    n = np.full(y.shape[:-1], float(y.shape[-1]))
    return np.stack([n, y.sum(-1), (y * y).sum(-1), x.sum(-1), (x * x).sum(-1), (x * y).sum(-1)], axis=-1)


def drawn(seed: int, ticks: int = 12, b: int = 30, c: int = 10, rho: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Sums of two equal arms whose values have this correlation with the covariate."""
    rng = np.random.default_rng(seed)

    def arm(n: int) -> np.ndarray:
        x = rng.standard_normal((ticks, n))
        y = rho * x + math.sqrt(1 - rho * rho) * rng.standard_normal((ticks, n))
        return sums(5 + 2 * y, 3 + 4 * x)

    return arm(b), arm(c)


def block(b: np.ndarray, c: np.ndarray) -> AdjustedMoments:
    return AdjustedMoments.of(b=b, c=c, slope=no_slope(b.shape[:-2]))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), rho=st.sampled_from([0.0, 0.7]))
def test_relabelling_the_arms_mirrors_the_evidence(seed: int, rho: float) -> None:
    b, c = drawn(seed, rho=rho)
    worse, better = RULE, MeanDifference(v_opt=100.0, claim="better")
    one = worse.step(worse.init(), block(b, c))
    other = better.step(better.init(), block(c, b))
    assert float(one.peak) == pytest.approx(float(other.peak), rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 11), rho=st.sampled_from([0.0, 0.7]))
def test_ticks_in_any_split_give_the_same_state_to_the_bit(seed: int, cut: int, rho: float) -> None:
    b, c = drawn(seed, rho=rho)
    whole = RULE.step(RULE.init(), block(b, c))
    first = block(b[:cut], c[:cut])
    left = AdjustedMoments.of(
        b=b[cut:], c=c[cut:], slope=type(first.slope)(first.slope.s_xy[..., -1], first.slope.s_xx[..., -1])
    )
    halfway = MeanState.from_json(RULE.step(RULE.init(), first).to_json())
    assert RULE.step(halfway, left).to_json() == whole.to_json()


def test_a_relative_margin_moves_the_edge_with_stables_mean() -> None:
    b, c = sums(np.array([[8.0, 12.0] * 10])), sums(np.array([[7.0, 11.0] * 10]))
    pairs = block(b, c).pairs(Contrast(margin=0.1, margin_kind="relative"))
    assert float(pairs.s[0]) == pytest.approx(0.0, abs=1e-9)
    pairs = block(b, c).pairs(Contrast(margin=1.0, margin_kind="absolute"))
    assert float(pairs.s[0]) == pytest.approx(0.0, abs=1e-9)


def test_values_moved_and_stretched_give_the_same_evidence() -> None:
    rng = np.random.default_rng(3)
    y_b, y_c = rng.exponential(1.0, (20, 40)), rng.exponential(1.2, (20, 15))
    plain = RULE.step(RULE.init(), block(sums(y_b), sums(y_c)))
    wide = MeanDifference(v_opt=100.0 * 49)
    moved = wide.step(wide.init(), block(sums(7 * y_b + 3), sums(7 * y_c + 3)))
    assert float(moved.log_e) == pytest.approx(float(plain.log_e), rel=1e-9)


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_a_covariate_takes_off_what_it_explains_of_the_variance(rho: float) -> None:
    """The variance falls by 1 - rho^2. With 4000 ticks the ratio of sums is known to a standard error of about
    sqrt(2 / (4000 * 38)) for each variance; four of both together, and a slope that is known to 0.2 %, bound it."""
    b, c = drawn(11, ticks=4000, b=30, c=10, rho=rho)
    blank = [0, 1, 2]
    plain_b, plain_c = (np.concatenate([one[:, blank], np.zeros((len(one), 3))], axis=1) for one in (b, c))
    adjusted, plain = RULE.step(RULE.init(), block(b, c)), RULE.step(RULE.init(), block(plain_b, plain_c))
    error = math.sqrt(2 * 2 / (4000 * 38))
    ratio = float(adjusted.variance / plain.variance)
    assert ratio == pytest.approx(1 - rho * rho, abs=4 * error + 0.002)
    narrow, broad = (RULE.interval(state, alpha=0.05) for state in (adjusted, plain))
    assert float(narrow.high - narrow.low) < float(broad.high - broad.low)


def test_the_slope_in_force_at_a_tick_is_that_of_the_ticks_before() -> None:
    b, c = drawn(5, rho=0.8)
    theta = block(b, c).theta
    assert theta[0] == 0
    changed_b, changed_c = b.copy(), c.copy()
    changed_b[-1], changed_c[-1] = 2 * b[-1], 3 * c[-1]
    assert list(block(changed_b, changed_c).theta) == list(theta)


def test_ticks_that_say_nothing_change_nothing() -> None:
    b, c = drawn(6)
    empty = np.zeros((3, 6))
    alone = sums(np.array([[1.0]]))
    same = sums(np.array([[2.0, 2.0, 2.0]]))
    nothing_b, nothing_c = np.concatenate([empty, b[:1], same]), np.concatenate([empty, alone, same])
    before = RULE.step(RULE.init(), block(b, c))
    after = RULE.step(before, block(nothing_b, nothing_c))
    assert (float(after.peak), float(after.total)) == (float(before.peak), float(before.total))
    assert float(after.informative) == float(before.informative)


def test_nothing_is_acted_on_before_five_ticks_have_said_something() -> None:
    b, c = drawn(7, ticks=4)
    c[:, 1] -= 1000
    state = RULE.step(RULE.init(), block(b, c))
    assert float(state.peak) == 0.0
    assert not RULE.interval(state, alpha=0.05).enough


def test_the_limits_of_one_mean_enclose_it_and_need_two_values() -> None:
    low, high = mean_limit(n=1000, total=50_000, squares=2_600_000, alpha=0.05, v_opt=1e5)
    assert low < 50 < high
    assert high - 50 == pytest.approx(50 - low)
    assert mean_limit(n=1, total=5, squares=25, alpha=0.05, v_opt=1.0) == (-math.inf, math.inf)
    assert mean_limit(n=3, total=6, squares=12, alpha=0.05, v_opt=1.0) == (-math.inf, math.inf)
