"""The odds rule: exact against Fisher's law, a fold, symmetric, quiet without data."""

import json
import math

import numpy as np
import pytest
from scipy import special
from scipy.stats import hypergeom

from releasectl.stats.odds import Odds, OddsState, horizon_credit, odds_log_e
from releasectl.stats.starts import spread_starts
from releasectl.stats.trials import Trials

PLAN = 900 * 100 / 1000 * 0.05 * 0.95 * 200


def block(ticks: int = 40, *, n_b: int = 900, n_c: int = 100, rate: float = 0.05, seed: int = 7) -> Trials:
    rng = np.random.default_rng(seed)
    return Trials.of_good(
        x_b=rng.binomial(n_b, rate, ticks),
        n_b=np.full(ticks, n_b),
        x_c=rng.binomial(n_c, rate * 0.8, ticks),
        n_c=np.full(ticks, n_c),
    )


@pytest.mark.parametrize("worse", ["lower", "higher"])
@pytest.mark.parametrize(("n_b", "n_c"), [(900, 100), (950, 50), (500, 500), (180, 20)])
def test_the_mean_of_a_ticks_e_value_given_its_total_is_one(n_b: int, n_c: int, worse: str) -> None:
    n = n_b + n_c
    for total in (1, 2, 5, n // 20, n // 5, n // 2, 4 * n // 5, n - 3, n - 1):
        x_c = np.arange(max(0, total - n_b), min(total, n_c) + 1.0)[:, None]
        rule = Odds(v_plan=PLAN, worse=worse)  # log odds ratios of 0.085 to 1.4
        same = np.ones_like(x_c)
        _, log_e = rule.run(rule.init(x_c.shape[:1]), Trials(total - x_c, n_b * same, x_c, n_c * same))
        mean = hypergeom.pmf(x_c[:, 0], n, total, n_c) @ np.exp(log_e[:, 0])
        assert mean == pytest.approx(1.0, abs=2e-5)


def test_rare_outcomes_give_the_binomial_likelihood_ratio() -> None:
    n_b, n_c, y_b, y_c = 9_000_000, 1_000_000, 6, 3
    one = Odds(v_plan=PLAN, worse="higher")
    log_e = one.run(one.init(), Trials.of_good(x_b=[y_b], n_b=[n_b], x_c=[y_c], n_c=[n_c]))[1][0]
    ratios = np.exp(one.effects)
    share = ratios / (ratios + 9)
    each = y_c * np.log(share / 0.1) + y_b * np.log((1 - share) / 0.9)
    assert log_e == pytest.approx(math.log(np.exp(each) @ [0.70, 0.10, 0.08, 0.07, 0.05]), abs=1e-5)


@pytest.mark.parametrize("dispersion_from", [None, 10])
@pytest.mark.parametrize("cuts", [(1,), (5, 10), (9, 10, 11, 30), tuple(range(1, 40))])
def test_any_split_of_the_ticks_gives_the_same_bits(cuts: tuple[int, ...], dispersion_from: int | None) -> None:
    rule = Odds(v_plan=PLAN, looks=200, starts=spread_starts(40, first=0.8), dispersion_from=dispersion_from)
    whole, _ = rule.run(rule.init(), block())
    state = rule.init()
    for first, last in zip((0, *cuts), (*cuts, 40), strict=True):
        state = OddsState.from_json(json.loads(json.dumps(state.to_json())))
        state = rule.step(state, block().part(slice(first, last)))
    assert state.to_json() == whole.to_json()


def test_exchanging_good_and_bad_mirrors_the_direction() -> None:
    lower, higher = Odds(v_plan=PLAN), Odds(v_plan=PLAN, worse="higher")
    down = lower.run(lower.init(), block())[1]
    up = higher.run(higher.init(), block().flipped())[1]
    np.testing.assert_allclose(down, up, atol=1e-9)


def test_claiming_better_is_claiming_worse_with_the_arms_exchanged() -> None:
    worse, better = Odds(v_plan=PLAN), Odds(v_plan=PLAN, claim="better")
    np.testing.assert_allclose(
        worse.run(worse.init(), block())[1], better.run(better.init(), block().swapped())[1], atol=1e-9
    )


@pytest.mark.parametrize(("margin_kind", "margin"), [("relative", 0.1), ("absolute", 0.02)])
def test_a_margin_forgives_harm_at_its_edge(margin_kind: str, margin: float) -> None:
    rng, runs, rate = np.random.default_rng(11), 2000, 0.2
    edge = rate * (1 - margin) if margin_kind == "relative" else rate - margin
    rule = Odds(v_plan=90 * rate * (1 - rate) * 50, margin=margin, margin_kind=margin_kind)
    ones = np.ones((runs, 50))
    x_b, x_c = rng.binomial(900, rate, (runs, 50)), rng.binomial(100, edge, (runs, 50))
    state = rule.step(rule.init((runs,)), Trials.of_good(x_b=x_b, n_b=900 * ones, x_c=x_c, n_c=100 * ones))
    limit = 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert 0.01 < rule.breached(state).mean() <= limit


@pytest.mark.parametrize(
    ("x_b", "n_b", "x_c", "n_c"),
    [(0, 0, 0, 0), (5, 10, 0, 0), (0, 0, 5, 10), (0, 10, 0, 10), (10, 10, 10, 10)],
    ids=["no trials", "empty canary", "empty baseline", "all bad", "all good"],
)
def test_a_tick_that_says_nothing_adds_nothing(x_b: int, n_b: int, x_c: int, n_c: int) -> None:
    log_e = odds_log_e(x_b=[x_b], n_b=[n_b], x_c=[x_c], n_c=[n_c], v_plan=PLAN)
    assert log_e == pytest.approx(0.0, abs=1e-15)


def test_more_of_the_same_evidence_never_takes_a_breach_back() -> None:
    rule = Odds(v_plan=PLAN)
    state, breached = rule.init(), False
    for _ in range(60):
        state = rule.step(state, Trials.of_good(x_b=[50], n_b=[900], x_c=[3], n_c=[100]))
        assert rule.breached(state) or not breached
        breached = bool(rule.breached(state))
    assert breached


def test_a_canary_without_any_good_outcome_is_found_at_once() -> None:
    rule = Odds(v_plan=PLAN)
    state = rule.step(rule.init(), Trials.of_good(x_b=[890], n_b=[900], x_c=[0], n_c=[100]))
    assert rule.breached(state)
    assert np.isfinite(state.log_e)


def test_the_credit_falls_with_the_number_of_looks_and_needs_a_small_alpha() -> None:
    credits = [horizon_credit(alpha=0.05, looks=k) for k in (5, 10, 60, 200, 606, 800, 801, None)]
    assert credits == sorted(credits, reverse=True)
    assert horizon_credit(alpha=0.1, looks=10) == horizon_credit(alpha=0.05, looks=None)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("looks", [10, 50, 200])
def test_brownian_motion_reaches_the_threshold_with_chance_alpha(looks: int, alpha: float) -> None:
    rule = Odds(v_plan=1.0, alpha=alpha, looks=looks)
    least = special.ndtri(1 - alpha) + special.ndtri(0.8)
    chance = _crossing(least * 2.0 ** np.arange(5), np.log([0.70, 0.10, 0.08, 0.07, 0.05]), rule.threshold, looks)
    assert chance <= alpha * 1.001
    assert alpha < 0.05 or chance == pytest.approx(alpha, rel=2e-3)


def _crossing(drifts: np.ndarray, log_weights: np.ndarray, threshold: float, looks: int) -> float:
    """Chance that the mixture of likelihood ratios reaches the threshold at one of the looks."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    deviation, crossed = math.sqrt(1 / looks), 0.0
    place, mass = np.zeros(1), np.ones(1)
    for k in range(1, looks + 1):
        time = k / looks
        low, high = -3.0, 9.0
        for _ in range(60):
            middle = (low + high) / 2
            value = special.logsumexp(log_weights + drifts * middle - drifts**2 * time / 2)
            low, high = (low, middle) if value >= threshold else (middle, high)
        crossed += mass @ special.ndtr((place - high) / deviation)
        panels = math.ceil((high + 4.5) / (4 * deviation))
        edges = np.linspace(-4.5, high, panels + 1)
        half = (edges[1] - edges[0]) / 2
        to = (edges[:-1, None] + half * (nodes + 1)).ravel()
        kernel = np.exp(-((to[:, None] - place) ** 2) * looks / 2) / (deviation * math.sqrt(2 * math.pi))
        place, mass = to, (kernel @ mass) * np.tile(half * weights, panels)
    return float(crossed)
