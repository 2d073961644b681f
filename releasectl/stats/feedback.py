"""Feedback that fades, that comes late, and exploration that must not cost too much.

Ticks are on the last axis unless a docstring says otherwise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.determinism import Floats, floats


def discounted(*, counts: ArrayLike, factor: float, start: ArrayLike = 0.0) -> Floats:
    """Running sums in which each tick multiplies the past by ``factor`` (Garivier & Moulines 2011).

    Memory is 1 / (1 - factor) ticks; 1 forgets nothing. ``start`` is the sum carried in, so a fold over
    parts of the ticks gives the same bits as over all of them.
    """
    if not 0.0 < factor <= 1.0:
        raise ValueError("the discount factor is above 0 and at most 1")
    values = floats(counts)
    sums = np.empty_like(values)
    total = np.broadcast_to(floats(start), values.shape[:-1])
    for tick in range(values.shape[-1]):
        total = factor * total + values[..., tick]
        sums[..., tick] = total
    return sums


def delay_distribution(*, delays: ArrayLike, horizon: int) -> Floats:
    """F(d) for d = 0..horizon: the share of eventual feedback that has come d ticks after exposure.

    From delays, in ticks, of *matured* exposures pooled over arms: every exposure is at least ``horizon``
    old, and feedback later than that does not count, for any arm. Freeze it before it is used. Without
    any delays it is unknown: NaN.
    """
    observed = floats(delays).ravel()
    observed = np.sort(observed[observed <= horizon])
    if observed.size == 0:
        return np.full(horizon + 1, math.nan)
    return floats(np.searchsorted(observed, np.arange(horizon + 1), "right") / observed.size)


def expected_exposure(*, trials: ArrayLike, arrived: ArrayLike) -> Floats:
    """Trials that should have reported by now: n_eff(t) = sum_s n_s F(t - s) (Vernade, Cappe & Perchet 2017).

    trials: shape (..., ticks); arrived: F(0), F(1), ..., constant at its last value afterwards. Feedback
    that is missing is thereby not counted as failure (Chapelle 2014). Valid when arms share one delay.
    """
    n, curve = floats(trials), floats(arrived)
    effective = np.zeros_like(n)
    for s in range(n.shape[-1]):
        ages = np.minimum(np.arange(n.shape[-1] - s), curve.size - 1)
        effective[..., s:] += n[..., s : s + 1] * curve[ages]
    return effective


def matured(*, trials: ArrayLike, age: int) -> Floats:
    """Trials in cohorts at least ``age`` ticks old after each tick: for when arms differ in delay."""
    n = floats(trials)
    if age < 0:
        raise ValueError("an age cannot be negative")
    shifted = np.zeros_like(n)
    if age < n.shape[-1]:
        shifted[..., age:] = n[..., : n.shape[-1] - age]
    return floats(np.add.accumulate(shifted, axis=-1))


def exploration_share(*, baseline_mean: ArrayLike, lower_bounds: ArrayLike, tolerance: float) -> Floats:
    """The largest even share for each exploring arm that risks at most ``tolerance`` of the baseline's mean.

    Conservative exploration (Wu, Shariff, Lattimore & Szepesvari 2016) as a share: with w for every arm,
    sum_i w (mu_b - L_i) <= tolerance mu_b, where L_i is the arm's lower confidence limit. lower_bounds:
    (..., arms) without the baseline; the answer has shape (...) and is at most 1 / arms. Arms whose limit
    is above the baseline cost nothing. Metrics are better when higher, and not negative.
    """
    limits = floats(lower_bounds)
    mean = floats(baseline_mean)
    shortfall = np.maximum(mean[..., None] - limits, 0.0)
    risk = np.add.accumulate(shortfall, axis=-1)[..., -1]
    most = 1.0 / limits.shape[-1]
    share = tolerance * mean / np.where(risk > 0, risk, 1.0)
    return floats(np.where(risk > 0, np.clip(share, 0.0, most), most))
