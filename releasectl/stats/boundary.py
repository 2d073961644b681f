"""The boundary c t^shape for a Brownian motion on (0, 1], calibrated for looks at any times.

Wang & Tsiatis (Approximately optimal one-parameter boundaries for group sequential trials, 1987): shape 0
is O'Brien & Fleming's, shape 1/2 Pocock's; between them lies most of what can be had at once in early
stopping and in power. The crossing probability is found by Armitage's recursion over a density on Gauss
nodes; Siegmund's shift of 0.5826 standard deviations of a step (Sequential Analysis, 1985) turns the
discrete looks of the recursion into continuous ones, and two step sizes are extrapolated. So the answer
bounds every schedule of looks that begins at ``first``.
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


@lru_cache(maxsize=256)
def power_boundary(*, alpha: float, shape: float, first: float) -> float:
    """The c for which Brownian motion exceeds c t^shape anywhere in [first, 1] with chance alpha.

    ``first`` in (0, 1) is the earliest look as a fraction of the information at the end. Six decimals, so
    that it is the same number everywhere.
    """
    if not (0 < alpha < 0.5 and 0 <= shape <= 0.5 and 0 < first < 1):
        raise ValueError("need 0 < alpha < 1/2, 0 <= shape <= 1/2 and 0 < first < 1")
    goal = math.log(alpha)
    a = float(-special.ndtri(alpha))
    b = a + 0.5
    f_a, f_b = (math.log(crossing_probability(c=c, shape=shape, first=first)) for c in (a, b))
    for _ in range(20):
        step = (goal - f_b) * (b - a) / (f_b - f_a)
        a, f_a, b = b, f_b, b + step
        if abs(step) < 1e-8:
            break
        f_b = math.log(crossing_probability(c=b, shape=shape, first=first))
    return round(b, _DIGITS)


@lru_cache(maxsize=1024)
def crossing_probability(*, c: float, shape: float, first: float) -> float:
    """Chance that Brownian motion exceeds c t^shape anywhere in [first, 1]; relative error below 0.5 %."""
    coarse = _recursion(c, shape, first, steps=24, nodes=40)
    fine = _recursion(c, shape, first, steps=48, nodes=60)
    return min(1.0, max(2.0 * fine - coarse, 1e-300))


def _recursion(c: float, shape: float, first: float, *, steps: int, nodes: int) -> float:
    """Chance of crossing at looks that are even in the root of time, with Siegmund's shift of the boundary."""
    unit, weight = np.polynomial.legendre.leggauss(nodes)
    start = math.sqrt(first)
    crossed = float(special.ndtr(-c * first**shape / start))
    at, width = _grid(unit, weight, start, c * first**shape)
    density = width * exp(-0.5 * at * at / first) / (math.sqrt(2.0 * math.pi) * start)
    before = first
    for k in range(1, steps + 1):
        root = start + (1.0 - start) * k / steps
        deviation = math.sqrt(root * root - before)
        before = root * root
        top = c * before**shape - _SHIFT * deviation
        crossed += float(np.sum(density * special.ndtr((at - top) / deviation)))
        to, width = _grid(unit, weight, root, top)
        gap = (to[:, None] - at[None, :]) / deviation
        kernel = exp(-0.5 * gap * gap) / (math.sqrt(2.0 * math.pi) * deviation)
        density, at = width * np.sum(kernel * density, axis=1), to
    return crossed


def _grid(unit: Floats, weight: Floats, root: float, top: float) -> tuple[Floats, Floats]:
    """Nodes and weights from far below to the boundary, or to where hardly anything is left."""
    low, high = -_FAR * root, min(top, _FAR * root)
    half = 0.5 * (high - low)
    return low + half * (unit + 1.0), half * weight
