"""Asymptotic confidence sequences for the difference of two proportions from *totals*.

Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (Time-uniform central limit theory and asymptotic confidence
sequences, 2021), as products for experiments use them. For a fixed split only: when shares and rates change
together, totals of two arms differ without any effect (use the stratified rules).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.determinism import Floats, floats, log1p


@dataclass(frozen=True)
class AsymptoticDifference:
    """Canary minus baseline with its interval's half-width; ``rel`` is that over the baseline's mean.

    ``evalue_log`` is ln E against equality. Without trials in an arm: NaN estimates, infinite widths.
    """

    diff: Floats
    se: Floats
    rho2: float
    halfwidth: Floats
    rel: Floats
    rel_se: Floats
    rel_halfwidth: Floats
    evalue_log: Floats


@dataclass(frozen=True)
class AsymptoticLowerLimit:
    """One-sided lower limit of canary minus baseline."""

    rho2: float
    lower: Floats


def asymp_cs_diff(*, baseline: ArrayLike, canary: ArrayLike, alpha: float = 0.05, n_opt: float) -> AsymptoticDifference:
    """Two-sided; ``baseline`` and ``canary`` are (successes, trials) on the last axis, n_opt total trials.

    Half-width se sqrt(n) sqrt(2 (n r + 1) ln(sqrt(n r + 1)/alpha)) / (n sqrt(r)), r = rho^2 tuned at n_opt;
    the relative lift by the delta method, var(c)/m_b^2 + var(b) m_c^2/m_b^4.
    """
    p_b, v_b, n_b = _rate(baseline)
    p_c, v_c, n_c = _rate(canary)
    n, diff, se = n_b + n_c, p_c - p_b, np.sqrt(v_b + v_c)
    rho2 = _rho2(alpha, n_opt)
    scale = _scale(n, rho2, 0.5 * log1p(n * rho2) - math.log(alpha))
    with np.errstate(divide="ignore", invalid="ignore"):
        rel = diff / p_b
        rel_se = np.sqrt(v_c + v_b * (p_c / p_b) * (p_c / p_b)) / p_b
        z2 = diff * diff / (se * se)
        evalue_log = 0.5 * z2 * (n * rho2) / (1.0 + n * rho2) - 0.5 * log1p(n * rho2)
    return AsymptoticDifference(
        diff=diff,
        se=se,
        rho2=rho2,
        halfwidth=_width(se, scale),
        rel=rel,
        rel_se=rel_se,
        rel_halfwidth=_width(rel_se, scale),
        evalue_log=evalue_log,
    )


def asymp_cs_diff_one_sided(
    *, baseline: ArrayLike, canary: ArrayLike, alpha: float = 0.05, n_opt: float
) -> AsymptoticLowerLimit:
    """Lower limit of canary minus baseline at one-sided alpha; arguments as ``asymp_cs_diff``.

    Margin with ln(1 + sqrt(n r + 1)/(2 alpha)). Without trials the limit is -inf.
    """
    p_b, v_b, n_b = _rate(baseline)
    p_c, v_c, n_c = _rate(canary)
    rho2 = _rho2(2.0 * alpha, n_opt)
    n = n_b + n_c
    scale = _scale(n, rho2, log1p(np.sqrt(n * rho2 + 1.0) / (2.0 * alpha)))
    width = _width(np.sqrt(v_b + v_c), scale)
    return AsymptoticLowerLimit(rho2, np.where(np.isfinite(width), p_c - p_b, 0.0) - width)


def _rate(counts: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Rate, variance of the rate, trials; NaN without trials."""
    pair = floats(counts)
    x, n = pair[..., 0], pair[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        p = floats(x / n)
        return p, floats(p * (1.0 - p) / n), floats(n)


def _rho2(alpha: float, n_opt: float) -> float:
    level = -2.0 * math.log(alpha)
    return (level + math.log1p(level)) / n_opt


def _scale(n: Floats, rho2: float, log_term: Floats) -> Floats:
    """The half-width in standard errors."""
    some = np.where(n > 0, n, 1.0)
    return np.where(n > 0, np.sqrt(2.0 * (some * rho2 + 1.0) * log_term / (some * rho2)), np.inf)


def _width(se: Floats, scale: Floats) -> Floats:
    return np.where(np.isnan(se), np.inf, np.where(np.isnan(se), 0.0, se) * scale)
