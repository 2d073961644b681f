"""AIPW from counts per tick equals AIPW from single trials."""

import math

import numpy as np
import pytest

from releasectl import stats

UNITS, TICKS, ARMS = 60, 5, 3


def _log(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([3.0] * ARMS, size=TICKS)
    arm = np.stack([rng.choice(ARMS, UNITS, p=share) for share in shares])
    return shares, arm, rng.normal(1.0 + arm, 1.0)


def _counts(shares: np.ndarray, arm: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    given = arm[:, :, None] == np.arange(ARMS)
    return {
        "trials": given.sum(axis=1),
        "totals": (given * y[:, :, None]).sum(axis=1),
        "squares": (given * y[:, :, None] ** 2).sum(axis=1),
        "shares": shares,
    }


def _scores(shares: np.ndarray, arm: np.ndarray, y: np.ndarray) -> np.ndarray:
    """One score for each unit and arm, from the definition."""
    scores = np.empty((TICKS, UNITS, ARMS))
    for t in range(TICKS):
        for k in range(ARMS):
            past = y[:t][arm[:t] == k]
            m = past.mean() if past.size else 0.0
            scores[t, :, k] = m + (arm[t] == k) * (y[t] - m) / shares[t, k]
    return scores


@pytest.mark.parametrize("seed", range(4))
def test_equal_weights_are_the_mean_of_all_scores(seed: int) -> None:
    shares, arm, y = _log(seed)
    scores = _scores(shares, arm, y).reshape(-1, ARMS)
    found = stats.aipw_means(**_counts(shares, arm, y))
    assert found.mean == pytest.approx(scores.mean(axis=0))
    assert found.se == pytest.approx(scores.std(axis=0) / math.sqrt(len(scores)))
    assert (found.upper - found.mean) / found.se == pytest.approx(1.959963984540054)


@pytest.mark.parametrize("seed", range(4))
def test_constant_allocation_weights_by_the_root_of_the_share(seed: int) -> None:
    shares, arm, y = _log(seed)
    h = np.repeat(np.sqrt(shares)[:, None, :], UNITS, axis=1)
    scores = _scores(shares, arm, y)
    mean = (h * scores).sum(axis=(0, 1)) / h.sum(axis=(0, 1))
    se = np.sqrt((h**2 * (scores - mean) ** 2).sum(axis=(0, 1))) / h.sum(axis=(0, 1))
    found = stats.aipw_means(**_counts(shares, arm, y), weighting="constant_allocation")
    assert found.mean == pytest.approx(mean)
    assert found.se == pytest.approx(se)


def test_a_contrast_knows_that_both_scores_come_from_the_same_units() -> None:
    shares, arm, y = _log(9)
    scores = _scores(shares, arm, y).reshape(-1, ARMS)
    gaps = scores[:, 1:] - scores[:, :1]
    found = stats.aipw_contrasts(**_counts(shares, arm, y))
    assert found.mean == pytest.approx(gaps.mean(axis=0))
    assert found.se == pytest.approx(gaps.std(axis=0) / math.sqrt(len(gaps)))


def test_an_arm_that_never_had_a_share_has_no_mean() -> None:
    shares = [[1.0, 0.0], [1.0, 0.0]]
    counts = {"trials": [[10, 0], [10, 0]], "totals": [[4, 0], [6, 0]], "squares": [[4, 0], [6, 0]]}
    found = stats.aipw_means(**counts, shares=shares)
    assert found.mean[0] == pytest.approx(0.5)
    assert math.isnan(found.mean[1])
    assert math.isnan(found.se[1])


def test_leading_axes_are_comparisons() -> None:
    logs = [_counts(*_log(seed)) for seed in range(3)]
    together = stats.aipw_means(**{key: np.stack([log[key] for log in logs]) for key in logs[0]})
    assert together.mean.shape == (3, ARMS)
    assert together.mean[1].tolist() == stats.aipw_means(**logs[1]).mean.tolist()
