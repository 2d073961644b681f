"""Planned looks keep their error and have their power; a stopping time agrees with its simulation."""

import numpy as np
import pytest

from releasectl import stats

pytestmark = [pytest.mark.slow, pytest.mark.simulation]

RUNS = 40_000


def _walks(info: np.ndarray, drift: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = np.diff(info, prepend=0.0)
    sums = np.cumsum(drift * steps + np.sqrt(steps) * rng.standard_normal((RUNS, info.size)), axis=1)
    return sums / np.sqrt(info)


@pytest.mark.parametrize("spending", ["ldof", "ldpocock", "hsd-4"])
@pytest.mark.parametrize("drift", [0.0, 2.5])
def test_chances_of_crossing_are_as_computed(spending: str, drift: float) -> None:
    info = np.array([0.1, 0.25, 0.45, 0.8, 1.0])
    bounds = stats.spending_bounds(spending=spending, alpha_each_side=0.05, info=info)
    computed = stats.crossing_chances(upper=bounds, info=info, drift=drift)
    crossed = (_walks(info, drift, 3) >= bounds).any(axis=1).mean()
    assert abs(crossed - computed.total) <= 4 * np.sqrt(computed.total * (1 - computed.total) / RUNS)


def test_mean_information_is_as_computed() -> None:
    info = np.arange(1, 6) / 5
    bounds = stats.obrien_fleming_bounds(K=5)
    z = np.abs(_walks(info, 3.0, 4)) >= bounds
    ended = np.where(z.any(axis=1), info[z.argmax(axis=1)], 1.0)
    computed = stats.planned_power(upper=bounds, info=info, lower=-bounds, drift=3.0)
    assert abs(ended.mean() - computed.expected_info) <= 4 * ended.std() / np.sqrt(RUNS)


def test_a_sequential_rule_is_timed_with_an_honest_error() -> None:
    ask = {"drift": 0.25, "variance": 1.0, "ticks": 400, "v_opt": 60.0, "runs": 2000}
    found = [stats.mixture_stopping_time(**ask, seed=seed) for seed in range(8)]
    means = np.array([one.mean for one in found])
    assert means.std(ddof=1) < 2.5 * found[0].mean_se
    assert abs(found[0].mean - means.mean()) < 4 * found[0].mean_se


def test_exploring_conservatively_keeps_the_reward() -> None:
    share = float(stats.exploration_share(baseline_mean=0.1, lower_bounds=[0.05, 0.08], tolerance=0.05))
    rng = np.random.default_rng(8)
    trials = rng.multinomial(100_000, [1 - 2 * share, share, share])
    reward = rng.binomial(trials, [0.1, 0.05, 0.08]).sum()
    assert reward >= 0.95 * 0.1 * 100_000 - 4 * np.sqrt(0.1 * 0.9 * 100_000)
