"""How much more ticks differ than independent outcomes would: the dispersion factor.

Outcomes of one user, or of one bad minute, are not independent, and no variance computed from counts
knows it. The differences of ticks do: their spread around their own mean, over the spread the model
expects (Cochran's Q over its degrees of freedom), estimates the factor phi by which V is too small, as in
quasi-likelihood (McCullagh & Nelder 1989, section 4.5). Five pseudo-ticks of factor 1 hold it steady
while ticks are few, and it never goes below 1. A heuristic with an asymptotic justification, no theorem.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from releasectl.stats.determinism import Floats, running_sum

PSEUDO_TICKS = 5.0


@dataclass(frozen=True)
class Heterogeneity:
    """Sums over informative ticks of s, v, w and of s^2/v, s w/v, w^2/v, v w; s has mean w times the effect."""

    informative: Floats
    weight: Floats
    total: Floats
    variance: Floats
    q_ss: Floats
    q_sw: Floats
    q_ww: Floats
    q_vw: Floats

    def running(self, s: Floats, v: Floats, w: Floats) -> Heterogeneity:
        """The sums after each tick of arrays of shape (..., ticks); a tick with v = 0 adds only s and w."""
        some = v > 0
        inverse = np.where(some, 1.0 / np.where(some, v, 1.0), 0.0)
        return Heterogeneity(
            informative=running_sum(self.informative, some.astype(np.float64)),
            weight=running_sum(self.weight, w),
            total=running_sum(self.total, s),
            variance=running_sum(self.variance, v),
            q_ss=running_sum(self.q_ss, s * s * inverse),
            q_sw=running_sum(self.q_sw, s * w * inverse),
            q_ww=running_sum(self.q_ww, w * w * inverse),
            q_vw=running_sum(self.q_vw, v * w),
        )

    def last(self) -> dict[str, Floats]:
        """The sums after the last tick of running arrays, by name."""
        return {field.name: getattr(self, field.name)[..., -1] for field in fields(Heterogeneity)}


def dispersion_factor(sums: Heterogeneity) -> Floats:
    """phi >= 1, elementwise; 1 while fewer than two ticks were informative.

    Q = sum (s - w d)^2 / v at the pooled effect d = sum s / sum w.
    """
    effect = np.where(sums.weight > 0, sums.total / np.where(sums.weight > 0, sums.weight, 1.0), 0.0)
    q = sums.q_ss - 2.0 * effect * sums.q_sw + effect * effect * sums.q_ww
    free = np.maximum(sums.informative - 1.0, 0.0)
    return np.maximum(1.0, (np.maximum(q, 0.0) + PSEUDO_TICKS) / (free + PSEUDO_TICKS))


def variance_factor(sums: Heterogeneity) -> Floats:
    """By how much the summed variance is too small, elementwise, >= 1.

    The excess of a tick grows with its size: m outcomes that correlate by rho have variance 1 + (m - 1) rho
    times that of independent ones. So phi - 1, an average over ticks, is shared out by w before it is summed:
    1 + (phi - 1) sum(v w) / (mean w sum v), which is phi itself while all ticks are of one size. On a ramp
    the large ticks carry the sum, and phi alone would come too late.
    """
    mean = sums.weight / np.maximum(sums.informative, 1.0)
    expected = mean * sums.variance
    share = np.where(expected > 0, sums.q_vw / np.where(expected > 0, expected, 1.0), 1.0)
    return 1.0 + (dispersion_factor(sums) - 1.0) * share
