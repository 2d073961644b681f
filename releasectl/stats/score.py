"""The score statistic for two proportions, and intervals by inverting it.

Miettinen & Nurminen (Comparative analysis of two rates, 1985): the variance is that of the null, with
both proportions estimated under the constraint that they differ by exactly the value tested. It keeps
its size where counts are small or zero, where Wald statistics fail.

statsmodels (0.14, 0.15) has the second arm's events where the likelihood's cubic for a difference has its
trials, so its constrained estimate is not the maximum; z is off by 0.1 % at a margin of 0.01 and by more
at wider ones. ``cubic="statsmodels"`` repeats that, to compare with numbers that come from there.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.determinism import Floats, exp, floats
from releasectl.stats.interval import Interval, bisect, normal_quantile

Comparison = Literal["diff", "ratio", "odds-ratio"]
Cubic = Literal["exact", "statsmodels"]

_LOG_SPAN = 60.0  # ratios are searched between e^-60 and e^60
_TINY = 1e-300


def score_z(
    c1: Floats,
    n1: Floats,
    c2: Floats,
    n2: Floats,
    value: ArrayLike,
    *,
    compare: Comparison,
    correction: bool = True,
    cubic: Cubic = "exact",
) -> Floats:
    """Signed root of the score statistic at a value of the comparison, elementwise.

    Positive where the data lie above the value. ``correction`` multiplies the variance by N/(N-1). NaN
    without trials in an arm; 0 where data and value agree exactly.
    """
    v = floats(value)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if compare == "diff":
            p2 = _constrained_second(c1, n1, c2, n2, v, of_square=n2 if cubic == "exact" else c2)
            gap, variance = _difference_score(c1, n1, c2, n2, v, p2=p2)
        elif compare == "ratio":
            gap, variance = _ratio_score(c1, n1, c2, n2, v)
        else:
            gap, variance = _odds_score(c1, n1, c2, n2, v)
        total = n1 + n2
        if correction:
            variance = variance * total / (total - 1.0)
        z = gap / np.sqrt(variance)
    return floats(np.where((variance <= 0) & (gap == 0), 0.0, z))


def score_interval(
    c1: Floats,
    n1: Floats,
    c2: Floats,
    n2: Floats,
    *,
    compare: Comparison,
    alpha: float,
    correction: bool,
    cubic: Cubic = "exact",
) -> Interval:
    """All values that the two-sided score test at alpha accepts."""
    crit = normal_quantile(alpha / 2)

    def at(position: Floats) -> Floats:
        value = position if compare == "diff" else exp(position)
        return score_z(c1, n1, c2, n2, value, compare=compare, correction=correction, cubic=cubic)

    span = 1.0 if compare == "diff" else _LOG_SPAN
    low = bisect(lambda v: at(v) - crit, -span, np.full(np.shape(c1), span))
    high = bisect(lambda v: at(v) + crit, -span, np.full(np.shape(c1), span))
    if compare == "diff":
        return Interval(low, high)
    no_least, no_most = c1 == 0, c2 == 0
    if compare == "odds-ratio":
        no_least, no_most = no_least | (c2 == n2), no_most | (c1 == n1)
    return Interval(floats(np.where(no_least, 0.0, exp(low))), floats(np.where(no_most, math.inf, exp(high))))


def _difference_score(
    c1: Floats, n1: Floats, c2: Floats, n2: Floats, delta: Floats, *, p2: Floats
) -> tuple[Floats, Floats]:
    p1 = np.clip(p2 + delta, 0.0, 1.0)
    variance = p1 * (1.0 - p1) / n1 + p2 * (1.0 - p2) / n2
    return floats(c1 / n1 - c2 / n2 - delta), floats(np.maximum(variance, _TINY))


def _constrained_second(c1: Floats, n1: Floats, c2: Floats, n2: Floats, delta: Floats, *, of_square: Floats) -> Floats:
    """The root of the likelihood cubic (Miettinen & Nurminen 1985, appendix): p2 given p1 = p2 + delta.

    ``of_square`` stands before delta^2 in the linear coefficient; the likelihood has n2 there.
    """
    total, wins = n1 + n2, c1 + c2
    b = ((n1 + 2.0 * n2) * delta - total - wins) / (3.0 * total)
    c = ((of_square * delta - total - 2.0 * c2) * delta + wins) / (3.0 * total)
    d = c2 * delta * (1.0 - delta) / (2.0 * total)
    q = b * b * b - 1.5 * b * c + d
    p = np.where(q < 0, -1.0, 1.0) * np.sqrt(np.maximum(b * b - c, 0.0))
    cubed = p * p * p
    turn = np.clip(np.where(cubed == 0, 0.0, q / np.where(cubed == 0, 1.0, cubed)), -1.0, 1.0)
    angle = (math.pi + floats(_ARCCOS(turn))) / 3.0
    root = 2.0 * p * floats(_COS(angle)) - b
    return floats(np.clip(root, np.maximum(0.0, -delta), np.minimum(1.0, 1.0 - delta)))


def _ratio_score(c1: Floats, n1: Floats, c2: Floats, n2: Floats, ratio: Floats) -> tuple[Floats, Floats]:
    a = (n1 + n2) * ratio
    b = n1 * ratio + c1 + n2 + c2 * ratio
    p2 = _smaller_root(a, b, c1 + c2)
    p1 = np.minimum(p2 * ratio, 1.0)
    variance = p1 * (1.0 - p1) / n1 + ratio * ratio * p2 * (1.0 - p2) / n2
    return floats(c1 / n1 - ratio * c2 / n2), floats(np.maximum(variance, _TINY))


def _smaller_root(a: Floats, b: Floats, c: Floats) -> Floats:
    """Of a x^2 - b x + c, written so that nothing cancels."""
    return floats(2.0 * c / (b + np.sqrt(np.maximum(b * b - 4.0 * a * c, 0.0))))


def _odds_score(c1: Floats, n1: Floats, c2: Floats, n2: Floats, odds: Floats) -> tuple[Floats, Floats]:
    """Gap and information of the fitted table, which has this odds ratio and the observed margins.

    The smallest fitted cell is solved for, so no cell is the difference of two large numbers: s solves
    a s^2 + b s = (its row) (its column) min(odds, 1/odds), with both a and b not negative.
    """
    wins, losses = c1 + c2, n1 + n2 - c1 - c2
    small = np.minimum(odds, 1.0 / odds)
    low, few, short = odds <= 1.0, wins <= n2, wins <= n1
    row = np.where(low, np.where(few, n1, n2), np.where(short, n2, n1))
    column = np.where(low, np.where(few, wins, losses), np.where(short, wins, losses))
    other = n1 + n2 - row - column  # what the opposite cell has more than s; not negative
    b = other + small * (row + column)
    s = 2.0 * small * row * column / (b + np.sqrt(b * b + 4.0 * (1.0 - small) * small * row * column))
    upper_left = np.where(low, np.where(few, s, wins - n2 + s), np.where(short, wins - s, n1 - s))
    reciprocals = 1.0 / s + 1.0 / (row - s) + 1.0 / (column - s) + 1.0 / (other + s)
    return floats(c1 - upper_left), floats(np.maximum(1.0 / reciprocals, _TINY))


_ARCCOS = np.frompyfunc(math.acos, 1, 1)
_COS = np.frompyfunc(math.cos, 1, 1)
