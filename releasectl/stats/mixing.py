"""Averages of e-processes over effects and start ticks, in O(effects) of state.

With weights w_k of start ticks, sum_k w_k E^(k) = A_t + (weight of starts after t), where
A_t = (A_(t-1) + w_t) e_t. So every start tick is kept at the price of one number for each effect.
"""

from __future__ import annotations

import math

import numpy as np

from releasectl.stats.determinism import Floats, log, log_add_exp, log_sum_exp
from releasectl.stats.starts import Starts

_CHUNK = 1 << 15


def mix(
    log_a: Floats, gains: Floats, *, ticks: int, starts: Starts, weights: tuple[float, ...]
) -> tuple[Floats, Floats]:
    """Fold log e-values (..., ticks, effects) into ``log_a`` (..., effects), which has read ``ticks``.

    Returns the new ``log_a`` and the mixed log e after each tick, shape (..., ticks).
    """
    values = np.empty(gains.shape[:-1])
    log_weights = log(weights)
    for t in range(gains.shape[-2]):
        tick = ticks + t + 1
        begin, left = starts.weight(tick), starts.left_after(tick)
        if begin > 0:
            log_a = log_add_exp(log_a, math.log(begin))
        log_a = log_a + gains[..., t, :]
        value = log_sum_exp(log_a + log_weights)
        values[..., t] = value if left <= 0 else log_add_exp(value, math.log(left))
    return log_a, values


def equal_weights(count: int) -> tuple[float, ...]:
    """1/count, count times."""
    return (1.0 / count,) * count


def pieces(lead: tuple[int, ...], ticks: int, effects: int) -> list[slice]:
    """Consecutive slices of the tick axis, each small enough to be worked on within the cache."""
    size = max(1, _CHUNK // (max(1, math.prod(lead)) * effects))
    return [slice(first, first + size) for first in range(0, ticks, size)]
