"""Proportions at one fixed look: intervals and the score test.

For reports and for suites whose size is set beforehand. Looked at repeatedly, every one of these is
wrong: a 5 % test peeked at 200 times rejects about a third of all true nulls. Counts and trials are
numbers or arrays that broadcast. Without trials an interval is all that is possible, and a test is NaN.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, exp, floats, log
from releasectl.stats.interval import Interval, normal_p_value, normal_quantile
from releasectl.stats.score import Comparison, Cubic, score_interval, score_z

ProportionMethod = Literal["wilson", "beta", "agresti_coull", "jeffreys", "normal"]

Counts = tuple[Floats, Floats, Floats, Floats]  # events and trials of the first arm, then of the second

_NULL = re.compile(r"\s*p1\s*-\s*p2\s*(?P<sign><=|>=)\s*(?P<minus>-?)\s*margin\s*")


@dataclass(frozen=True)
class ScoreTest:
    """The statistic, standard normal on the boundary of the null, and its p-value."""

    z: Floats
    p_value: Floats


def proportion_confint(
    *, count: ArrayLike, nobs: ArrayLike, alpha: float = 0.05, method: ProportionMethod = "wilson"
) -> Interval:
    """Two-sided 1 - alpha interval for one proportion.

    wilson (Wilson 1927); agresti_coull (Agresti & Coull 1998); beta, the exact interval of Clopper &
    Pearson (1934); jeffreys (Brown, Cai & DasGupta 2001); normal, the textbook's, for comparison only.
    nobs = 0 gives [0, 1].
    """
    x, n = np.broadcast_arrays(floats(count), floats(nobs))
    safe = np.where(n > 0, n, 1.0)
    if method in ("beta", "jeffreys"):
        lower, upper = _beta_interval(x, safe, alpha, exact=method == "beta")
    elif method in ("wilson", "agresti_coull", "normal"):
        centre, radius = _normal_interval(x, safe, alpha, method)
        lower, upper = np.clip(centre - radius, 0.0, 1.0), np.clip(centre + radius, 0.0, 1.0)
    else:
        raise ValueError(f"unknown method {method!r}")
    if method == "wilson":  # exact at the ends, where rounding leaves 1e-18
        lower, upper = np.where(x == 0, 0.0, lower), np.where(x == safe, 1.0, upper)
    return Interval(floats(np.where(n > 0, lower, 0.0)), floats(np.where(n > 0, upper, 1.0)))


def confint_proportions_2indep(
    *,
    count1: ArrayLike,
    nobs1: ArrayLike,
    count2: ArrayLike,
    nobs2: ArrayLike,
    compare: Comparison = "diff",
    method: str | None = None,
    alpha: float = 0.05,
    correction: bool = True,
    cubic: Cubic = "exact",
) -> Interval:
    """Two-sided 1 - alpha interval comparing two independent proportions.

    compare: ``diff`` p1 - p2, ``ratio`` p1 / p2, ``odds-ratio``. Methods for diff: newcomb (Newcombe 1998,
    the default), score (Miettinen & Nurminen 1985), wald, agresti-caffo. For ratio: score (default), log,
    log-adjusted. For odds-ratio: score (default), logit, logit-adjusted. ``correction`` is the N/(N-1) of
    Miettinen & Nurminen; ``cubic`` is for comparisons with statsmodels, see ``score``. An arm without trials
    gives the widest interval there is.
    """
    c1, n1, c2, n2 = np.broadcast_arrays(*(floats(v) for v in (count1, nobs1, count2, nobs2)))
    empty = (n1 <= 0) | (n2 <= 0)
    m1, m2 = np.where(n1 > 0, n1, 1.0), np.where(n2 > 0, n2, 1.0)
    chosen = method or ("newcomb" if compare == "diff" else "score")
    if chosen == "score":
        found = score_interval(c1, m1, c2, m2, compare=compare, alpha=alpha, correction=correction, cubic=cubic)
    elif compare == "diff":
        found = _difference((c1, m1, c2, m2), chosen, alpha)
    else:
        found = _log_ratio((c1, m1, c2, m2), compare, chosen, alpha)
    least, most = (-1.0, 1.0) if compare == "diff" else (0.0, math.inf)
    return Interval(floats(np.where(empty, least, found.lower)), floats(np.where(empty, most, found.upper)))


def noninferiority_score_test(
    *,
    count1: ArrayLike,
    nobs1: ArrayLike,
    count2: ArrayLike,
    nobs2: ArrayLike,
    margin: ArrayLike,
    h0: str = "p1-p2>=margin",
    correction: bool = True,
    cubic: Cubic = "exact",
) -> ScoreTest:
    """Score test of a difference against a margin (Farrington & Manning 1990; Miettinen & Nurminen 1985).

    ``h0`` is the null in words: ``p1-p2>=margin`` (a small p-value shows p1 - p2 below the margin),
    ``p1-p2<=margin``, or either with ``-margin``. NaN without trials in an arm.
    """
    found = _NULL.fullmatch(h0)
    if found is None:
        raise ValueError(f"h0 must read p1-p2>=margin or p1-p2<=margin, not {h0!r}")
    value = -floats(margin) if found["minus"] else floats(margin)
    z = score_z(
        floats(count1),
        floats(nobs1),
        floats(count2),
        floats(nobs2),
        value,
        compare="diff",
        correction=correction,
        cubic=cubic,
    )
    return ScoreTest(z, normal_p_value(z, "smaller" if found["sign"] == ">=" else "larger"))


def _beta_interval(x: Floats, n: Floats, alpha: float, *, exact: bool) -> tuple[Floats, Floats]:
    more, less = (0.0, 1.0) if exact else (0.5, 0.5)
    lower = special.betaincinv(np.maximum(x + more, 1e-300), n - x + less, alpha / 2)
    upper = special.betainccinv(x + less, np.maximum(n - x + more, 1e-300), alpha / 2)
    if not exact:
        return floats(lower), floats(upper)
    return floats(np.where(x == 0, 0.0, lower)), floats(np.where(x == n, 1.0, upper))


def _normal_interval(x: Floats, n: Floats, alpha: float, method: str) -> tuple[Floats, Floats]:
    z = normal_quantile(alpha / 2)
    p = x / n
    if method == "wilson":
        scale = 1.0 + z * z / n
        radius = z * np.sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n)) / scale
        return floats((p + z * z / (2.0 * n)) / scale), floats(radius)
    if method == "agresti_coull":
        n = n + z * z
        p = (x + z * z / 2.0) / n
    return floats(p), floats(z * np.sqrt(p * (1.0 - p) / n))


def _difference(counts: Counts, method: str, alpha: float) -> Interval:
    c1, n1, c2, n2 = counts
    if method.startswith("newcomb"):
        first = proportion_confint(count=c1, nobs=n1, alpha=alpha)
        second = proportion_confint(count=c2, nobs=n2, alpha=alpha)
        p1, p2 = c1 / n1, c2 / n2
        below = np.sqrt((p1 - first.lower) ** 2 + (second.upper - p2) ** 2)
        above = np.sqrt((p2 - second.lower) ** 2 + (first.upper - p1) ** 2)
        return Interval(floats(p1 - p2 - below), floats(p1 - p2 + above))
    if method not in ("wald", "agresti-caffo"):
        raise ValueError(f"unknown method {method!r} for diff")
    extra = 1.0 if method == "agresti-caffo" else 0.0
    m1, m2 = n1 + 2 * extra, n2 + 2 * extra
    p1, p2 = (c1 + extra) / m1, (c2 + extra) / m2
    radius = normal_quantile(alpha / 2) * np.sqrt(p1 * (1 - p1) / m1 + p2 * (1 - p2) / m2)
    return Interval(floats(p1 - p2 - radius), floats(p1 - p2 + radius))


def _log_ratio(counts: Counts, compare: Comparison, method: str, alpha: float) -> Interval:
    c1, n1, c2, n2 = counts
    if method not in ({"log", "log-adjusted"} if compare == "ratio" else {"logit", "logit-adjusted"}):
        raise ValueError(f"unknown method {method!r} for {compare}")
    half = 0.5 if method.endswith("adjusted") else 0.0
    wins1, wins2 = c1 + half, c2 + half
    with np.errstate(divide="ignore", invalid="ignore"):
        if compare == "ratio":
            other1, other2, sign = n1 + half, n2 + half, -1.0
        else:
            other1, other2, sign = n1 - c1 + half, n2 - c2 + half, 1.0
        centre = log(wins1) - log(other1) - (log(wins2) - log(other2))
        radius = normal_quantile(alpha / 2) * np.sqrt(1.0 / wins1 + sign / other1 + 1.0 / wins2 + sign / other2)
        lower, upper = exp(centre - radius), exp(centre + radius)
    blind = ~np.isfinite(centre) | ~np.isfinite(radius)
    return Interval(floats(np.where(blind, 0.0, lower)), floats(np.where(blind, math.inf, upper)))
