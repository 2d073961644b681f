"""Bounds spend what was planned, and power is what those bounds then have."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from releasectl import stats

SPENDING = st.sampled_from(["ldof", "ldpocock", "hsd-4", "hsd1", "hsd0", "kd2"])
INFO = st.lists(st.integers(1, 20), min_size=1, max_size=6).map(lambda gaps: np.cumsum(gaps) / sum(gaps))


@given(SPENDING, INFO, st.sampled_from([0.005, 0.025, 0.05]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_bounds_spend_exactly_what_is_planned(name: str, info: np.ndarray, alpha: float, two_sided: bool) -> None:
    bounds = stats.spending_bounds(spending=name, alpha_each_side=alpha, info=info, two_sided=two_sided)
    found = stats.crossing_chances(upper=bounds, info=info, lower=-bounds if two_sided else None)
    planned = np.diff(stats.spent(name, info=info, alpha=alpha), prepend=0.0)
    assert found.upper == pytest.approx(planned, abs=1e-13)
    if two_sided:
        assert found.lower == pytest.approx(planned, abs=1e-13)


@pytest.mark.parametrize("name", ["ldof", "ldpocock", "hsd-4", "hsd2", "hsd0", "kd3"])
def test_a_spending_function_rises_from_0_to_alpha(name: str) -> None:
    t = np.linspace(0, 1.5, 31)
    spent = stats.spent(name, info=t, alpha=0.05)
    assert spent[0] == 0.0
    assert np.all(np.diff(spent) >= 0)
    assert spent[t >= 1] == pytest.approx(0.05)


def test_a_second_look_in_the_far_tail_has_all_its_digits() -> None:
    # 6.08789287481071998673 by 30-digit quadrature; grids that are sparse in the tail give 6.087914.
    info = [0.05, 0.1, 1.0]
    bounds = stats.spending_bounds(spending="ldof", alpha_each_side=0.05, info=info, two_sided=False)
    assert bounds[1] == pytest.approx(6.08789287481072, abs=1e-11)
    coarse = stats.spending_bounds(spending="ldof", alpha_each_side=0.05, info=info, two_sided=False, grid=64)
    assert coarse[1] == pytest.approx(6.087914, abs=1e-6)


def test_one_look_is_the_fixed_test() -> None:
    assert stats.pocock_constant(K=1) == pytest.approx(float(special.ndtri(0.975)), abs=1e-12)
    assert stats.type1_of_repeated_z(K=1, two_sided=False) == pytest.approx(0.025)


def test_nothing_to_spend_means_no_bound() -> None:
    bounds = stats.spending_bounds(spending="ldof", alpha_each_side=0.025, info=[0.0005, 1.0])
    assert math.isinf(bounds[0])


def test_drift_gives_power_and_saves_information() -> None:
    info = np.arange(1, 6) / 5
    bounds = stats.obrien_fleming_bounds(K=5)
    drift = float(special.ndtri(0.975) + special.ndtri(0.9))
    found = stats.planned_power(upper=bounds, info=info, lower=-bounds, drift=drift)
    assert 0.88 < found.power < 0.9  # a little below the fixed test's
    assert 0.6 < found.expected_info < 0.8


def test_more_drift_more_power() -> None:
    bounds = stats.spending_bounds(spending="ldpocock", alpha_each_side=0.05, info=[0.3, 0.6, 1.0])
    powers = [stats.planned_power(upper=bounds, info=[0.3, 0.6, 1.0], drift=d).power for d in (0, 1, 2, 4, 8)]
    assert powers == sorted(powers)
    assert powers[0] == pytest.approx(0.05)


@pytest.mark.parametrize("info", [[], [0.0, 1.0], [0.5, 0.5], [1.0, 0.5]])
def test_information_must_rise(info: list[float]) -> None:
    with pytest.raises(ValueError, match="rise"):
        stats.spending_bounds(spending="ldof", alpha_each_side=0.025, info=info)


def test_an_unknown_spending_function_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown spending"):
        stats.spent("obf", info=[1.0], alpha=0.05)


@pytest.mark.parametrize("ratio", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("alternative", ["larger", "two-sided"])
def test_a_sample_size_has_its_power(ratio: float, alternative: str) -> None:
    n1 = stats.norm_ind_power_n1(effect=0.1, alpha=0.05, power=0.8, ratio=ratio, alternative=alternative)
    shift = 0.1 * math.sqrt(n1 / (1 + 1 / ratio))
    crit = float(special.ndtri(0.975 if alternative == "two-sided" else 0.95))
    power = special.ndtr(shift - crit) + (special.ndtr(-shift - crit) if alternative == "two-sided" else 0)
    assert power == pytest.approx(0.8, abs=1e-9)


def test_no_effect_is_never_found() -> None:
    assert math.isinf(stats.norm_ind_power_n1(effect=0.0, alpha=0.05, power=0.8))
    assert math.isinf(stats.norm_ind_power_n1(effect=-0.1, alpha=0.05, power=0.8, alternative="larger"))


def test_trials_for_two_rates() -> None:
    n1 = stats.proportion_n1(rate1=0.055, rate2=0.05, alpha=0.05, power=0.8, alternative="larger")
    z = float(special.ndtri(0.95) + special.ndtri(0.8))
    assert n1 == pytest.approx((0.055 * 0.945 + 0.05 * 0.95) * (z / 0.005) ** 2)


def test_a_stopping_time_is_replayed_by_its_seed() -> None:
    ask = {"drift": 0.3, "variance": 1.0, "ticks": 100, "v_opt": 30.0, "runs": 200}
    first = stats.mixture_stopping_time(**ask, seed=4)
    assert first == stats.mixture_stopping_time(**ask, seed=4)
    assert first != stats.mixture_stopping_time(**ask, seed=5)


def test_an_effect_that_is_not_there_is_seldom_found() -> None:
    found = stats.mixture_stopping_time(drift=0.0, variance=1.0, ticks=200, v_opt=30.0, runs=1000)
    assert found.detected <= 0.05 + 3 * found.detected_se
    assert math.isinf(found.median)
    assert found.mean > 180


def test_any_rule_for_proportions_can_be_timed() -> None:
    found = stats.proportion_stopping_time(
        rule=stats.two_by_two_log_e, rate_b=0.99, rate_c=0.89, n_b=900, n_c=100, ticks=30, runs=100
    )
    assert found.detected == 1.0
    assert found.median <= 4
