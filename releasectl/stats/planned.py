"""A few looks, planned: group sequential bounds.

At look k with information I_k the statistic Z_k has mean drift * sqrt(I_k), variance 1, and
cov(Z_j, Z_k) = sqrt(I_j / I_k) (Jennison & Turnbull 2000, chapter 3). Information is a fraction of what is
planned, so the last entry is usually 1. The chance of first crossing at each look follows by the recursion
of Armitage, McPherson & Rowe (1969), see ``looks``; bounds are found so that the error spent up to each
look is what was planned for it (Lan & DeMets 1983).

These bounds hold for the looks they were computed for and no others. Guardrails, which are looked at
whenever there is data, need the sequential rules instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, exp, floats, log, log1p
from releasectl.stats.interval import bisect
from releasectl.stats.looks import Crossing, Walk

_Z_SPAN = (-10.0, 38.0)  # beyond 38 the upper tail of the normal is no longer a number
_HWANG = re.compile(r"hsd\(?(?P<gamma>[-+]?\d+(?:\.\d+)?)?\)?")
_POWER = re.compile(r"(?:kd|power)\(?(?P<rho>\d+(?:\.\d+)?)\)?")


def spent(spending: str, *, info: ArrayLike, alpha: float, gamma: float | None = None) -> Floats:
    """The error spent by an information fraction, 0 at 0 and alpha from 1 on.

    ``ldof`` and ``ldpocock``: the O'Brien-Fleming and Pocock types of Lan & DeMets (1983). ``hsd-4``,
    ``hsd1`` and so on, or ``hsd`` with ``gamma``: Hwang, Shih & DeCani (1990). ``kd2``: alpha t^2, Kim &
    DeMets (1987).
    """
    t = np.clip(floats(info), 0.0, 1.0)
    if spending == "ldof":
        with np.errstate(divide="ignore"):
            return floats(2.0 * special.ndtr(special.ndtri(alpha / 2) / np.sqrt(t)))
    if spending in ("ldpocock", "ldpk"):
        return floats(alpha * log1p((math.e - 1.0) * t))
    found = _HWANG.fullmatch(spending)
    if found is not None:
        rate = float(found["gamma"]) if found["gamma"] else (-4.0 if gamma is None else gamma)
        return floats(alpha * (t if rate == 0 else special.expm1(-rate * t) / math.expm1(-rate)))
    found = _POWER.fullmatch(spending)
    if found is not None:
        return floats(alpha * exp(float(found["rho"]) * log(t)))
    raise ValueError(f"unknown spending function {spending!r}: use ldof, ldpocock, hsd<gamma> or kd<rho>")


def spending_bounds(
    *,
    spending: str,
    alpha_each_side: float,
    info: ArrayLike,
    two_sided: bool = False,
    gamma: float | None = None,
    grid: int | None = None,
) -> Floats:
    """Bounds for Z at each look that spend ``alpha_each_side`` as the spending function says.

    info: rising fractions, shape (looks,). Two-sided bounds are symmetric and spend it on each side; a
    one-sided trial stops at the upper bound only. A look with nothing to spend has the bound inf.
    ``grid`` integrates on Jennison & Turnbull's grid with that r, to compare with programs that do.
    """
    fractions = _rising(info)
    target = np.diff(spent(spending, info=fractions, alpha=alpha_each_side, gamma=gamma), prepend=0.0)
    walk, bounds = Walk.begin(fractions, drift=0.0, grid=grid), np.full(fractions.size, math.inf)
    for k in range(fractions.size):
        if target[k] > 0:
            bounds[k] = _bound(walk, float(target[k]))
        walk = walk.beyond(-bounds[k] if two_sided else -math.inf, bounds[k])
    return bounds


def crossing_chances(
    *,
    upper: ArrayLike,
    info: ArrayLike,
    lower: ArrayLike | None = None,
    drift: float = 0.0,
    grid: int | None = None,
) -> Crossing:
    """The chance that Z first leaves through each bound, look by look; E Z_k = drift sqrt(info_k).

    Bounds on the scale of Z, shape (looks,); without ``lower`` only the upper bound stops.
    """
    fractions = _rising(info)
    tops = np.broadcast_to(floats(upper), fractions.shape)
    bottoms = np.broadcast_to(-math.inf if lower is None else floats(lower), fractions.shape)
    walk = Walk.begin(fractions, drift=drift, grid=grid)
    up, down = np.zeros(fractions.size), np.zeros(fractions.size)
    for k in range(fractions.size):
        up[k], down[k] = walk.above(float(tops[k])), walk.below(float(bottoms[k]))
        walk = walk.beyond(float(bottoms[k]), float(tops[k]))
    return Crossing(upper=up, lower=down, info=fractions)


def type1_of_repeated_z(*, K: int, z: float = 1.96, two_sided: bool = True, info: ArrayLike | None = None) -> float:
    """The chance that any of K looks rejects a true null at the same z (Armitage et al. 1969).

    Looks are equally spaced unless ``info`` says otherwise. The z of 1.96 means the exact 97.5 % point.
    """
    level = float(special.ndtri(0.975)) if z == 1.96 else z
    fractions = _equal(K) if info is None else info
    found = crossing_chances(upper=level, info=fractions, lower=-level if two_sided else None)
    return math.fsum([*found.upper.tolist(), *found.lower.tolist()])


def pocock_constant(*, K: int, alpha_two_sided: float = 0.05, two_sided: bool = True, grid: int | None = None) -> float:
    """The z that, used at each of K equally spaced looks, has this error in all (Pocock 1977)."""
    return _constant(np.ones(K), alpha_two_sided, two_sided=two_sided, grid=grid)


def obrien_fleming_bounds(
    *, K: int, alpha_two_sided: float = 0.05, two_sided: bool = True, grid: int | None = None
) -> Floats:
    """Bounds c sqrt(K / k) with this error in all over K equally spaced looks (O'Brien & Fleming 1979)."""
    shape = np.sqrt(K / np.arange(1.0, K + 1.0))
    return floats(_constant(shape, alpha_two_sided, two_sided=two_sided, grid=grid) * shape)


def _constant(shape: Floats, alpha: float, *, two_sided: bool, grid: int | None) -> float:
    info = _equal(shape.size)

    def excess(c: float) -> float:
        bounds = c * shape
        found = crossing_chances(upper=bounds, info=info, lower=-bounds if two_sided else None, grid=grid)
        return math.fsum([*found.upper.tolist(), *found.lower.tolist()]) - alpha

    return _falling_root(excess, 0.0, 12.0)


def _falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function is zero: the Illinois variant of regula falsi (Dowell & Jarratt 1971)."""
    at_low, at_high = function(low), function(high)
    for _ in range(100):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = function(middle)
        if value == 0 or high - low < 1e-13 * max(1.0, abs(middle)) or abs(value) < 1e-15:
            return float(middle)
        if value > 0:
            low, at_low, at_high = middle, value, at_high / 2
        else:
            high, at_high, at_low = middle, value, at_low / 2
    return float(middle)


def _bound(walk: Walk, target: float) -> float:
    return float(bisect(lambda z: floats(walk.above(float(z)) - target), *_Z_SPAN, steps=60))


def _equal(looks: int) -> Floats:
    return np.arange(1.0, looks + 1.0) / looks


def _rising(info: ArrayLike) -> Floats:
    fractions = np.atleast_1d(floats(info))
    if fractions.ndim != 1 or fractions.size == 0 or fractions[0] <= 0 or np.any(np.diff(fractions) <= 0):
        raise ValueError("information fractions must be positive and rise from look to look")
    return fractions
