"""The boundary c t^shape for a Brownian motion on (0, 1], calibrated for a number of looks or for any.

Wang & Tsiatis (Approximately optimal one-parameter boundaries for group sequential trials, 1987): shape 0
is O'Brien & Fleming's, shape 1/2 Pocock's; between them lies most of what can be had at once in early
stopping and in power. The crossing probability is found by Armitage's recursion over a density on Gauss
nodes. Siegmund's shift of 0.5826 standard deviations of a step (Sequential Analysis, 1985) turns the few
looks of the recursion into as many as are asked for, or into continuous ones; two step sizes are
extrapolated.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import special

from releasectl.stats.determinism import Floats, exp

_FAR = 6.0
_SHIFT = 0.5826
_DIGITS = 6
_FEW = 64


@lru_cache(maxsize=256)
def power_boundary(*, alpha: float, shape: float, first: float, looks: int | None = None) -> float:
    """The c for which Brownian motion is seen above c t^shape in [first, 1] with chance alpha.

    ``first`` in (0, 1) is the earliest look as a fraction of the information at the end, ``looks`` how many
    even steps of information there are (None: looked at without pause, which bounds every schedule). Six
    decimals, so that it is the same number everywhere.
    """
    if not (0 < alpha < 0.5 and 0 <= shape <= 0.5 and 0 < first < 1):
        raise ValueError("need 0 < alpha < 1/2, 0 <= shape <= 1/2 and 0 < first < 1")
    goal = math.log(alpha)
    a = float(-special.ndtri(alpha))
    b = a + 0.5
    f_a, f_b = (math.log(crossing_probability(c=c, shape=shape, first=first, looks=looks)) for c in (a, b))
    for _ in range(20):
        step = (goal - f_b) * (b - a) / (f_b - f_a)
        a, f_a, b = b, f_b, b + step
        if abs(step) < 1e-8:
            break
        f_b = math.log(crossing_probability(c=b, shape=shape, first=first, looks=looks))
    return round(b, _DIGITS)


@lru_cache(maxsize=1024)
def crossing_probability(*, c: float, shape: float, first: float, looks: int | None = None) -> float:
    """Chance that Brownian motion is seen above c t^shape in [first, 1]; relative error below 1 %.

    Arguments as of ``power_boundary``.
    """
    if looks is not None and looks <= _FEW:
        times = [k / looks for k in range(1, looks + 1) if k / looks > first]
        chance = _recursion(c, shape, (first, *times), lift=None, nodes=80)
    else:
        lift = _SHIFT / math.sqrt(looks) if looks else 0.0
        coarse = _recursion(c, shape, _even_roots(first, 24), lift=lift, nodes=40)
        fine = _recursion(c, shape, _even_roots(first, 48), lift=lift, nodes=60)
        chance = 2.0 * fine - coarse
    return min(1.0, max(chance, 1e-300))


def _even_roots(first: float, steps: int) -> tuple[float, ...]:
    """Times from first to 1 that are even in the root of time."""
    start = math.sqrt(first)
    return tuple((start + (1.0 - start) * k / steps) ** 2 for k in range(steps + 1))


def _recursion(c: float, shape: float, times: tuple[float, ...], *, lift: float | None, nodes: int) -> float:
    """Chance of crossing at these times; with a ``lift``, also between them but for looks not taken.

    The boundary is lowered by Siegmund's shift for the looks between two times, and raised by ``lift`` for
    those that are not taken.
    """
    unit, weight = np.polynomial.legendre.leggauss(nodes)
    now = times[0]
    crossed = float(special.ndtr(-c * now ** (shape - 0.5)))
    at, width = _grid(unit, weight, math.sqrt(now), c * now**shape)
    density = width * exp(-0.5 * at * at / now) / math.sqrt(2.0 * math.pi * now)
    for time in times[1:]:
        deviation = math.sqrt(time - now)
        now = time
        top = c * now**shape
        if lift is not None:
            top += min(lift - _SHIFT * deviation, 0.0)
        crossed += float(np.sum(density * special.ndtr((at - top) / deviation)))
        to, width = _grid(unit, weight, math.sqrt(now), top)
        gap = (to[:, None] - at[None, :]) / deviation
        kernel = exp(-0.5 * gap * gap) / (math.sqrt(2.0 * math.pi) * deviation)
        density, at = width * np.sum(kernel * density, axis=1), to
    return crossed


def _grid(unit: Floats, weight: Floats, root: float, top: float) -> tuple[Floats, Floats]:
    """Nodes and weights from far below to the boundary, or to where hardly anything is left."""
    low, high = -_FAR * root, min(top, _FAR * root)
    half = 0.5 * (high - low)
    return low + half * (unit + 1.0), half * weight
