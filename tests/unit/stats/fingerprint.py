"""Print a digest of every number that shares, bounds, intervals and assignments are made from.

Run as a program, so that a test can run it under other settings of the processor.
"""

import hashlib
import sys
from collections.abc import Iterator

import numpy as np

from releasectl import stats


def answers() -> Iterator[object]:
    """Answers to a thousand random questions from a fixed seed; inputs use no transcendental function."""
    rng = np.random.default_rng(20261124)
    trials = rng.integers(1, 100_000, size=(250, 3))
    wins = rng.integers(0, trials + 1)
    best = stats.prob_best(posterior="beta", params=stats.beta_posterior(successes=wins, trials=trials))
    yield from (best.p_best, best.e_max, best.expected_loss, stats.top_two_shares(best.p_best))
    means = rng.random((250, 4))
    yield stats.prob_best_normal(mean=means, sd=rng.random((250, 4)) + 0.01).p_best
    yield [stats.allocate(p_best=p.tolist(), floors=200, caps=9000).basis_points for p in best.p_best]
    yield stats.kl_ucb(successes=wins, n=trials, t=10**6)
    yield stats.glr_pair(s1=wins[:, 0], n1=trials[:, 0], s2=wins[:, 1], n2=trials[:, 1])
    arms = {"count1": wins[:, 0], "nobs1": trials[:, 0], "count2": wins[:, 1], "nobs2": trials[:, 1]}
    for compare in ("diff", "ratio", "odds-ratio"):
        found = stats.confint_proportions_2indep(**arms, compare=compare, method="score")
        yield from (found.lower, found.upper)
    yield stats.noninferiority_score_test(**arms, margin=0.02).p_value
    yield stats.proportion_confint(count=wins, nobs=trials, method="beta").lower
    yield stats.psi(expected=trials, actual=wins + 1)
    yield stats.jensen_shannon_distance(p=trials, q=wins + 1)
    x, y = rng.random((20, 50)), rng.random((20, 60))
    yield stats.welch(x=x, y=y).p_value
    yield [stats.ks_2samp(x=a, y=b).p_value for a, b in zip(x, y, strict=True)]
    yield [stats.mannwhitneyu(x=a, y=b).p_value for a, b in zip(x, y, strict=True)]
    yield stats.spearman_difference(x=x.T, y=y.T).z
    for name in ("ldof", "ldpocock", "hsd-4", "kd2"):
        yield stats.spending_bounds(spending=name, alpha_each_side=0.025, info=[0.2, 0.5, 0.7, 1.0], two_sided=True)
    yield stats.obrien_fleming_bounds(K=5)
    shares = np.stack([x[:, :3], x[:, 3:6]], axis=1) + 0.05
    counts = {
        "trials": trials[:20, None, :] // 2,
        "totals": wins[:20, None, :] // 2,
        "squares": wins[:20, None, :] // 2,
    }
    yield stats.aipw_means(**{k: np.repeat(v, 2, axis=1) for k, v in counts.items()}, shares=shares).upper
    yield [stats.place(key=b"k", salt="s", unit=str(i)) for i in range(100)]


def digest() -> str:
    """SHA-256 over the bytes of every answer."""
    sums = hashlib.sha256()
    for answer in answers():
        sums.update(np.ascontiguousarray(np.asarray(answer, dtype=np.float64)).tobytes())
    return sums.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(digest())
