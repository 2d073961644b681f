"""Indices and stopping statistics at their edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl import stats


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(2, 1e9))
@settings(deadline=None)
def test_the_index_is_the_largest_rate_not_excluded(n: int, share: float, t: float) -> None:
    s = round(share * n)
    q = float(stats.kl_ucb(successes=s, n=n, t=t))
    assert s / n <= q <= 1.0
    assert n * float(stats.bernoulli_kl(s / n, max(s / n, q - 1e-12))) <= math.log(t) * (1 + 1e-6)


def test_an_arm_never_tried_comes_first() -> None:
    assert stats.kl_ucb(successes=[0, 5], n=[0, 10], t=100).tolist()[0] == 1.0


def test_more_time_widens_and_more_trials_narrow() -> None:
    assert np.all(np.diff(stats.kl_ucb(successes=5, n=100, t=[10, 100, 1000])) > 0)
    assert np.all(np.diff(stats.kl_ucb(successes=[5, 50, 500], n=[100, 1000, 10_000], t=1000)) < 0)


def test_the_longer_logarithm_can_be_asked_for_in_words() -> None:
    plain = stats.kl_ucb(successes=5, n=100, t=1000)
    assert stats.kl_ucb(successes=5, n=100, t=1000, log_term="ln t + 3 ln ln t") > plain
    assert stats.kl_ucb(successes=5, n=100, t=1000, c=3) == stats.kl_ucb(
        successes=5, n=100, t=1000, log_term="ln t + 3 ln ln t"
    )


@given(st.integers(0, 100), st.integers(0, 100))
def test_the_likelihood_ratio_mirrors_and_is_zero_for_equal_rates(s1: int, s2: int) -> None:
    straight = float(stats.glr_pair(s1=s1, n1=100, s2=s2, n2=100))
    assert straight == pytest.approx(float(stats.glr_pair(s1=s2, n1=100, s2=s1, n2=100)))
    assert straight >= -1e-12
    assert (s1 != s2) or straight == 0.0


def test_no_trials_are_no_evidence() -> None:
    assert stats.glr_pair(s1=0, n1=0, s2=5, n2=10) == 0.0


def test_the_threshold_rises_with_time() -> None:
    assert np.all(np.diff(stats.glr_threshold(t=[1, 10, 1e6], delta=0.05)) > 0)
