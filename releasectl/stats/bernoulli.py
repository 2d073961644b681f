"""Always-valid interval for one proportion from its totals.

Howard et al. 2021, proposition 7 (two-sided beta-binomial mixture), tuned at t_opt trials as in confseq. A
mean p is tested with the mixture Beta(p R, (1-p) R) over alternatives, so
ln E(p) = ln B(p R + x, (1-p) R + n - x) - ln B(p R, (1-p) R) - x ln p - (n-x) ln(1-p).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, floats

_HALVINGS = 60
_NEAREST = 1e-13


def bernoulli_confidence_interval(
    *,
    num_successes: ArrayLike,
    num_trials: ArrayLike,
    alpha: float = 0.05,
    t_opt: float,
    alpha_opt: float = 0.05,
) -> Floats:
    """Lower and upper limit on the last axis: shape (..., 2), right at all numbers of trials with 1 - alpha.

    Counts broadcast; totals only, because the order of outcomes does not matter. Without trials [0, 1].
    """
    x, n = np.broadcast_arrays(floats(num_successes), floats(num_trials))
    center = np.where(n > 0, x / np.where(n > 0, n, 1.0), 0.5)
    level = math.log(1.0 / alpha_opt)
    strength = max(t_opt / (2.0 * level + math.log1p(2.0 * level)) - 1.0, 1e-3)
    threshold = math.log(1.0 / alpha)
    ends = [_limit(x, n, center, end, strength, threshold) for end in (0.0, 1.0)]
    return np.stack(ends, axis=-1)


def bernoulli_log_e(p: Floats, x: Floats, n: Floats, strength: float) -> Floats:
    """ln E against the proportion being p, elementwise, for 0 < p < 1."""
    a, b = p * strength, (1.0 - p) * strength
    mixed = special.betaln(a + x, b + n - x) - special.betaln(a, b)
    return floats(mixed - special.xlogy(x, p) - special.xlog1py(n - x, -p))


def _limit(  # noqa: PLR0917 - the formula's inputs
    x: Floats, n: Floats, center: Floats, end: float, strength: float, threshold: float
) -> Floats:
    """Where log e passes the threshold between the estimate, which is kept, and an end of [0, 1]."""
    inside = center
    outside = np.full_like(center, _NEAREST if end == 0.0 else 1.0 - _NEAREST)
    whole = (center == end) | (bernoulli_log_e(outside, x, n, strength) <= threshold)
    for _ in range(_HALVINGS):
        # What is settled may lie at an end, where the evidence is not defined.
        p = np.where(whole, 0.5, 0.5 * (inside + outside))
        keep = bernoulli_log_e(p, x, n, strength) <= threshold
        inside, outside = np.where(keep, p, inside), np.where(keep, outside, p)
    return np.where(whole, end, 0.5 * (inside + outside))
