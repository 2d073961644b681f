"""Indices and stopping statistics for arms with yes/no outcomes.

For ranking and for deciding when to stop. An argmax over an index moves every trial to one arm at once,
so shares come from P(best) instead. Logarithms are natural.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, floats, log
from releasectl.stats.interval import bisect


def bernoulli_kl(p: ArrayLike, q: ArrayLike) -> Floats:
    """kl(p, q) in nats; 0 at p = q, inf where q excludes what p allows."""
    a, b = floats(p), floats(q)
    return floats(special.rel_entr(a, b) + special.rel_entr(1.0 - a, 1.0 - b))


def kl_ucb(*, successes: ArrayLike, n: ArrayLike, t: ArrayLike, log_term: str = "ln t", c: float = 0.0) -> Floats:
    """The largest q with n kl(p, q) <= ln t + c ln ln t (Garivier & Cappe 2011); c = 0 is their advice.

    p = successes / n; t counts trials of all arms, at least 1. Without trials nothing is excluded: 1.
    ``log_term`` may read ``ln t`` or ``ln t + 3 ln ln t``, which sets c.
    """
    s, trials, time = np.broadcast_arrays(floats(successes), floats(n), floats(t))
    level = log(np.maximum(time, 1.0))
    weight = 3.0 if "ln ln" in log_term or "lnln" in log_term else c
    if weight:
        level = level + weight * log(np.maximum(level, 1.0))
    safe = np.where(trials > 0, trials, 1.0)
    p = np.clip(s / safe, 0.0, 1.0)
    found = bisect(lambda q: level - safe * bernoulli_kl(p, q), p, np.ones_like(p), steps=60)
    return floats(np.where(trials > 0, found, 1.0))


def glr_pair(*, s1: ArrayLike, n1: ArrayLike, s2: ArrayLike, n2: ArrayLike) -> Floats:
    """Z = n1 kl(p1, m) + n2 kl(p2, m) with m the pooled rate (Garivier & Kaufmann 2016).

    The log likelihood ratio of two rates against one. 0 when an arm has no trials.
    """
    a, n, b, m = np.broadcast_arrays(*(floats(v) for v in (s1, n1, s2, n2)))
    known = (n > 0) & (m > 0)
    n_, m_ = np.where(known, n, 1.0), np.where(known, m, 1.0)
    pooled = (a + b) / (n_ + m_)
    statistic = n_ * bernoulli_kl(a / n_, pooled) + m_ * bernoulli_kl(b / m_, pooled)
    return floats(np.where(known, statistic, 0.0))


def glr_threshold(*, t: ArrayLike, delta: float) -> Floats:
    """ln((1 + ln t) / delta): stop when Z exceeds it (Garivier & Kaufmann 2016, a heuristic rate)."""
    return floats(log((1.0 + log(np.maximum(floats(t), 1.0))) / delta))


def lai_robbins_slope(means: ArrayLike) -> float:
    """What no consistent policy's regret grows slower than, per ln t (Lai & Robbins 1985), Bernoulli arms.

    sum over worse arms of (best - mean) / kl(mean, best).
    """
    rates = floats(means).ravel()
    best = float(rates.max())
    worse = rates[rates < best]
    return math.fsum(((best - worse) / bernoulli_kl(worse, best)).tolist())
