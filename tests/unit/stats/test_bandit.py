"""Chances of being best: exact, the same for any batch, mirrored by relabelling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from releasectl import stats

COUNT = st.floats(0.5, 1e6)
ARMS = st.lists(st.tuples(COUNT, COUNT), min_size=1, max_size=8)


@given(ARMS)
@settings(max_examples=60, deadline=None)
def test_chances_add_to_one_and_losses_are_not_negative(arms: list[tuple[float, float]]) -> None:
    found = stats.prob_best(posterior="beta", params=arms)
    assert found.p_best.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.all(found.p_best >= 0)
    assert np.all(found.expected_loss >= 0)


@given(ARMS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_relabelling_arms_relabels_the_answer(arms: list[tuple[float, float]], random: object) -> None:
    order = list(range(len(arms)))
    random.shuffle(order)  # type: ignore[attr-defined]
    found = stats.prob_best(posterior="beta", params=arms)
    mirrored = stats.prob_best(posterior="beta", params=[arms[i] for i in order])
    assert mirrored.p_best == pytest.approx(found.p_best[order], abs=1e-12)
    assert mirrored.e_max == pytest.approx(found.e_max, abs=1e-12)


@given(ARMS)
@settings(max_examples=40, deadline=None)
def test_counting_failures_instead_mirrors_two_arms(arms: list[tuple[float, float]]) -> None:
    two = (arms * 2)[:2]
    found = stats.prob_best(posterior="beta", params=two).p_best
    mirrored = stats.prob_best(posterior="beta", params=[(b, a) for a, b in two]).p_best
    assert mirrored == pytest.approx(found[::-1], abs=1e-10)


def test_two_normal_arms_have_a_closed_form() -> None:
    mean, sd = np.array([1.0, 1.3]), np.array([0.2, 0.5])
    found = stats.prob_best_normal(mean=mean, sd=sd)
    assert found.p_best[1] == pytest.approx(special.ndtr(0.3 / np.hypot(0.2, 0.5)), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3])
def test_wide_and_narrow_arms_together_keep_ten_digits(scale: float) -> None:
    mean, sd = np.array([0.3, 0.0]), np.array([scale, 1.0])
    gap, spread = mean[0] - mean[1], float(np.hypot(*sd))
    found = stats.prob_best_normal(mean=mean, sd=sd)
    assert found.p_best[0] == pytest.approx(special.ndtr(gap / spread), abs=1e-10)
    e_max = mean[0] * special.ndtr(gap / spread) + spread * np.exp(-((gap / spread) ** 2) / 2) / np.sqrt(2 * np.pi)
    assert found.e_max == pytest.approx(e_max, rel=1e-10)


@given(st.integers(1, 300), st.integers(1, 2000), st.integers(1, 300), st.integers(1, 2000))
@settings(max_examples=100, deadline=None)
def test_whole_beta_parameters_have_a_finite_sum(a1: int, b1: int, a2: int, b2: int) -> None:
    i = np.arange(a2)
    terms = special.betaln(a1 + i, b1 + b2) - np.log(b2 + i) - special.betaln(1 + i, b2) - special.betaln(a1, b1)
    found = stats.prob_best_beta(a=[a1, a2], b=[b1, b2]).p_best[1]
    assert found == pytest.approx(np.exp(terms).sum(), abs=1e-9)


def test_one_more_success_never_lowers_the_chance() -> None:
    wins = np.arange(0, 101)
    params = stats.beta_posterior(
        successes=np.stack([np.full_like(wins, 50), wins], axis=-1), trials=np.full((101, 2), 100)
    )
    assert np.all(np.diff(stats.prob_best(posterior="beta", params=params).p_best[:, 1]) >= 0)


def test_a_batch_gives_the_bits_of_its_members() -> None:
    rng = np.random.default_rng(3)
    params = rng.uniform(1, 5000, size=(300, 3, 2))
    together = stats.prob_best(posterior="beta", params=params)
    alone = [stats.prob_best(posterior="beta", params=one) for one in params]
    assert np.array_equal(together.p_best, np.stack([one.p_best for one in alone]))
    assert np.array_equal(together.expected_loss, np.stack([one.expected_loss for one in alone]))


def test_leading_axes_are_kept() -> None:
    found = stats.prob_best(posterior="beta", params=np.ones((2, 5, 4, 2)))
    assert found.p_best.shape == (2, 5, 4)
    assert found.e_max.shape == (2, 5)


def test_a_single_arm_is_best() -> None:
    assert stats.prob_best(posterior="beta", params=[[3, 4]]).p_best.tolist() == [1.0]


def test_without_trials_the_prior_says_nothing() -> None:
    params = stats.beta_posterior(successes=[0, 0], trials=[0, 0])
    assert stats.prob_best(posterior="beta", params=params).p_best.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("params", [[[0, 1], [1, 1]], [[float("nan"), 1], [1, 1]], [[float("inf"), 1], [1, 1]]])
def test_a_posterior_that_is_none_is_refused(params: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="finite"):
        stats.prob_best(posterior="beta", params=params)


def test_a_mean_without_spread_has_no_posterior() -> None:
    with pytest.raises(ValueError, match="two trials"):
        stats.normal_posterior(mean=[1, 2], variance=[0, 1], trials=[10, 10])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda p: sum(p) > 0.1), st.floats(0, 1))
@settings(deadline=None)
def test_top_two_shares_add_to_one(weights: list[float], beta: float) -> None:
    p = np.array(weights) / sum(weights)
    shares = stats.top_two_shares(p, beta=beta)
    assert shares.sum() == pytest.approx(1.0)
    assert np.all(shares >= 0)


def test_when_one_arm_is_surely_best_the_others_split_the_rest() -> None:
    assert stats.top_two_shares([1.0, 0.0, 0.0]).tolist() == [0.5, 0.25, 0.25]


def test_without_costs_net_rewards_are_the_rates() -> None:
    for a, b in ([2.0, 3.0, 4.0], [50.0, 60.0, 30.0]), ([1.0, 1.0], [1.0, 1.0]), ([501.0, 480.0], [9501.0, 9522.0]):
        gross, net = stats.prob_best_beta(a=a, b=b), stats.prob_best_net(a=a, b=b, cost=np.zeros(len(a)))
        assert net.p_best == pytest.approx(gross.p_best, abs=1e-10)
        assert net.expected_loss == pytest.approx(gross.expected_loss, abs=1e-10)


def test_a_cost_for_every_arm_alike_changes_no_chance() -> None:
    a, b = [70.0, 51.0, 61.0], [930.0, 950.0, 940.0]
    even = stats.prob_best_net(a=a, b=b, cost=[0.3, 0.3, 0.3])
    assert even.p_best == pytest.approx(stats.prob_best_beta(a=a, b=b).p_best, abs=1e-10)
    assert even.e_max == pytest.approx(stats.prob_best_beta(a=a, b=b).e_max - 0.3, abs=1e-10)


def test_net_rewards_agree_with_draws() -> None:
    a, b, cost = np.array([71.0, 51.0, 61.0]), np.array([930.0, 950.0, 940.0]), np.array([0.02, 0.0, 0.005])
    runs = 400_000
    draws = np.random.default_rng(8).beta(a, b, size=(runs, 3)) - cost
    found = stats.prob_best_net(a=a, b=b, cost=cost)
    shares = np.bincount(draws.argmax(axis=1)) / runs
    assert found.p_best == pytest.approx(shares, abs=4 * np.sqrt(0.25 / runs))
    losses = draws.max(axis=1, keepdims=True) - draws
    assert np.all(np.abs(found.expected_loss - losses.mean(axis=0)) <= 4 * losses.std(axis=0) / np.sqrt(runs))


def test_an_arm_whose_cost_eats_any_reward_is_never_best() -> None:
    found = stats.prob_best_net(a=[5.0, 5.0], b=[5.0, 5.0], cost=[0.0, 1.0])
    assert found.p_best == pytest.approx([1.0, 0.0], abs=1e-12)
    assert found.expected_loss == pytest.approx([0.0, 1.0], abs=1e-9)


def test_net_rewards_refuse_a_prior_that_is_steep_at_its_ends() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        stats.prob_best_net(a=[0.5, 1.0], b=[1.0, 1.0], cost=[0.0, 0.0])
