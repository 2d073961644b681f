"""Means and intervals after shares were adapted to the data.

When an arm that looks good gets more trials, its sample mean is biased and the usual interval too short.
Augmented inverse propensity weighting (AIPW) repairs both (Hadad, Hirshberg, Zhan, Wager & Athey,
Confidence intervals for policy evaluation in adaptive experiments, 2021). For a unit at tick t and arm k,

    score = m + 1{the unit was given k} (y - m) / e,

with e the share of k in that tick and m the arm's mean over *earlier* ticks; its expectation is the arm's
true mean whatever the shares. Only counts, sums and sums of squares per tick and arm are needed, shape
(..., ticks, arms). An arm that had no share in a tick is not estimated from that tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.determinism import Floats, floats
from releasectl.stats.interval import normal_quantile

Weighting = Literal["equal", "constant_allocation"]


@dataclass(frozen=True)
class AdaptiveMeans:
    """Per arm: mean, standard error and 1 - alpha interval; for contrasts likewise, arm minus the first."""

    mean: Floats
    se: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class _Scores:
    """Per tick and arm: units n, plug-in m, given trials, sum and square of y - m over them, share e."""

    units: Floats
    plug_in: Floats
    given: Floats
    gap: Floats
    square: Floats
    share: Floats


def aipw_means(
    *,
    trials: ArrayLike,
    totals: ArrayLike,
    squares: ArrayLike,
    shares: ArrayLike,
    alpha: float = 0.05,
    weighting: Weighting = "equal",
) -> AdaptiveMeans:
    """The mean of every arm, shape (..., arms).

    ``equal`` weights units alike: unbiased. ``constant_allocation`` weights a tick by the root of the arm's
    share, which keeps the variance of each tick alike and with it the normal limit when shares go to 0, at
    the price of a small bias (Hadad et al. 2021, section 2.3). For yes/no outcomes squares equal totals.
    NaN for an arm that never had a share.
    """
    s = _scores(trials, totals, squares, shares)
    h = _tick_weights(s, weighting)
    total_weight = _over_ticks(h * s.units)
    mean = _ratio(_over_ticks(h * (s.units * s.plug_in + _odds(s) * s.gap)), total_weight)
    off = s.plug_in - mean[..., None, :]
    spread = _square_sums(s, off)
    se = _ratio(np.sqrt(np.maximum(_over_ticks(h * h * spread), 0.0)), total_weight)
    return _with_interval(mean, se, alpha)


def aipw_contrasts(
    *, trials: ArrayLike, totals: ArrayLike, squares: ArrayLike, shares: ArrayLike, alpha: float = 0.05
) -> AdaptiveMeans:
    """Every other arm's mean minus the first arm's, shape (..., arms - 1), with equal weights.

    Both scores come from the same units, so their covariance is part of the standard error.
    """
    s = _scores(trials, totals, squares, shares)
    used = (s.share > 0) & (s.share[..., :1] > 0)
    w = np.where(used, 1.0, 0.0)
    size = _over_ticks(w * s.units)
    total = s.units * s.plug_in + _odds(s) * s.gap
    mean = _ratio(_over_ticks(w * (total - total[..., :1])), size)
    own, base = s.plug_in, s.plug_in[..., :1]
    off = own - base - mean[..., None, :]
    # The score of the difference is off + given_k gap/e_k - given_0 gap/e_0; no unit is given both.
    odds = _odds(s)
    squares_of = s.units * off * off + 2.0 * off * (odds * s.gap - (odds * s.gap)[..., :1])
    squares_of = squares_of + odds * odds * s.square + (odds * odds * s.square)[..., :1]
    se = _ratio(np.sqrt(np.maximum(_over_ticks(w * squares_of), 0.0)), size)
    return _with_interval(mean[..., 1:], se[..., 1:], alpha)


def _scores(trials: ArrayLike, totals: ArrayLike, squares: ArrayLike, shares: ArrayLike) -> _Scores:
    n, y, yy, e = np.broadcast_arrays(*(floats(v) for v in (trials, totals, squares, shares)))
    plug_in = _earlier_mean(n, y)
    gap = y - n * plug_in
    square = yy - 2.0 * plug_in * y + n * plug_in * plug_in
    units = np.broadcast_to(np.add.accumulate(n, axis=-1)[..., -1:], n.shape)
    return _Scores(floats(units), plug_in, n, floats(gap), floats(square), e)


def _earlier_mean(n: Floats, y: Floats) -> Floats:
    """The mean before each tick; 0 while the arm has no trials, which costs variance and no bias."""
    seen = np.add.accumulate(n, axis=-2) - n
    sums = np.add.accumulate(y, axis=-2) - y
    return floats(np.where(seen > 0, sums / np.where(seen > 0, seen, 1.0), 0.0))


def _odds(s: _Scores) -> Floats:
    return floats(np.where(s.share > 0, 1.0 / np.where(s.share > 0, s.share, 1.0), 0.0))


def _tick_weights(s: _Scores, weighting: Weighting) -> Floats:
    root = np.sqrt(s.share) if weighting == "constant_allocation" else np.ones_like(s.share)
    return floats(np.where(s.share > 0, root, 0.0))


def _square_sums(s: _Scores, off: Floats) -> Floats:
    """Sum over a tick's units of (score - mean)^2, where score - mean = off + given gap / e."""
    odds = _odds(s)
    return floats(s.units * off * off + 2.0 * off * odds * s.gap + odds * odds * s.square)


def _over_ticks(values: Floats) -> Floats:
    return floats(np.add.accumulate(values, axis=-2)[..., -1, :])


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return floats(np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan))


def _with_interval(mean: Floats, se: Floats, alpha: float) -> AdaptiveMeans:
    radius = normal_quantile(alpha / 2) * se
    return AdaptiveMeans(mean, se, floats(mean - radius), floats(mean + radius))
