"""Distances are zero for equal inputs, symmetric where they should be, and never quiet about no data."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl import stats

COUNTS = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(lambda c: sum(c) > 0)
SAMPLE = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=30)


@given(COUNTS, COUNTS)
@settings(deadline=None)
def test_distances_are_symmetric_and_zero_only_for_equal_shares(p: list[int], q: list[int]) -> None:
    for distance in (
        float(stats.jensen_shannon_distance(p=p, q=q)) - float(stats.jensen_shannon_distance(p=q, q=p)),
        float(stats.psi(expected=p, actual=q)) - float(stats.psi(expected=q, actual=p)),
    ):
        assert distance == pytest.approx(0.0, abs=1e-12)
    assert 0 <= stats.jensen_shannon_distance(p=p, q=q) <= 1 + 1e-12
    assert stats.psi(expected=p, actual=p) == 0.0


def test_a_bucket_empty_on_one_side_counts_but_not_infinitely() -> None:
    assert 0 < stats.psi(expected=[50, 50, 0], actual=[50, 45, 5]) < 1


def test_histograms_broadcast_over_leading_axes() -> None:
    now = np.arange(1, 25).reshape(2, 3, 4)
    assert stats.psi(expected=[1, 2, 3, 4], actual=now).shape == (2, 3)


def test_no_data_is_nan_not_zero() -> None:
    assert math.isnan(stats.psi(expected=[1, 2], actual=[0, 0]))
    assert math.isnan(stats.jensen_shannon_distance(p=[0, 0], q=[1, 1]))
    assert math.isnan(stats.ks_2samp(x=[], y=[1.0]).p_value)
    assert math.isnan(stats.wasserstein_distance(x=[], y=[1.0]))


def test_empty_buckets_leave_the_table() -> None:
    with_empty = stats.chi2_homogeneity(table=[[5, 0, 9], [8, 0, 3]])
    without = stats.chi2_homogeneity(table=[[5, 9], [8, 3]])
    assert with_empty == without
    assert stats.chi2_homogeneity(table=[[5, 0], [8, 0]]).p_value == 1.0


@given(SAMPLE, SAMPLE, st.integers(-20, 20))
@settings(deadline=None)
def test_moving_a_sample_moves_the_area_by_as_much(x: list[float], y: list[float], shift: int) -> None:
    distance = stats.wasserstein_distance(x=x, y=y)
    assert distance == pytest.approx(stats.wasserstein_distance(x=y, y=x))
    assert stats.wasserstein_distance(x=x, y=[v + shift for v in x]) == pytest.approx(abs(shift))
    assert distance >= abs(np.mean(x) - np.mean(y)) - 1e-9


def test_weights_are_repeated_values() -> None:
    weighted = stats.wasserstein_distance(x=[1.0, 2.0], y=[0.0], x_weights=[3, 1])
    assert weighted == pytest.approx(stats.wasserstein_distance(x=[1.0, 1.0, 1.0, 2.0], y=[0.0]))


@pytest.mark.parametrize(("n", "m"), [(2, 3), (3, 3), (4, 2)])
def test_the_exact_ks_chance_counts_every_order(n: int, m: int) -> None:
    pooled = [float(v) for v in range(n + m)]
    orders = itertools.combinations(pooled, n)
    observed = [stats.ks_2samp(x=list(x), y=[v for v in pooled if v not in x]) for x in orders]
    for one in observed:
        share = np.mean([other.statistic >= one.statistic - 1e-12 for other in observed])
        assert one.p_value == pytest.approx(share)


def test_a_tiny_ks_chance_keeps_its_digits() -> None:
    x, y = np.arange(60.0), np.arange(60.0) + 100
    assert stats.ks_2samp(x=x, y=y).p_value == pytest.approx(2 / math.comb(120, 60), rel=1e-12)


def test_a_correlation_that_turned_is_found() -> None:
    rng = np.random.default_rng(5)
    a, noise = rng.normal(size=300), rng.normal(size=300)
    before = np.stack([a, a + 0.5 * noise, rng.normal(size=300)], axis=1)
    after = np.stack([a, -a + 0.5 * noise, rng.normal(size=300)], axis=1)
    found = stats.spearman_difference(x=before, y=after)
    assert found.p_value[0, 1] < 1e-12
    assert found.p_value[0, 2] > 1e-3
    assert found.max_abs_difference > 1.5
    assert np.allclose(found.rho_x, found.rho_x.T)


def test_ranks_ignore_any_rising_change_of_scale() -> None:
    rng = np.random.default_rng(6)
    sample = rng.normal(size=(40, 3))
    assert np.allclose(stats.spearman_matrix(sample), stats.spearman_matrix(sample**3))


def test_counts_cannot_be_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        stats.psi(expected=[1, -1], actual=[1, 1])
