"""The rule for a stage with a last tick, and its boundary."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from releasectl.stats.boundary import crossing_probability, power_boundary
from releasectl.stats.horizon import Horizon
from releasectl.stats.trials import Trials
from tests.unit.stats.series import counted, piece


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.01, 0.001])
def test_a_flat_boundary_is_that_of_the_reflection_principle(alpha):
    exact = -special.ndtri(alpha / 2)
    assert power_boundary(alpha=alpha, shape=0.0, first=0.01) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("shape", [0.0, 0.25, 0.4])
def test_boundary_and_chance_are_inverse(shape):
    c = power_boundary(alpha=0.03, shape=shape, first=0.05)
    assert crossing_probability(c=c, shape=shape, first=0.05) == pytest.approx(0.03, rel=1e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.678), (4, 1.733), (10, 1.801)])
def test_few_looks_have_the_published_constants(looks, constant):
    # O'Brien & Fleming's, one-sided 5 % (Jennison & Turnbull 2000, table 2.3 at two-sided 10 %).
    assert power_boundary(alpha=0.05, shape=0.0, first=1 / looks, looks=looks) == pytest.approx(constant, abs=2e-3)


def test_fewer_looks_need_a_lower_boundary_and_any_looks_the_highest():
    at = [power_boundary(alpha=0.05, shape=0.43, first=0.05, looks=n) for n in (20, 60, 200, 2000, None)]
    assert at == sorted(at)
    assert Horizon(last_tick=20, any_looks=True).boundary > Horizon(last_tick=20).boundary


def test_a_smaller_error_and_an_earlier_look_need_a_higher_boundary():
    at = {a: power_boundary(alpha=a, shape=0.4, first=0.05) for a in (0.1, 0.05, 0.01)}
    assert at[0.1] < at[0.05] < at[0.01]
    assert power_boundary(alpha=0.05, shape=0.4, first=0.01) > at[0.05]


@pytest.mark.parametrize("bad", [{"alpha": 0.7}, {"shape": 0.8}, {"first": 0.0}])
def test_senseless_boundaries_are_refused(bad):
    with pytest.raises(ValueError, match="need"):
        power_boundary(**({"alpha": 0.05, "shape": 0.4, "first": 0.1} | bad))


def test_time_runs_from_nought_to_one_whatever_the_traffic():
    rng = np.random.default_rng(5)
    n_b, n_c = rng.integers(50, 900, 40), rng.integers(1, 90, 40)
    block = Trials.of_good(x_b=rng.binomial(n_b, 0.9), n_b=n_b, x_c=rng.binomial(n_c, 0.9), n_c=n_c)
    rule = Horizon(last_tick=40)
    state = rule.init()
    times = []
    for t in range(40):
        state = rule.step(state, piece(block, slice(t, t + 1)))
        times.append(float(state.time))
    assert times == sorted(times)
    assert times[-1] == pytest.approx(1.0)


def test_ticks_after_the_last_are_not_read():
    rule = Horizon(last_tick=20)
    state = rule.step(rule.init(), counted(1, 20))
    later = rule.step(state, counted(2, 10, harm=700))
    assert later.to_json() == state.to_json()
    assert rule.run(rule.init(), counted(1, 25))[1].shape == (25,)


def test_harm_reaches_the_boundary_and_no_harm_does_not():
    rule = Horizon(last_tick=50)
    hurt = rule.step(rule.init(), counted(1, 50, harm=80))
    well = rule.step(rule.init(), counted(1, 50))
    assert bool(rule.breached(hurt))
    assert not bool(rule.breached(well))
    assert rule.p_value(float(hurt.peak)) < 0.05 < rule.p_value(float(well.peak))


def test_the_p_value_at_the_boundary_is_alpha_and_one_without_data():
    rule = Horizon(last_tick=50, alpha=0.02)
    assert rule.p_value(rule.boundary) == pytest.approx(0.02, rel=1e-3)
    assert rule.p_value(float(rule.init().peak)) == 1.0


def test_no_traffic_is_no_evidence():
    rule = Horizon(last_tick=10, from_tick=2)
    state = rule.step(rule.init(), Trials.of_good(x_b=[0] * 10, n_b=[0] * 10, x_c=[0] * 10, n_c=[0] * 10))
    assert not bool(rule.breached(state))
    assert float(state.time) == 0.0


def test_a_rule_that_could_never_look_is_refused():
    with pytest.raises(ValueError, match="last tick"):
        Horizon(last_tick=5, from_tick=5)
    with pytest.raises(ValueError, match="every tick"):
        Horizon(last_tick=8, plan=(1.0, 2.0))
