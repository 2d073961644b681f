"""Blocks of measured values: counts, sums and sums of squares for each tick and arm.

Variances are estimated inside the tick. Ratio metrics use the delta method at the unit of randomisation
(Deng, Knoblich & Lu, Applying the delta method in metric analytics, 2018). Heavy tails: clip every value
at a cap fixed in advance; the capped mean is then what is compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from releasectl.stats.arms import Arms
from releasectl.stats.contrast import Contrast, Increments
from releasectl.stats.determinism import Floats, floats, same_shape


@dataclass(frozen=True)
class Moments:
    """Values per tick and arm: count n, sum s, sum of squares q; shape (..., ticks).

    Scaled integers are best (exact sums). A tick counts when both arms have at least two values and not
    all of them are equal.
    """

    n_b: Floats
    s_b: Floats
    q_b: Floats
    n_c: Floats
    s_c: Floats
    q_c: Floats

    @classmethod
    def of(
        cls,
        *,
        n_b: ArrayLike,
        s_b: ArrayLike,
        q_b: ArrayLike,
        n_c: ArrayLike,
        s_c: ArrayLike,
        q_c: ArrayLike,
    ) -> Moments:
        """From anything that broadcasts."""
        return cls(*same_shape(n_b, s_b, q_b, n_c, s_c, q_c))

    @property
    def ticks(self) -> int:
        """Number of ticks in the block."""
        return int(self.n_b.shape[-1])

    def arms(self) -> Arms:
        """Means and their variances s^2 / n."""
        mean_b, var_b = _mean(self.n_b, self.s_b, self.q_b)
        mean_c, var_c = _mean(self.n_c, self.s_c, self.q_c)
        usable = (self.n_b > 1) & (self.n_c > 1) & (var_b + var_c > 0)
        return Arms(mean_b, mean_c, var_b, var_c, n_b=self.n_b, n_c=self.n_c, usable=usable)

    def increments(self, contrast: Contrast) -> Increments:
        """What each tick says; the variance is the unpooled one, w^2 (ratio^2 s_b^2/n_b + s_c^2/n_c)."""
        return self.arms().increments(contrast)


@dataclass(frozen=True)
class RatioMoments:
    """A ratio metric sum(y) / sum(z) per tick and arm, over n *units of randomisation* (users, not requests).

    y, z, yy, yz, zz are sums over units of the numerator, the denominator and their products; shape
    (..., ticks); ``b`` and ``c`` are tuples (n, y, z, yy, yz, zz).
    """

    b: tuple[Floats, ...]
    c: tuple[Floats, ...]

    @classmethod
    def of(cls, *, b: tuple[ArrayLike, ...], c: tuple[ArrayLike, ...]) -> RatioMoments:
        """From six arrays an arm that broadcast."""
        arrays = same_shape(*b, *c)
        return cls(arrays[:6], arrays[6:])

    @property
    def ticks(self) -> int:
        """Number of ticks in the block."""
        return int(self.b[0].shape[-1])

    def arms(self) -> Arms:
        """Ratios R and their delta-method variances (s_yy - 2 R s_yz + R^2 s_zz) / (n mean(z)^2)."""
        mean_b, var_b, good_b = _ratio(self.b)
        mean_c, var_c, good_c = _ratio(self.c)
        usable = good_b & good_c & (var_b + var_c > 0)
        return Arms(mean_b, mean_c, var_b, var_c, n_b=self.b[0], n_c=self.c[0], usable=usable)

    def increments(self, contrast: Contrast) -> Increments:
        """What each tick says."""
        return self.arms().increments(contrast)


def capped(values: ArrayLike, cap: float) -> Floats:
    """The values cut at a cap that was fixed before they were seen."""
    return np.minimum(floats(values), cap)


def frozen_cap(history: ArrayLike, *, share: float = 0.999) -> float:
    """A cap from values of the past: the order statistic at this share of them, no interpolation.

    Raises ValueError without values: a cap must not be guessed.
    """
    ordered = np.sort(floats(history).ravel())
    if ordered.size == 0:
        raise ValueError("a cap needs at least one past value")
    return float(ordered[min(ordered.size - 1, int(share * ordered.size))])


def _mean(n: Floats, s: Floats, q: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the mean; 0 and 0 where fewer than two values."""
    enough = n > 1
    m = np.where(enough, n, 2.0)
    mean = s / m
    spread = np.maximum(q - s * mean, 0.0) / (m - 1.0)
    return np.where(enough, mean, 0.0), np.where(enough, spread / m, 0.0)


def _ratio(sums: tuple[Floats, ...]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Ratio, its delta-method variance, and whether there were two units and a denominator."""
    n, y, z, yy, yz, zz = sums
    good = (n > 1) & (z > 0)
    m, d = np.where(good, n, 2.0), np.where(good, z, 1.0)
    r = y / d
    s_yy = (yy - y * y / m) / (m - 1.0)
    s_yz = (yz - y * z / m) / (m - 1.0)
    s_zz = (zz - z * z / m) / (m - 1.0)
    spread = np.maximum(s_yy - 2.0 * r * s_yz + r * r * s_zz, 0.0) * m / (d * d)
    return np.where(good, r, 0.0), np.where(good, spread, 0.0), good
