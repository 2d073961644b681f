"""Normal mixture, Bernoulli interval, asymptotic sequences, betting, and the arithmetic below them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.stats import determinism as d
from releasectl.stats.asymptotic import asymp_cs_diff, asymp_cs_diff_one_sided
from releasectl.stats.bernoulli import bernoulli_confidence_interval
from releasectl.stats.betting import Betting, betting_cs
from releasectl.stats.mixture import msprt_lambda_log, normal_log_mixture, normal_mixture_bound


@settings(deadline=None, max_examples=60)
@given(v=st.floats(0, 1e6), v_opt=st.floats(0.1, 1e5), alpha=st.floats(1e-6, 0.4), one=st.booleans())
def test_the_bound_is_where_the_evidence_is_one_over_alpha(v, v_opt, alpha, one):
    bound = normal_mixture_bound(v=v, alpha=alpha, v_opt=v_opt, is_one_sided=one)
    evidence = normal_log_mixture(s=bound, v=v, v_opt=v_opt, is_one_sided=one)
    assert float(evidence) == pytest.approx(math.log(1 / alpha), rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(s=st.floats(-100, 100), v=st.floats(0, 1e4))
def test_two_sided_evidence_does_not_know_the_sign(s, v):
    assert normal_log_mixture(s=s, v=v, v_opt=9.0, is_one_sided=False) == normal_log_mixture(
        s=-s, v=v, v_opt=9.0, is_one_sided=False
    )


def test_no_data_is_no_evidence():
    assert float(normal_log_mixture(s=0.0, v=0.0, v_opt=5.0)) == pytest.approx(0.0, abs=1e-12)
    assert float(msprt_lambda_log(diff=0.3, V=0.05, n_per_arm=0, tau2=1e-4)) == 0.0


def test_many_trials_that_all_succeed_reach_the_end_without_a_warning():
    low, high = bernoulli_confidence_interval(num_successes=33_000, num_trials=33_000, alpha=0.05 / 3, t_opt=1000)
    assert 0.999 < low < high == 1.0


def test_the_bernoulli_interval_holds_its_estimate_and_mirrors():
    x, n = np.array([0, 3, 50, 97, 100]), 100
    found = bernoulli_confidence_interval(num_successes=x, num_trials=n, t_opt=100)
    mirror = bernoulli_confidence_interval(num_successes=n - x, num_trials=n, t_opt=100)
    assert found.shape == (5, 2)
    assert np.all((found[:, 0] <= x / n) & (x / n <= found[:, 1]))
    assert np.allclose(found[:, 0], 1 - mirror[:, 1], atol=1e-9)
    assert found[0, 0] == 0.0
    assert found[-1, 1] == 1.0


def test_without_trials_every_proportion_is_possible():
    assert bernoulli_confidence_interval(num_successes=0, num_trials=0, t_opt=50).tolist() == [0.0, 1.0]


def test_asymptotic_sequences_mirror_and_say_nothing_without_trials():
    one = asymp_cs_diff(baseline=[50, 1000], canary=[70, 1000], n_opt=500)
    two = asymp_cs_diff(baseline=[70, 1000], canary=[50, 1000], n_opt=500)
    assert one.diff == -two.diff
    assert one.halfwidth == two.halfwidth
    none = asymp_cs_diff(baseline=[0, 0], canary=[7, 10], n_opt=500)
    assert np.isnan(none.diff)
    assert none.halfwidth == np.inf
    assert asymp_cs_diff_one_sided(baseline=[0, 0], canary=[7, 10], n_opt=500).lower == -np.inf


def test_betting_closes_in_on_the_mean_and_gives_up_a_mean_for_good():
    x = np.array([((7919 * i) % 101) / 100 for i in range(1, 401)])
    limits = betting_cs(x=x, running_intersection=True)
    assert limits.lower[-1] < x.mean() < limits.upper[-1]
    assert np.all(np.diff(limits.lower) >= 0)
    assert np.all(np.diff(limits.upper) <= 0)
    batch = Betting().run(Betting().init((2,)), np.stack([x, 1 - x]))[1]
    assert batch.lower[0].tolist() == limits.lower.tolist()
    assert np.allclose(batch.lower[1], 1 - limits.upper, atol=1e-9)


def test_observations_outside_the_unit_interval_are_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        betting_cs(x=[0.5, 1.5])


@settings(deadline=None, max_examples=60)
@given(a=st.floats(-700, 700), b=st.floats(-700, 700))
def test_log_add_exp_agrees_with_numpy(a, b):
    assert float(d.log_add_exp(a, b)) == pytest.approx(float(np.logaddexp(a, b)), rel=1e-14, abs=1e-14)


def test_logs_of_nothing():
    assert float(d.log(0.0)) == -np.inf
    assert float(d.log_add_exp(-np.inf, -np.inf)) == -np.inf
    assert float(d.log_sum_exp(np.array([-np.inf, -np.inf]))) == -np.inf


def test_stored_evidence_is_rounded_and_thresholds_have_a_dead_band():
    assert d.rounded(1.23456789012).item() == 1.23456789
    assert math.copysign(1.0, d.rounded(-1e-12).item()) == 1.0
    assert d.at_least(2.9999999999, 3.0)
    assert not d.at_least(2.99999999, 3.0)
