"""Arithmetic that gives the same bits on every machine.

numpy picks its own ``exp``, ``log``, ``log1p`` and ``power`` by the processor's vector unit, and those
differ in the last bit between AVX-512, AVX2 and none. The scalar loops of ``scipy.special`` call the C
library whatever the processor. Sums here run in the order of their index, so a fold that is split
anywhere adds the same numbers in the same order. Evidence that is stored is rounded, and thresholds have
a dead band of the same size, so a decision never hangs on a last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

DIGITS = 9
DEAD_BAND = 1e-9


def floats(values: ArrayLike) -> Floats:
    """The values as a float64 array; a scalar becomes an array without axes."""
    return np.asarray(values, dtype=np.float64)


def log(values: ArrayLike) -> Floats:
    """Natural logarithm by the C library; log 0 is -inf, without a warning."""
    return floats(special.xlogy(1.0, floats(values)))


def log1p(values: ArrayLike) -> Floats:
    """ln(1 + x) by the C library."""
    return floats(special.xlog1py(1.0, floats(values)))


def exp(values: ArrayLike) -> Floats:
    """e to the power x by the C library (the inverse Box-Cox transform with lambda 0 is exactly that)."""
    return floats(special.inv_boxcox(floats(values), 0.0))


def log_add_exp(a: ArrayLike, b: ArrayLike) -> Floats:
    """ln(e^a + e^b), elementwise; either may be -inf."""
    high, low = np.maximum(a, b), np.minimum(a, b)
    with np.errstate(invalid="ignore"):
        gap = np.where(np.isneginf(low), -np.inf, low - high)
    return floats(high + log1p(exp(gap)))


def log_sum_exp(values: Floats) -> Floats:
    """ln of the sum of e^values over the last axis, added in the order of the index."""
    high = values.max(axis=-1)
    base = np.where(np.isfinite(high), high, 0.0)
    total = np.zeros_like(base)
    for j in range(values.shape[-1]):
        total = total + exp(values[..., j] - base)
    return floats(base + log(total))


def running_sum(start: ArrayLike, values: Floats) -> Floats:
    """Sums after each entry of the last axis, begun at ``start``; the order is that of one-by-one adding."""
    if values.shape[-1] == 1:
        return floats(floats(start)[..., None] + values)
    first = np.broadcast_to(floats(start), values.shape[:-1])[..., None]
    return floats(np.add.accumulate(np.concatenate([first, values], axis=-1), axis=-1)[..., 1:])


def running_product(start: ArrayLike, values: Floats) -> Floats:
    """Products after each entry of the last axis, begun at ``start``, in order; may overflow to inf."""
    first = np.broadcast_to(floats(start), values.shape[:-1])[..., None]
    with np.errstate(over="ignore", under="ignore"):
        return floats(np.multiply.accumulate(np.concatenate([first, values], axis=-1), axis=-1)[..., 1:])


def running_max(start: ArrayLike, values: Floats) -> Floats:
    """Largest value so far along the last axis, begun at ``start``."""
    return floats(np.maximum(np.maximum.accumulate(values, axis=-1), floats(start)[..., None]))


def rounded(values: ArrayLike) -> Floats:
    """Values as they are stored: to nine decimals, with no negative zero."""
    return floats(np.round(floats(values), DIGITS) + 0.0)


def at_least(values: ArrayLike, threshold: ArrayLike) -> NDArray[np.bool_]:
    """values >= threshold, where a shortfall within the dead band of 1e-9 counts as reaching it."""
    return np.asarray(floats(values) >= floats(threshold) - DEAD_BAND)


def same_shape(*values: ArrayLike) -> tuple[Floats, ...]:
    """Float64 arrays broadcast against each other, with at least one axis (the ticks)."""
    arrays: Any = np.broadcast_arrays(*(np.atleast_1d(floats(v)) for v in values))
    return tuple(arrays)
