"""Intervals after adaptive shares: the sample mean misleads, AIPW does not (Hadad et al. 2021)."""

import numpy as np
import pytest

from releasectl import stats

pytestmark = [pytest.mark.slow, pytest.mark.simulation]

RUNS, TICKS, TRIALS, RATE, FLOOR = 2000, 100, 200, 0.05, 0.02


def _adapted(seed: int) -> dict[str, np.ndarray]:
    """Two equal arms, shared by P(best) with a floor; counts of shape (runs, ticks, arms)."""
    rng = np.random.default_rng(seed)
    shares = np.full((RUNS, 2), 0.5)
    kept: dict[str, list[np.ndarray]] = {"trials": [], "totals": [], "shares": []}
    for _ in range(TICKS):
        n = rng.multinomial(TRIALS, shares)
        x = rng.binomial(n, RATE)
        for name, value in (("trials", n), ("totals", x), ("shares", shares)):
            kept[name].append(value)
        params = stats.beta_posterior(successes=np.sum(kept["totals"], axis=0), trials=np.sum(kept["trials"], axis=0))
        shares = FLOOR + (1 - 2 * FLOOR) * stats.prob_best(posterior="beta", params=params).p_best
    counts = {name: np.stack(values, axis=1) for name, values in kept.items()}
    return {**counts, "squares": counts["totals"]}


def test_aipw_is_unbiased_and_covers_where_the_sample_mean_does_not() -> None:
    counts = _adapted(20261124)
    found = stats.aipw_means(**counts)
    error = found.mean - RATE
    se = error.std(ddof=1) / np.sqrt(error.size / 2)  # the arms of a run are not independent
    assert abs(error.mean()) <= 3 * se
    covered = ((found.lower <= RATE) & (found.upper >= RATE)).mean()
    assert 0.925 <= covered <= 0.965
    naive = counts["totals"].sum(axis=1) / counts["trials"].sum(axis=1) - RATE
    assert naive.mean() < -4 * naive.std(ddof=1) / np.sqrt(RUNS)


def test_a_contrast_of_equal_arms_covers_zero() -> None:
    found = stats.aipw_contrasts(**_adapted(20261125))
    covered = ((found.lower <= 0) & (found.upper >= 0)).mean()
    assert 0.925 <= covered <= 0.97
