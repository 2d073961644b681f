"""Ratio metrics and variance reduction at the unit of randomisation.

A metric such as clicks per view has units (users) that bring several views each. Its variance must be
taken between units; taken between views it is too small, and tests that use it reject too often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.determinism import Floats, floats


@dataclass(frozen=True)
class Ratio:
    """A ratio of means and its standard error."""

    ratio: Floats
    se: Floats


@dataclass(frozen=True)
class RelativeLift:
    """candidate / baseline - 1 and its standard error."""

    lift: Floats
    se: Floats


@dataclass(frozen=True)
class Cuped:
    """The coefficient, the share of variance that is left, and the adjusted values."""

    theta: float
    var_ratio: float
    one_minus_r2: float
    adjusted: Floats


def delta_ratio(*, num: ArrayLike, den: ArrayLike) -> Ratio:
    """Sum of ``num`` over sum of ``den``, units on the last axis (Deng, Knoblich & Lu 2018, delta method).

    The variance is (s_y^2 - 2 R s_xy + R^2 s_x^2) / (n mean_x^2). NaN with fewer than two units or a zero
    denominator.
    """
    y, x = np.broadcast_arrays(floats(num), floats(den))
    n = y.shape[-1]
    if n == 0:
        nothing = np.full(y.shape[:-1], math.nan)
        return Ratio(nothing, nothing)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.sum(y, axis=-1) / np.sum(x, axis=-1)
        rest = y - ratio[..., None] * x  # has mean 0, so its variance is the whole numerator
        square = np.sum(rest * rest, axis=-1) / np.float64(n - 1 if n > 1 else math.nan)
        se = np.sqrt(square / n) / np.abs(np.sum(x, axis=-1) / n)
    return Ratio(floats(ratio), floats(se))


def relative_lift(*, mean_b: ArrayLike, var_b: ArrayLike, mean_c: ArrayLike, var_c: ArrayLike) -> RelativeLift:
    """c / b - 1 from two independent means and the variances *of the means* (delta method).

    NaN at a baseline of 0.
    """
    b, vb, c, vc = np.broadcast_arrays(*(floats(v) for v in (mean_b, var_b, mean_c, var_c)))
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = vc / (b * b) + vb * (c * c) / (b * b * b * b)
        lift = (c - b) / b
    known = b != 0
    return RelativeLift(floats(np.where(known, lift, math.nan)), floats(np.where(known, np.sqrt(variance), math.nan)))


def cuped(*, y: ArrayLike, x: ArrayLike) -> Cuped:
    """Remove what a covariate from *before* the trial explains (Deng, Xu, Kohavi & Walker 2013).

    y - theta (x - mean x) with theta = cov(y, x) / var(x); its variance falls by the factor 1 - corr^2.
    Freeze theta before the trial; theta fitted to the trial itself is only for reports. Without spread in
    x, or with fewer than two units, theta is 0 and nothing changes.
    """
    values, before = floats(y).ravel(), floats(x).ravel()
    n = values.size
    if n != before.size:
        raise ValueError("one covariate value for each unit")
    if n < 2:
        return Cuped(0.0, 1.0, 1.0, values)
    gap_y, gap_x = values - _mean(values), before - _mean(before)
    s_xx, s_xy, s_yy = _dot(gap_x, gap_x), _dot(gap_x, gap_y), _dot(gap_y, gap_y)
    theta = s_xy / s_xx if s_xx > 0 else 0.0
    adjusted = values - theta * gap_x
    rest = adjusted - _mean(adjusted)
    if s_yy == 0:
        return Cuped(theta, 1.0, 1.0, adjusted)
    r2 = s_xy * s_xy / (s_xx * s_yy) if s_xx > 0 else 0.0
    return Cuped(theta, _dot(rest, rest) / s_yy, 1.0 - r2, adjusted)


def _mean(values: Floats) -> float:
    return math.fsum(values.tolist()) / values.size


def _dot(a: Floats, b: Floats) -> float:
    return math.fsum((a * b).tolist())
