"""Estimates and always-valid intervals of a difference and of a ratio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from releasectl.stats.difference import difference_init, difference_interval, difference_step, ratio_interval
from releasectl.stats.moments import Moments
from releasectl.stats.trials import Trials
from tests.unit.stats.series import counted, trials


def after(block, shape=()):
    return difference_step(difference_init(shape), block)


@settings(deadline=None, max_examples=60)
@given(block=trials())
def test_exchanging_the_arms_negates_the_interval(block):
    one = difference_interval(after(block), alpha=0.05, v_opt=20.0)
    two = difference_interval(after(block.swapped()), alpha=0.05, v_opt=20.0)
    assert float(one.low) == -float(two.high)
    assert float(one.high) == -float(two.low)


@settings(deadline=None, max_examples=60)
@given(block=trials())
def test_the_estimate_lies_inside_and_no_data_is_no_limit(block):
    state = after(block)
    for found in (difference_interval(state, alpha=0.1, v_opt=5.0), ratio_interval(state, alpha=0.1, v_opt=5.0)):
        if bool(found.enough):
            assert found.low <= found.estimate <= found.high
        else:
            assert found.low == -np.inf
            assert found.high == np.inf


def test_no_data_estimates_nothing():
    found = difference_interval(difference_init(), alpha=0.05, v_opt=5.0)
    assert np.isnan(found.estimate)
    assert not bool(found.enough)


def test_one_sided_limits_are_nearer_than_two_sided_ones():
    state = after(counted(7, 30, harm=20))
    both = difference_interval(state, alpha=0.05, v_opt=300.0)
    low = difference_interval(state, alpha=0.05, v_opt=300.0, sides="lower")
    high = difference_interval(state, alpha=0.05, v_opt=300.0, sides="upper")
    assert both.low < low.low < both.estimate < high.high < both.high
    assert low.high == np.inf
    assert high.low == -np.inf


def test_dispersion_widens_and_more_data_narrows():
    wild = Trials.of_good(x_b=[800] * 30, n_b=[1000] * 30, x_c=[60, 100] * 15, n_c=[100] * 30)
    state = after(wild)
    plain = difference_interval(state, alpha=0.05, v_opt=300.0)
    wide = difference_interval(state, alpha=0.05, v_opt=300.0, dispersion=True)
    more = difference_interval(difference_step(state, wild), alpha=0.05, v_opt=300.0)
    assert wide.high - wide.low > plain.high - plain.low > more.high - more.low


def test_the_ratio_is_relative_to_the_baseline():
    state = after(counted(3, 40, harm=80))
    ratio = ratio_interval(state, alpha=0.05, v_opt=300.0)
    diff = difference_interval(state, alpha=0.05, v_opt=300.0)
    assert float(ratio.estimate) == pytest.approx(1 + float(diff.estimate) / 0.8, abs=0.01)
    assert ratio.low < 0.9 < ratio.high < 1.0


def test_a_baseline_near_nought_has_no_upper_limit_for_the_ratio():
    rare = Trials.of_good(x_b=[0, 1, 0, 1] * 6, n_b=[1000] * 24, x_c=[1] * 24, n_c=[1000] * 24)
    found = ratio_interval(after(rare), alpha=0.05, v_opt=5.0)
    assert found.high == np.inf


def test_means_have_intervals_too():
    block = Moments.of(n_b=[50] * 9, s_b=[500] * 9, q_b=[5100] * 9, n_c=[50] * 9, s_c=[600] * 9, q_c=[7300] * 9)
    found = difference_interval(after(block), alpha=0.05, v_opt=50.0)
    assert float(found.estimate) == pytest.approx(2.0)
    assert 1.0 < found.low < found.high < 3.0
