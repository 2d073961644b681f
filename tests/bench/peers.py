"""The rules of other controllers and of textbooks, written anew for comparison.

Nothing here is their code: each function states in our own words what the tool or the
paper does, so that the same counts can be put to every rule. All take `Counts` and
return, for every run, the first tick (1-based) at which the rule would roll back, or 0.
"""

from functools import cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from tests.bench.worlds import Counts

Ticks = NDArray[np.int64]


def first_true(fired: NDArray[np.bool_]) -> Ticks:
    """The 1-based tick of the first True in every row; 0 for none."""
    return np.where(fired.any(axis=-1), fired.argmax(axis=-1) + 1, 0)


def _nth_true(fired: NDArray[np.bool_], n: int) -> Ticks:
    return first_true(np.cumsum(fired, axis=-1) >= n)


# --- Thresholds on one tick -------------------------------------------------------------


def argo_rollouts(counts: Counts, *, at_least: float = 0.95, failure_limit: int = 3) -> Ticks:
    """Argo Rollouts: a fixed success condition; the analysis fails when failures exceed the limit.

    Failures are counted over the whole run, consecutive or not.
    """
    return _nth_true(counts.x_c < at_least * counts.n_c, failure_limit + 1)


def flagger(counts: Counts, *, at_least: float = 0.99, threshold: int = 10) -> Ticks:
    """Flagger: a fixed minimum; rolls back when the number of failed checks reaches the threshold."""
    return _nth_true(counts.x_c < at_least * counts.n_c, threshold)


def below_baseline(counts: Counts, *, by: float, failure_limit: int = 3) -> Ticks:
    """A counting rule whose minimum is the baseline's rate in the same tick less a tolerance."""
    return _nth_true(counts.x_c * counts.n_b < (1 - by) * counts.x_b * counts.n_c, failure_limit + 1)


# --- Textbook tests ---------------------------------------------------------------------


def pooled_z(counts: Counts) -> NDArray[np.float64]:
    """The two-proportion z of the running totals, positive when the canary is worse."""
    x_b, n_b, x_c, n_c = (np.cumsum(a, axis=-1) for a in (counts.x_b, counts.n_b, counts.x_c, counts.n_c))
    p = (x_b + x_c) / (n_b + n_c)
    se = np.sqrt(p * (1 - p) * (1 / n_b + 1 / n_c))
    return np.divide(x_b / n_b - x_c / n_c, se, out=np.zeros_like(se), where=se > 0)


def stratified_sums(counts: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Running score and variance of the Cochran-Mantel-Haenszel test, ticks as strata."""
    n = counts.n_b + counts.n_c
    weight = counts.n_b * counts.n_c / n
    p = (counts.x_b + counts.x_c) / n
    score = weight * (counts.x_b / counts.n_b - counts.x_c / counts.n_c)
    return np.cumsum(score, axis=-1), np.cumsum(weight * p * (1 - p) * n / (n - 1), axis=-1)


def stratified_z(counts: Counts) -> NDArray[np.float64]:
    """The Cochran-Mantel-Haenszel z after every tick."""
    s, v = stratified_sums(counts)
    return np.divide(s, np.sqrt(v), out=np.zeros_like(s), where=v > 0)


def z_peeked(counts: Counts, *, alpha: float = 0.05) -> Ticks:
    """The z test of running totals at full alpha, looked at after every tick."""
    return first_true(pooled_z(counts) >= ndtri(1 - alpha))


def z_once(counts: Counts, *, alpha: float = 0.05) -> Ticks:
    """The same test, looked at once, after the last tick."""
    z = pooled_z(counts)
    return np.where(z[:, -1] >= ndtri(1 - alpha), z.shape[-1], 0)


def pooled_normal_mixture(counts: Counts, *, alpha: float = 0.05, t_opt: int = 100, first: int = 5) -> Ticks:
    """An always-valid normal mixture, put on running totals: valid one by one, not under drift and a ramp."""
    x_b, n_b, x_c, n_c = (np.cumsum(a, axis=-1) for a in (counts.x_b, counts.n_b, counts.x_c, counts.n_c))
    weight = n_b * n_c / (n_b + n_c)
    p = (x_b + x_c) / (n_b + n_c)
    s, v = weight * (x_b / n_b - x_c / n_c), weight * p * (1 - p)
    level = np.log(1 / (2 * alpha))
    rho = v[:, -1:] * t_opt / v.shape[-1] / (2 * level + np.log1p(2 * level))
    spread = v + rho
    log_e = 0.5 * np.log(4 * rho / spread) + s * s / (2 * spread) + np.log(ndtr(s / np.sqrt(spread)) + 1e-300)
    return first_true((log_e >= np.log(1 / alpha)) & (np.arange(v.shape[-1]) + 1 >= first))


def obrien_fleming(counts: Counts, *, alpha: float = 0.05, looks: int = 20) -> Ticks:
    """O'Brien & Fleming 1979, one-sided, equally spaced looks at the stratified z."""
    ticks = counts.n_b.shape[-1]
    at = (np.arange(1, looks + 1) * ticks) // looks - 1
    bounds = obrien_fleming_constant(looks, alpha) * np.sqrt(looks / np.arange(1, looks + 1))
    return _at_looks(stratified_z(counts)[:, at] >= bounds, at)


def constant_z(counts: Counts, *, alpha: float = 0.05) -> Ticks:
    """Pocock's constant boundary (1977) for exactly as many looks as there are ticks."""
    z = stratified_z(counts)
    return first_true(z >= constant_boundary(z.shape[-1], alpha))


def _at_looks(fired: NDArray[np.bool_], at: NDArray[np.int64]) -> Ticks:
    look = first_true(fired)
    return np.where(look > 0, at[np.maximum(look - 1, 0)] + 1, 0)


def crossing_probability(bounds: NDArray[np.float64], grid: int = 401) -> float:
    """P(some Z_k >= bounds_k) for the partial sums of K equal normal increments, by recursive integration.

    Armitage, McPherson & Rowe 1969: the density of the sum, cut at each bound and carried
    to the next look by the increment's density, here on a uniform grid with Simpson weights.
    """
    looks = len(bounds)
    spans = np.minimum(bounds, 8.0) * np.sqrt(np.arange(1, looks + 1))
    density: NDArray[np.float64] | None = None
    points = weights = np.empty(0)
    crossed = 0.0
    for k in range(looks):
        low = -8.0 * sqrt(k + 1)
        fresh = np.linspace(low, spans[k], grid)
        h = (spans[k] - low) / (grid - 1)
        simpson = np.full(grid, 2.0)
        simpson[1::2], simpson[0], simpson[-1] = 4.0, 1.0, 1.0
        if density is None:
            crossed += 1 - float(ndtr(spans[k]))
            density = np.exp(-0.5 * fresh * fresh) / sqrt(2 * np.pi)
        else:
            mass = density * weights
            crossed += float(mass @ (1 - ndtr(spans[k] - points)))
            density = np.exp(-0.5 * (fresh[:, None] - points) ** 2) @ mass / sqrt(2 * np.pi)
        points, weights = fresh, simpson * h / 3
    return crossed


@cache
def obrien_fleming_constant(looks: int, alpha: float) -> float:
    """C such that Z_k >= C sqrt(K/k) at some look has probability alpha."""
    shape = np.sqrt(looks / np.arange(1, looks + 1))
    return float(brentq(lambda c: crossing_probability(c * shape) - alpha, 1.2, 3.5, xtol=1e-5))


@cache
def constant_boundary(looks: int, alpha: float) -> float:
    """Z such that Z_k >= Z at some look has probability alpha."""
    return float(brentq(lambda c: crossing_probability(np.full(looks, c)) - alpha, 1.5, 4.0, xtol=1e-5))


# --- Kayenta ----------------------------------------------------------------------------


def kayenta(
    counts: Counts,
    *,
    confidence: float = 0.98,
    tolerance: float = 0.25,
    first: int = 10,
    only_last: bool = False,
    bins_per_unit: int = 3600,
) -> Ticks:
    """Kayenta's Mann-Whitney judge on the series of per-tick rates; rolls back when it says Low.

    The judge takes the confidence interval of the Hodges-Lehmann shift between the two
    series (normal approximation with tie and continuity correction, as in R) and says Low
    when the upper limit is below minus `tolerance` times the size of the estimate. Limits
    and estimate are order statistics of all pairwise differences, kept here in a histogram
    that grows by one row and one column a tick; ties between the arms at the limit itself
    are not corrected for, ties within an arm are.
    """
    runs, ticks = counts.x_b.shape
    baseline = np.rint(counts.x_b / counts.n_b * bins_per_unit).astype(np.int64)
    canary = np.rint(counts.x_c / counts.n_c * bins_per_unit).astype(np.int64)
    shift = int(baseline.max() - canary.min())
    width = shift + int(canary.max() - baseline.min()) + 1
    differences = np.zeros((runs, width))
    rows = np.arange(runs)[:, None]
    ties = np.zeros(runs)
    quantile = ndtri(1 - (1 - confidence) / 2)
    fired = np.zeros((runs, ticks), dtype=bool)
    for t in range(ticks):
        new = np.concatenate((canary[:, t : t + 1] - baseline[:, : t + 1], canary[:, :t] - baseline[:, t : t + 1]), 1)
        cells = (rows * width + new + shift).ravel()
        differences += np.bincount(cells, minlength=runs * width).reshape(runs, width)
        for series in (baseline, canary):
            equal = (series[:, :t] == series[:, t : t + 1]).sum(axis=1)
            ties += 3.0 * equal * (equal + 1)
        size = t + 1
        if size < first or (only_last and size < ticks):
            continue
        sigma = np.sqrt(size * size / 12 * (2 * size + 1 - ties / (2 * size * (2 * size - 1))))
        below = np.cumsum(differences, axis=1)
        upper = _order_statistic(below, size * size / 2 + quantile * sigma + 0.5) - shift
        estimate = _order_statistic(below, np.full(runs, size * size / 2)) - shift
        fired[:, t] = upper < -tolerance * np.abs(estimate)
    return first_true(fired)


def _order_statistic(below: NDArray[np.float64], rank: NDArray[np.float64]) -> NDArray[np.int64]:
    """The cell in which the cumulative count reaches the rank, row by row."""
    return (below < rank[:, None]).sum(axis=1)
