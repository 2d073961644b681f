"""Poisson rates at one fixed look.

Counts with exposures in any common unit (trials, seconds). The exact test conditions on the total, which
leaves a binomial with no unknown rate (Przyborowski & Wilenski 1940).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, exp, floats
from releasectl.stats.interval import Interval, alternative_of, normal_p_value, normal_quantile

_SAME_CHANCE = 1.0 + 1e-7  # outcomes this close in chance count as equally likely, as in R's binom.test


@dataclass(frozen=True)
class RateTest:
    """The statistic (the first count, or z) and its p-value."""

    statistic: Floats
    p_value: Floats


def poisson_rate_ratio_exact_cond(
    *,
    count1: ArrayLike,
    exposure1: ArrayLike,
    count2: ArrayLike,
    exposure2: ArrayLike,
    ratio_null: ArrayLike = 1.0,
    alternative: str = "two-sided",
) -> RateTest:
    """Exact conditional test that rate1 / rate2 is ``ratio_null``; two-sided adds all outcomes no likelier.

    p is 1 when there are no events. Exposures must be positive.
    """
    y1, e1, y2, e2, ratio = np.broadcast_arrays(
        *(floats(v) for v in (count1, exposure1, count2, exposure2, ratio_null))
    )
    n, share = y1 + y2, ratio * e1 / (ratio * e1 + e2)
    kind = alternative_of(alternative)
    if kind == "larger":
        return RateTest(y1, _at_least(y1, n, share))
    if kind == "smaller":
        return RateTest(y1, _at_most(y1, n, share))
    flat = zip(np.atleast_1d(y1).flat, np.atleast_1d(n).flat, np.atleast_1d(share).flat, strict=True)
    p = np.array([_two_sided(float(x), float(m), float(s)) for x, m, s in flat])
    return RateTest(y1, floats(p.reshape(np.shape(y1))))


def poisson_ratio_score_test(
    *,
    count1: ArrayLike,
    exposure1: ArrayLike,
    count2: ArrayLike,
    exposure2: ArrayLike,
    ratio_null: ArrayLike = 1.0,
    alternative: str = "two-sided",
) -> RateTest:
    """Score test of the same hypothesis (Gu, Ng, Tang & Schucany 2008, W2). NaN without events."""
    y1, y2 = floats(count1), floats(count2)
    d = floats(ratio_null) * floats(exposure1) / floats(exposure2)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (y1 - y2 * d) / np.sqrt((y1 + y2) * d)
    return RateTest(floats(z), normal_p_value(z, alternative))


def poisson_ratio_ci_score(
    *, count1: ArrayLike, exposure1: ArrayLike, count2: ArrayLike, exposure2: ArrayLike, alpha: float = 0.05
) -> Interval:
    """Two-sided 1 - alpha interval for rate1 / rate2 by inverting the score test, in closed form.

    [0, inf] without events; the upper end is inf when only the second count is 0.
    """
    y1, e1, y2, e2 = np.broadcast_arrays(*(floats(v) for v in (count1, exposure1, count2, exposure2)))
    total = y1 + y2
    spread = normal_quantile(alpha / 2) ** 2 * total
    middle = 2.0 * y1 * y2 + spread
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(spread * (spread + 4.0 * y1 * y2))
        lower = 2.0 * y1 * y1 / (middle + root)
        upper = (middle + root) / (2.0 * y2 * y2)
    scale = e2 / e1
    return Interval(floats(np.where(total > 0, lower, 0.0) * scale), floats(np.where(y2 > 0, upper, np.inf) * scale))


def _at_least(x: ArrayLike, n: ArrayLike, p: ArrayLike) -> Floats:
    """P(X >= x) for X binomial(n, p)."""
    k, m = floats(x), floats(n)
    tail = special.betainc(np.maximum(k, 1.0), np.maximum(m - k + 1.0, 1.0), floats(p))
    return floats(np.where(k <= 0, 1.0, np.where(k > m, 0.0, tail)))


def _at_most(x: ArrayLike, n: ArrayLike, p: ArrayLike) -> Floats:
    """P(X <= x) for X binomial(n, p)."""
    k, m = floats(x), floats(n)
    tail = special.betaincc(np.maximum(k + 1.0, 1.0), np.maximum(m - k, 1.0), floats(p))
    return floats(np.where(k >= m, 1.0, np.where(k < 0, 0.0, tail)))


def _two_sided(x: float, n: float, p: float) -> float:
    """Adds every outcome no likelier than x; the binomial is unimodal, so they are two tails."""
    if n == 0 or x == p * n:
        return 1.0
    limit = float(_chance(np.array([x]), n, p)[0]) * _SAME_CHANCE
    if x < p * n:
        others = np.arange(np.ceil(p * n), n + 1.0)
        first = others[_chance(others, n, p) <= limit]
        far = float(_at_least(first[0], n, p)) if first.size else 0.0
        return min(1.0, float(_at_most(x, n, p)) + far)
    others = np.arange(0.0, np.floor(p * n) + 1.0)
    last = others[_chance(others, n, p) <= limit]
    far = float(_at_most(last[-1], n, p)) if last.size else 0.0
    return min(1.0, float(_at_least(x, n, p)) + far)


def _chance(k: Floats, n: float, p: float) -> Floats:
    choose = special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
    return exp(choose + special.xlogy(k, p) + special.xlog1py(n - k, -p))
