"""Two samples at one fixed look: means, ranks and pairs.

For reports and for evaluation suites whose size is set beforehand. Samples are on the last axis. Fewer
values than a test needs give NaN, which is no evidence, rather than 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, floats
from releasectl.stats.interval import alternative_of, normal_p_value


@dataclass(frozen=True)
class Welch:
    """Welch's t, its degrees of freedom, the p-value, and the difference of means with its standard error."""

    t: Floats
    df: Floats
    p_value: Floats
    diff: Floats
    se: Floats


@dataclass(frozen=True)
class RankTest:
    """Mann-Whitney's U of the first sample, z, the p-value, and U/(n m): the chance that the first is larger."""

    statistic: float
    z: float
    p_value: float
    superiority: float


@dataclass(frozen=True)
class PairTest:
    """The statistic (exact: the smaller discordant count; otherwise chi-square) and its p-value."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class Bootstrap:
    """The estimate, its percentile interval and standard error, and how it was drawn."""

    estimate: float
    lower: float
    upper: float
    se: float
    draws: int
    seed: int


def welch(*, x: ArrayLike, y: ArrayLike, alternative: str = "two-sided") -> Welch:
    """Compare means with unequal variances (Welch 1947); x - y, samples on the last axis.

    NaN with fewer than two values in a sample, or without any spread.
    """
    a, b = floats(x), floats(y)
    (n, mean_a, square_a), (m, mean_b, square_b) = _moments(a), _moments(b)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = square_a + square_b
        df = variance**2 / (square_a**2 / (n - 1) + square_b**2 / (m - 1))
        t = (mean_a - mean_b) / np.sqrt(variance)
    kind = alternative_of(alternative)
    tail = special.stdtr(df, -np.abs(t) if kind == "two-sided" else (-t if kind == "larger" else t))
    p = 2.0 * tail if kind == "two-sided" else tail
    return Welch(floats(t), floats(df), floats(p), floats(mean_a - mean_b), floats(np.sqrt(variance)))


def mannwhitneyu(*, x: ArrayLike, y: ArrayLike, alternative: str = "two-sided", continuity: bool = True) -> RankTest:
    """Mann & Whitney (1947) by the normal approximation with ties; U counts pairs with x above y.

    ``continuity`` moves U half a step towards its mean. NaN when a sample is empty or all values are equal.
    """
    a, b = floats(x).ravel(), floats(y).ravel()
    n, m = a.size, b.size
    if n == 0 or m == 0:
        return RankTest(math.nan, math.nan, math.nan, math.nan)
    ordered = np.sort(np.concatenate([a, b]))
    ranks = 0.5 * (np.searchsorted(ordered, a, "left") + np.searchsorted(ordered, a, "right") + 1)
    u = math.fsum(ranks.tolist()) - n * (n + 1) / 2
    z = _rank_z(u, n, m, _ties(ordered), alternative_of(alternative), continuity=continuity)
    two_sided = alternative_of(alternative) == "two-sided"
    p = float(normal_p_value(z, "larger")) * (2.0 if two_sided else 1.0)
    return RankTest(u, z, min(p, 1.0), u / (n * m))


def mcnemar(*, table: ArrayLike, exact: bool = True, correction: bool = True) -> PairTest:
    """Paired yes/no answers (McNemar 1947): only the discordant cells [0, 1] and [1, 0] count.

    Exact: two-sided sign test. Otherwise chi-square with one degree of freedom, with Edwards' correction
    when ``correction``. p is 1 when nothing is discordant.
    """
    cells = floats(table)
    if cells.shape != (2, 2):
        raise ValueError("a paired table has two rows and two columns")
    b, c = float(cells[0, 1]), float(cells[1, 0])
    total = b + c
    if exact:
        low = min(b, c)
        tail = float(special.bdtr(low, int(total), 0.5)) if total else 1.0
        return PairTest(low, 1.0 if b == c else min(1.0, 2.0 * tail))
    if total == 0:
        return PairTest(0.0, 1.0)
    statistic = max(abs(b - c) - (1.0 if correction else 0.0), 0.0) ** 2 / total
    return PairTest(statistic, float(special.chdtrc(1.0, statistic)))


def paired_bootstrap(
    *,
    x: ArrayLike,
    y: ArrayLike,
    seed: int,
    draws: int = 10_000,
    alpha: float = 0.05,
    statistic: Callable[[Floats], Floats] | None = None,
) -> Bootstrap:
    """Percentile interval for a statistic of the paired differences x - y (Efron & Tibshirani 1993).

    ``statistic`` reduces the last axis, the mean by default. Pairs are drawn with replacement by PCG64
    from ``seed``, so equal inputs give equal intervals. NaN without pairs.
    """
    gaps = floats(x).ravel() - floats(y).ravel()
    if gaps.size == 0:
        return Bootstrap(math.nan, math.nan, math.nan, math.nan, draws, seed)
    reduce = statistic or _mean
    rng = np.random.Generator(np.random.PCG64(seed))
    block = max(1, 2_000_000 // gaps.size)
    sizes = [min(block, draws - start) for start in range(0, draws, block)]
    found = np.sort(
        np.concatenate([floats(reduce(gaps[rng.integers(0, gaps.size, (size, gaps.size))])) for size in sizes])
    )
    lower, upper = _quantile(found, alpha / 2), _quantile(found, 1 - alpha / 2)
    centre = math.fsum(found.tolist()) / draws
    se = math.sqrt(math.fsum(((found - centre) ** 2).tolist()) / max(draws - 1, 1))
    return Bootstrap(float(reduce(gaps)), lower, upper, se, draws, seed)


def _moments(values: Floats) -> tuple[int, Floats, Floats]:
    """Size, mean, and variance of the mean, over the last axis."""
    n = values.shape[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = floats(np.sum(values, axis=-1)) / np.float64(n)
        gaps = values - mean[..., None]
        square = floats(np.sum(gaps * gaps, axis=-1)) / np.float64(n - 1 if n > 1 else math.nan) / n
    return n, floats(mean), floats(square)


def _mean(values: Floats) -> Floats:
    return floats(np.sum(values, axis=-1) / values.shape[-1])


def _quantile(ordered: Floats, q: float) -> float:
    """Linear between order statistics (Hyndman & Fan 1996, type 7)."""
    position = q * (ordered.size - 1)
    low = math.floor(position)
    high = min(low + 1, ordered.size - 1)
    return float(ordered[low] + (position - low) * (ordered[high] - ordered[low]))


def _ties(ordered: Floats) -> float:
    """Sum of t^3 - t over groups of t equal values."""
    _, sizes = np.unique(ordered, return_counts=True)
    return float(sum(int(t) ** 3 - int(t) for t in sizes))


def _rank_z(u: float, n: int, m: int, ties: float, kind: str, *, continuity: bool) -> float:
    total = n + m
    variance = n * m / 12.0 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return math.nan
    gap = u - n * m / 2.0
    gap = abs(gap) if kind == "two-sided" else (gap if kind == "larger" else -gap)
    return (gap - (0.5 if continuity else 0.0)) / math.sqrt(variance)
