"""Fixed tests at the edges where textbooks and libraries go wrong, and their symmetries."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl import stats

TRIALS = st.integers(1, 2000)


@st.composite
def two_arms(draw: st.DrawFn) -> dict[str, int]:
    n1, n2 = draw(TRIALS), draw(TRIALS)
    return {"count1": draw(st.integers(0, n1)), "nobs1": n1, "count2": draw(st.integers(0, n2)), "nobs2": n2}


def _swapped(arms: dict[str, int]) -> dict[str, int]:
    return {key[:-1] + ("2" if key[-1] == "1" else "1"): value for key, value in arms.items()}


@given(two_arms(), st.sampled_from(["newcomb", "score", "wald", "agresti-caffo"]))
@settings(max_examples=150, deadline=None)
def test_swapping_arms_mirrors_a_difference(arms: dict[str, int], method: str) -> None:
    straight = stats.confint_proportions_2indep(**arms, method=method)
    mirrored = stats.confint_proportions_2indep(**_swapped(arms), method=method)
    assert float(straight.lower) == pytest.approx(-float(mirrored.upper), abs=1e-9)
    assert float(straight.upper) == pytest.approx(-float(mirrored.lower), abs=1e-9)


@given(two_arms(), st.sampled_from(["ratio", "odds-ratio"]))
@settings(max_examples=100, deadline=None)
def test_swapping_arms_inverts_a_ratio(arms: dict[str, int], compare: str) -> None:
    straight = stats.confint_proportions_2indep(**arms, compare=compare)
    mirrored = stats.confint_proportions_2indep(**_swapped(arms), compare=compare)
    upper = 1 / float(mirrored.upper) if mirrored.upper > 0 else math.inf
    lower = 1 / float(mirrored.lower) if mirrored.lower > 0 else math.inf
    assert float(straight.lower) == pytest.approx(upper, rel=1e-6, abs=1e-20)
    assert float(straight.upper) == pytest.approx(lower, rel=1e-6)


@given(two_arms())
@settings(max_examples=150, deadline=None)
def test_a_difference_lies_inside_its_interval(arms: dict[str, int]) -> None:
    gap = arms["count1"] / arms["nobs1"] - arms["count2"] / arms["nobs2"]
    for method in ("newcomb", "score"):
        found = stats.confint_proportions_2indep(**arms, method=method)
        assert -1 <= found.lower <= gap + 1e-9
        assert gap - 1e-9 <= found.upper <= 1


@given(two_arms(), st.floats(-0.5, 0.5))
@settings(max_examples=150, deadline=None)
def test_the_score_interval_holds_what_the_score_test_accepts(arms: dict[str, int], margin: float) -> None:
    found = stats.confint_proportions_2indep(**arms, method="score", alpha=0.1)
    below = stats.noninferiority_score_test(**arms, margin=margin, h0="p1-p2>=margin").p_value
    above = stats.noninferiority_score_test(**arms, margin=margin, h0="p1-p2<=margin").p_value
    if min(below, above) > 0.0501:
        assert found.lower - 1e-6 <= margin <= found.upper + 1e-6


@pytest.mark.parametrize("method", ["wilson", "beta", "jeffreys", "agresti_coull", "normal"])
def test_no_trials_say_nothing_about_a_proportion(method: str) -> None:
    found = stats.proportion_confint(count=[0, 5], nobs=[0, 10], method=method)
    assert (found.lower[0], found.upper[0]) == (0.0, 1.0)
    assert 0 <= found.lower[1] < 0.5 < found.upper[1] <= 1


@pytest.mark.parametrize(
    ("compare", "least", "most"), [("diff", -1, 1), ("ratio", 0, math.inf), ("odds-ratio", 0, math.inf)]
)
def test_no_trials_in_an_arm_say_nothing_about_a_comparison(compare: str, least: float, most: float) -> None:
    found = stats.confint_proportions_2indep(count1=0, nobs1=0, count2=5, nobs2=10, compare=compare)
    assert (float(found.lower), float(found.upper)) == (least, most)


def test_the_constrained_estimate_stays_a_proportion_when_an_arm_has_no_events() -> None:
    # statsmodels 0.15 lets the first proportion go below 0 here and reports z = 1.0213.
    found = stats.noninferiority_score_test(count1=0, nobs1=50, count2=3, nobs2=500, margin=0.01, h0="p1-p2<=-margin")
    assert float(found.z) == pytest.approx(0.8981155661984341, rel=1e-9)


def test_unequal_arms_that_break_other_root_finders() -> None:
    found = stats.confint_proportions_2indep(count1=5, nobs1=100, count2=90, nobs2=900, method="score")
    assert float(found.lower) < -0.05 < float(found.upper)


def test_comparisons_broadcast() -> None:
    found = stats.confint_proportions_2indep(count1=[1, 2, 3], nobs1=10, count2=[[1], [4]], nobs2=20, method="score")
    assert found.lower.shape == (2, 3)


def test_a_null_in_other_words_is_refused() -> None:
    with pytest.raises(ValueError, match="must read"):
        stats.noninferiority_score_test(count1=1, nobs1=2, count2=1, nobs2=2, margin=0.1, h0="p1=p2")


@pytest.mark.parametrize("method", ["exact", "score", "logit"])
def test_a_method_that_does_not_exist_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="unknown method"):
        stats.confint_proportions_2indep(count1=1, nobs1=2, count2=1, nobs2=2, method=method, compare="ratio") if (
            method != "score"
        ) else stats.proportion_confint(count=1, nobs=2, method=method)  # type: ignore[arg-type]


def test_rates_without_events_are_no_evidence() -> None:
    exposures = {"exposure1": 10.0, "exposure2": 20.0}
    assert stats.poisson_rate_ratio_exact_cond(count1=0, count2=0, **exposures).p_value == 1.0
    found = stats.poisson_ratio_ci_score(count1=0, count2=0, **exposures)
    assert (float(found.lower), float(found.upper)) == (0.0, math.inf)


def test_one_sided_exact_rates_share_the_outcome_itself() -> None:
    ask = {"count1": 7, "exposure1": 3.0, "count2": 11, "exposure2": 5.0}
    larger = stats.poisson_rate_ratio_exact_cond(**ask, alternative="larger").p_value
    smaller = stats.poisson_rate_ratio_exact_cond(**ask, alternative="smaller").p_value
    p = 3.0 / 8.0
    assert float(larger + smaller) == pytest.approx(1 + math.comb(18, 7) * p**7 * (1 - p) ** 11)


@pytest.mark.parametrize(("x", "y"), [([], [1.0]), ([1.0], [1.0, 2.0]), ([1.0, 1.0], [1.0, 1.0])])
def test_too_little_for_welch_is_nan(x: list[float], y: list[float]) -> None:
    assert math.isnan(stats.welch(x=x, y=y).p_value)


def test_welch_broadcasts_over_leading_axes() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 4, 20)), rng.normal(size=(3, 4, 30))
    found = stats.welch(x=x, y=y)
    assert found.p_value.shape == (3, 4)
    assert found.p_value[1, 2] == stats.welch(x=x[1, 2], y=y[1, 2]).p_value


def test_ranks_without_data_or_spread_are_nan() -> None:
    assert math.isnan(stats.mannwhitneyu(x=[], y=[1.0]).p_value)
    assert math.isnan(stats.mannwhitneyu(x=[1.0, 1.0], y=[1.0]).p_value)


def test_the_share_of_pairs_won_mirrors() -> None:
    x, y = [1.0, 4.0, 6.0], [2.0, 3.0, 4.0, 8.0]
    assert stats.mannwhitneyu(x=x, y=y).superiority == pytest.approx(1 - stats.mannwhitneyu(x=y, y=x).superiority)


def test_mcnemar_without_discordant_pairs_is_no_evidence() -> None:
    for exact in (True, False):
        assert stats.mcnemar(table=[[9, 0], [0, 4]], exact=exact).p_value == 1.0


def test_a_bootstrap_is_replayed_by_its_seed() -> None:
    x, y = [1.0, 2.0, 4.0, 4.5], [0.5, 2.5, 3.0, 4.0]
    first = stats.paired_bootstrap(x=x, y=y, seed=7, draws=500)
    assert first == stats.paired_bootstrap(x=x, y=y, seed=7, draws=500)
    assert first.lower <= first.estimate <= first.upper
    assert math.isnan(stats.paired_bootstrap(x=[], y=[], seed=1).estimate)


def test_a_ratio_of_means_is_not_a_mean_of_ratios() -> None:
    found = stats.delta_ratio(num=[1.0, 30.0], den=[1.0, 100.0])
    assert float(found.ratio) == pytest.approx(31 / 101)
    assert math.isnan(stats.delta_ratio(num=[1.0], den=[2.0]).se)
    assert math.isnan(stats.delta_ratio(num=[], den=[]).ratio)


def test_cuped_without_a_useful_covariate_changes_nothing() -> None:
    y = np.array([1.0, 2.0, 3.0])
    found = stats.cuped(y=y, x=[5.0, 5.0, 5.0])
    assert found.theta == 0.0
    assert found.var_ratio == 1.0
    assert np.array_equal(found.adjusted, y)


def test_a_relative_lift_carries_the_noise_of_the_baseline() -> None:
    found = stats.relative_lift(mean_b=2.0, var_b=0.01, mean_c=2.2, var_c=0.01)
    assert float(found.lift) == pytest.approx(0.1)
    assert float(found.se) == pytest.approx(math.sqrt(0.01 / 4 + 0.01 * 2.2**2 / 16))
    assert math.isnan(stats.relative_lift(mean_b=0.0, var_b=0.01, mean_c=1.0, var_c=0.01).se)
