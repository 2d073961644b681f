"""Fading, late and costly feedback."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from releasectl import stats


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30), st.integers(0, 30), st.floats(0.01, 1))
def test_a_discounted_sum_can_be_folded_anywhere(counts: list[int], cut: int, factor: float) -> None:
    whole = stats.discounted(counts=counts, factor=factor)
    first = stats.discounted(counts=counts[:cut], factor=factor)
    rest = stats.discounted(counts=counts[cut:], factor=factor, start=first[-1] if first.size else 0.0)
    assert np.concatenate([first, rest]).tolist() == whole.tolist()


def test_no_discount_is_a_running_sum() -> None:
    assert stats.discounted(counts=[1, 2, 3], factor=1.0).tolist() == [1, 3, 6]
    with pytest.raises(ValueError, match="factor"):
        stats.discounted(counts=[1], factor=0.0)


def test_exposure_is_trials_times_the_chance_to_have_reported() -> None:
    found = stats.expected_exposure(trials=[100, 100, 100], arrived=[0.0, 0.5, 1.0])
    assert found.tolist() == [0.0, 50.0, 150.0]


def test_without_delay_exposure_is_trials() -> None:
    assert stats.expected_exposure(trials=[[5, 6], [7, 8]], arrived=[1.0]).tolist() == [[5, 11], [7, 15]]


def test_the_delay_distribution_counts_what_came_within_the_horizon() -> None:
    assert stats.delay_distribution(delays=[0, 1, 1, 3, 99], horizon=3).tolist() == [0.25, 0.75, 0.75, 1.0]
    assert all(math.isnan(v) for v in stats.delay_distribution(delays=[], horizon=2))


def test_only_old_cohorts_count() -> None:
    assert stats.matured(trials=[1, 2, 4], age=1).tolist() == [0, 1, 3]
    assert stats.matured(trials=[1, 2, 4], age=9).tolist() == [0, 0, 0]


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=5), st.floats(0, 0.5))
def test_exploring_costs_at_most_what_is_tolerated(limits: list[float], tolerance: float) -> None:
    share = float(stats.exploration_share(baseline_mean=0.1, lower_bounds=limits, tolerance=tolerance))
    risk = sum(share * max(0.1 - limit, 0.0) for limit in limits)
    assert 0 <= share <= 1 / len(limits)
    assert risk <= tolerance * 0.1 + 1e-12


def test_arms_surely_as_good_are_free() -> None:
    assert stats.exploration_share(baseline_mean=0.1, lower_bounds=[0.1, 0.2], tolerance=0.0) == 0.5
