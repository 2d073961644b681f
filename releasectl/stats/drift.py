"""Distances between two distributions, and the tests that go with them.

For alerts and holds: inputs that moved are a reason to look, not a proof of harm. Histograms are counts
per bucket on the last axis, in the same buckets for both; samples are one-dimensional.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, floats, log
from releasectl.stats.ks import outside_chance


@dataclass(frozen=True)
class Homogeneity:
    """Pearson's chi-square, its degrees of freedom and p-value."""

    stat: float
    df: int
    p_value: float


@dataclass(frozen=True)
class KolmogorovSmirnov:
    """The largest gap between two empirical distribution functions, and its p-value."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class CorrelationShift:
    """Spearman matrices of both samples, z of each difference, its p-value, and the largest difference."""

    rho_x: Floats
    rho_y: Floats
    z: Floats
    p_value: Floats
    max_abs_difference: float


def psi(*, expected: ArrayLike, actual: ArrayLike, floor_share: float = 1e-4) -> Floats:
    """Population stability index: sum of (a - e) ln(a / e) over shares (Jeffreys' divergence, 1946).

    A bucket empty on one side only would make it infinite; its share there counts as ``floor_share``
    (as is usual in credit scoring, Siddiqi 2006). NaN when a histogram is empty.
    """
    e, a = _shares(expected), _shares(actual)
    e, a = np.broadcast_arrays(e, a)
    used = (e != 0) | (a != 0)  # NaN, of an empty histogram, stays
    e, a = np.where(used, np.where(e == 0, floor_share, e), 1.0), np.where(used, np.where(a == 0, floor_share, a), 1.0)
    return floats(_total((a - e) * log(a / e)))


def jensen_shannon_distance(*, p: ArrayLike, q: ArrayLike, base: float = 2.0) -> Floats:
    """Square root of the Jensen-Shannon divergence (Lin 1991; a metric: Endres & Schindelin 2003).

    In [0, 1] for base 2. Empty buckets need no smoothing. NaN when a histogram is empty.
    """
    left, right = np.broadcast_arrays(_shares(p), _shares(q))
    middle = 0.5 * (left + right)
    divergence = 0.5 * _total(special.rel_entr(left, middle) + special.rel_entr(right, middle))
    return floats(np.sqrt(np.maximum(divergence, 0.0) / math.log(base)))


def chi2_homogeneity(*, table: ArrayLike) -> Homogeneity:
    """Whether rows of counts come from one distribution (Pearson 1900), without continuity correction.

    Empty rows and columns are left out. With fewer than two rows or columns left: 0 degrees of freedom, p 1.
    """
    counts = floats(table)
    if counts.ndim != 2:
        raise ValueError("a table has rows (samples) and columns (buckets)")
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    rows, columns = counts.shape
    df = max(rows - 1, 0) * max(columns - 1, 0)
    if df == 0:
        return Homogeneity(0.0, 0, 1.0)
    expected = counts.sum(axis=1)[:, None] * counts.sum(axis=0)[None, :] / counts.sum()
    stat = math.fsum(((counts - expected) ** 2 / expected).ravel().tolist())
    return Homogeneity(stat, df, float(special.chdtrc(df, stat)))


def ks_2samp(*, x: ArrayLike, y: ArrayLike) -> KolmogorovSmirnov:
    """Two-sided two-sample Kolmogorov-Smirnov test, exact up to 10,000 values a sample.

    The exact p-value counts lattice paths (Hodges 1958) and holds without ties; larger samples use
    Kolmogorov's limit. NaN when a sample is empty.
    """
    a, b = np.sort(floats(x).ravel()), np.sort(floats(y).ravel())
    n, m = a.size, b.size
    if n == 0 or m == 0:
        return KolmogorovSmirnov(math.nan, math.nan)
    every = np.concatenate([a, b])
    gap = np.abs(np.searchsorted(a, every, "right") * m - np.searchsorted(b, every, "right") * n).max()
    distance = int(gap) / (n * m)
    if max(n, m) <= 10_000:
        return KolmogorovSmirnov(distance, outside_chance(n, m, int(gap)))
    return KolmogorovSmirnov(distance, float(special.kolmogorov(distance * math.sqrt(n * m / (n + m)))))


def wasserstein_distance(
    *, x: ArrayLike, y: ArrayLike, x_weights: ArrayLike | None = None, y_weights: ArrayLike | None = None
) -> float:
    """Area between two empirical distribution functions, in the unit of the values (Vallender 1974).

    Weights are counts or masses per value. NaN when a sample has no mass.
    """
    a, mass_a = _ordered(x, x_weights)
    b, mass_b = _ordered(y, y_weights)
    if a.size == 0 or b.size == 0 or mass_a[-1] <= 0 or mass_b[-1] <= 0:
        return math.nan
    every = np.sort(np.concatenate([a, b]))
    below_a = mass_a[np.searchsorted(a, every[:-1], "right")] / mass_a[-1]
    below_b = mass_b[np.searchsorted(b, every[:-1], "right")] / mass_b[-1]
    return math.fsum((np.abs(below_a - below_b) * np.diff(every)).tolist())


def spearman_matrix(sample: ArrayLike) -> Floats:
    """Rank correlations between columns; rows are units. NaN for a column without spread."""
    values = floats(sample)
    ranks = np.stack([_ranks(values[:, j]) for j in range(values.shape[1])], axis=1)
    gaps = ranks - (values.shape[0] + 1) / 2.0
    products = _total(np.swapaxes(gaps[:, :, None] * gaps[:, None, :], 0, 2))
    spread = np.sqrt(np.diagonal(products))
    with np.errstate(invalid="ignore", divide="ignore"):
        return floats(np.clip(products / (spread[:, None] * spread[None, :]), -1.0, 1.0))


def spearman_difference(*, x: ArrayLike, y: ArrayLike) -> CorrelationShift:
    """Whether rank correlations between columns moved, each pair by Fisher's z.

    Fisher's z of a Spearman correlation has variance 1.06 / (n - 3) (Fieller, Hartley & Pearson 1957).
    p-values are per pair; correct them for the number of pairs. NaN with fewer than four units.
    """
    a, b = floats(x), floats(y)
    if a.shape[1] != b.shape[1]:
        raise ValueError("both samples have the same columns")
    rho_x, rho_y = spearman_matrix(a), spearman_matrix(b)
    n, m = a.shape[0], b.shape[0]
    variance = 1.06 / (n - 3) + 1.06 / (m - 3) if min(n, m) > 3 else math.nan
    edge = 1.0 - 1e-12
    gap = _atanh(np.clip(rho_x, -edge, edge)) - _atanh(np.clip(rho_y, -edge, edge))
    z = gap / math.sqrt(variance)
    off = ~np.eye(a.shape[1], dtype=bool)
    moved = np.abs(rho_x - rho_y)[off]
    largest = float(np.nanmax(moved)) if moved.size and not np.all(np.isnan(moved)) else math.nan
    return CorrelationShift(rho_x, rho_y, floats(z), floats(2.0 * special.ndtr(-np.abs(z))), largest)


def _shares(counts: ArrayLike) -> Floats:
    values = floats(counts)
    if np.any(values < 0):
        raise ValueError("counts cannot be negative")
    total = _total(values)[..., None]
    return floats(np.where(total > 0, values / np.where(total > 0, total, 1.0), math.nan))


def _total(values: Floats) -> Floats:
    """The sum over the last axis, in the order of the index."""
    return floats(np.add.accumulate(values, axis=-1)[..., -1])


def _ordered(values: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    """Sorted values, and the mass of the first k of them for k = 0..n."""
    sample = floats(values).ravel()
    mass = np.ones_like(sample) if weights is None else floats(weights).ravel()
    order = np.argsort(sample, kind="stable")
    return sample[order], np.concatenate([[0.0], np.add.accumulate(mass[order])])


def _ranks(values: Floats) -> Floats:
    ordered = np.sort(values)
    return floats(0.5 * (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") + 1))


def _atanh(values: Floats) -> Floats:
    return floats(0.5 * (special.log1p(values) - special.log1p(-values)))
