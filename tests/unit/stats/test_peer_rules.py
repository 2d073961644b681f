"""The rules of other tools in the bench do what their descriptions say."""

import numpy as np
import pytest
from scipy.special import ndtri

from releasectl import stats
from tests.bench import peers
from tests.bench.worlds import HARM_WORLDS, NULL_WORLDS, Counts, World, common_rate, draw


def series(x_c: list[int], *, x_b: int = 90, n: int = 100) -> Counts:
    """One run in which the baseline never moves."""
    ones = np.ones((1, len(x_c)), dtype=np.int64)
    return Counts(x_b * ones, n * ones, np.array([x_c]), n * ones)


def test_a_world_gives_the_same_counts_whatever_else_is_drawn() -> None:
    first = draw(HARM_WORLDS[0], 3)
    draw(NULL_WORLDS[0], 5)
    assert np.array_equal(first.x_c, draw(HARM_WORLDS[0], 3).x_c)


def test_a_drift_moves_the_odds_by_the_factor_it_says() -> None:
    rate = common_rate(World(number=0, name="", rate=0.2, is_drifting=True))
    odds = rate / (1 - rate)
    assert odds[-1] / odds[0] == pytest.approx(np.exp(-0.8))


def test_clustering_has_the_intra_class_correlation_that_was_asked_for() -> None:
    counts = draw(World(number=0, name="", rate=0.8, icc=0.01), 500)
    excess = counts.x_b.var() / (900 * 0.8 * 0.2)
    assert excess == pytest.approx(1 + 899 * 0.01, rel=0.03)


def test_argo_fails_when_failures_exceed_the_limit_and_flagger_when_they_reach_the_threshold() -> None:
    counts = series([90, 99, 90, 99, 90, 90, 90])
    assert peers.argo_rollouts(counts, failure_limit=3) == 6
    assert peers.flagger(counts, threshold=3) == 5
    assert peers.argo_rollouts(series([99] * 7)) == 0


def test_the_relative_threshold_compares_within_the_tick() -> None:
    assert peers.below_baseline(series([90, 72, 71, 71, 71, 71]), by=0.2, failure_limit=3) == 6


def test_planned_bounds_are_those_of_the_library() -> None:
    assert peers.obrien_fleming_constant(5, 0.05) == pytest.approx(
        stats.obrien_fleming_bounds(K=5, alpha_two_sided=0.05, two_sided=False)[-1], abs=1e-4
    )
    assert peers.constant_boundary(10, 0.05) == pytest.approx(
        stats.pocock_constant(K=10, alpha_two_sided=0.05, two_sided=False), abs=1e-4
    )


def test_kayentas_limits_are_order_statistics_of_all_differences() -> None:
    counts = draw(HARM_WORLDS[3], 20)
    found = peers.kayenta(counts)
    for run in range(20):
        baseline, canary = counts.x_b[run] / 900, counts.x_c[run] / 100
        expected = 0
        for size in range(10, 201):
            if _is_low(canary[:size], baseline[:size]):
                expected = size
                break
        assert found[run] == expected


def _is_low(canary: np.ndarray, baseline: np.ndarray) -> bool:
    """The judge by brute force: interval and estimate from the sorted differences."""
    differences = np.sort((canary[:, None] - baseline[None, :]).ravel())
    size = canary.size
    ties = sum(float(np.sum(count**3 - count)) for count in (_repeats(canary), _repeats(baseline)))
    sigma = np.sqrt(size * size / 12 * (2 * size + 1 - ties / (2 * size * (2 * size - 1))))
    rank = size * size / 2 + ndtri(0.99) * sigma + 0.5
    upper = differences[min(int(np.ceil(rank)), size * size) - 1]
    estimate = differences[int(np.ceil(size * size / 2)) - 1]
    return bool(upper < -0.25 * abs(estimate) - 1e-12)


def _repeats(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_counts=True)[1]
