"""The exact e-process for two proportions, by enumeration and by its vectors' formula."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from releasectl.stats.projection import project_on_difference, project_on_ratio
from releasectl.stats.starts import Starts, spread_starts
from releasectl.stats.trials import Trials
from releasectl.stats.two_by_two import RISES, TwoByTwo, two_by_two_log_e

N_B, N_C = 6, 4
FIRST = Trials.of_good(x_b=[17], n_b=[20], x_c=[9], n_c=[10])


def mean_of_next_tick(rule, p_b, p_c, first=FIRST):
    """E of the second tick's e-value, by adding up every outcome of six and four trials."""
    state = rule.step(rule.init(), first)
    x_b, x_c = (a.reshape(-1, 1) for a in np.mgrid[: N_B + 1, : N_C + 1])
    chance = special.binom(N_B, x_b) * p_b**x_b * (1 - p_b) ** (N_B - x_b)
    chance = chance * special.binom(N_C, x_c) * p_c**x_c * (1 - p_c) ** (N_C - x_c)
    block = Trials.of_good(x_b=x_b, n_b=N_B, x_c=x_c, n_c=N_C)
    return float(np.sum(chance[:, 0] * np.exp(rule.step(state, block).log_e - state.log_e)))


RATES = [0.02, 0.1, 0.4, 0.75, 0.93, 0.99]
NULLS = {
    "no margin": (TwoByTwo(), lambda b, c: c >= b),
    "relative margin": (TwoByTwo(margin=0.1), lambda b, c: c >= 0.9 * b),
    "absolute margin": (TwoByTwo(margin=0.1, margin_kind="absolute"), lambda b, c: c >= b - 0.1),
    "higher is worse": (TwoByTwo(worse="higher", effects=RISES), lambda b, c: c <= b),
    "higher, relative margin": (TwoByTwo(worse="higher", effects=RISES, margin=0.15), lambda b, c: c <= 1.15 * b),
}


@pytest.mark.parametrize(("rule", "is_null"), NULLS.values(), ids=NULLS.keys())
def test_the_mean_e_value_of_a_tick_is_at_most_one_on_the_whole_null(rule, is_null):
    rates = sorted({*RATES, *(0.9 * r for r in RATES), *(min(1.0, r + 0.1) for r in RATES)})
    for p_b, p_c in itertools.product(rates, rates):
        if is_null(p_b, p_c):
            assert mean_of_next_tick(rule, p_b, p_c) <= 1 + 1e-9, (p_b, p_c)


def test_harm_makes_evidence():
    rule = TwoByTwo(margin=0.05)
    assert mean_of_next_tick(rule, 0.85, 0.3) > 1.5


def test_the_first_tick_and_ticks_without_an_arm_say_nothing():
    values = two_by_two_log_e(x_b=[5, 9, 9], n_b=[10, 10, 10], x_c=[1, 0, 0], n_c=[10, 0, 10])
    assert values[0] == values[1] == 0
    assert values[2] > 0


@settings(deadline=None, max_examples=60)
@given(drop=st.integers(0, 60))
def test_more_harm_is_more_evidence(drop):
    def evidence(x):
        return two_by_two_log_e(x_b=[90] * 4, n_b=[100] * 4, x_c=[x] * 4, n_c=[100] * 4)[-1]

    assert evidence(90 - drop) >= evidence(91 - drop)


def test_doubling_the_counts_of_a_breach_leaves_a_breach():
    series = {"x_b": [450] * 6, "n_b": [500] * 6, "x_c": [80] * 6, "n_c": [100] * 6}
    one = two_by_two_log_e(**series)[-1]
    two = two_by_two_log_e(**{name: [2 * v for v in values] for name, values in series.items()})[-1]
    assert two > one > np.log(20)


def test_late_starts_find_late_harm_sooner_and_never_add_up_to_more_than_one():
    good, bad = [800] * 100, [80] * 100 + [70] * 30
    series = {"x_b": good + [800] * 30, "n_b": [1000] * 130, "x_c": bad, "n_c": [100] * 130}
    at_once = two_by_two_log_e(**series)
    spread = two_by_two_log_e(**series, starts=spread_starts(130))
    assert np.argmax(spread > np.log(20)) < np.argmax(at_once > np.log(20))


def test_weights_of_starts_are_checked_and_add_up():
    starts = spread_starts(50, every=7, first=0.4, tail=0.1)
    assert sum(starts.weight(k) for k in range(1, 5000)) + starts.left_after(4999) == pytest.approx(1.0)
    assert starts.left_after(50) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="add to 1"):
        Starts((0.9, 0.2))


@settings(deadline=None, max_examples=60)
@given(
    th_b=st.floats(0.02, 0.98), th_c=st.floats(0.02, 0.98), n_b=st.integers(1, 500), n_c=st.integers(1, 500),
    margin=st.floats(0.01, 0.5),
)  # fmt: skip
def test_projections_are_the_nearest_points(th_b, th_c, n_b, n_c, margin):
    def distance(p, r):
        rates = [(th_b, p, n_b), (th_c, r, n_c)]
        return sum(n * (special.rel_entr(t, q) + special.rel_entr(1 - t, 1 - q)) for t, q, n in rates)

    args = [np.asarray(float(v)) for v in (th_b, th_c, n_b, n_c)]
    for found, edge, low in (
        (float(project_on_ratio(*args, 1 - margin)), lambda p: (1 - margin) * p, 0.0),
        (float(project_on_difference(*args, margin)), lambda p: p - margin, margin),
    ):
        best = optimize.minimize_scalar(lambda p: distance(p, edge(p)), bounds=(low + 1e-9, 1 - 1e-9), method="bounded")  # noqa: B023
        assert distance(found, edge(found)) <= best.fun + 1e-9 * (1 + abs(best.fun))


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="between 0 and the trials"):
        Trials.of_good(x_b=[11], n_b=[10], x_c=[1], n_c=[10])
    with pytest.raises(ValueError, match="give the good outcomes"):
        TwoByTwo(margin=0.1, margin_kind="absolute", worse="higher")
