"""Measured values with what was known of each unit before the trial (CUPED), in blocks of sums.

A covariate that was known before a unit was given its arm says nothing about the arms, so what it explains of
the values is noise that can be taken away: y - theta (x - mean x) has the same difference of means and a
variance smaller by 1 - corr^2 at theta = cov(y, x) / var(x) (Deng, Xu, Kohavi & Walker, Improving the
sensitivity of online controlled experiments by utilizing pre-experiment data, 2013).

A theta fitted to the tick it is used in would make the tick's variance too small, and its difference would no
longer have mean 0 given the past. So each tick uses the theta of all ticks *before* it, pooled within ticks and
arms: fixed when the tick begins, it moves the width of what follows and never its validity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.contrast import Contrast
from releasectl.stats.determinism import Floats, floats, running_sum


class Slope(NamedTuple):
    """Sums of products about the means inside ticks and arms: of x with y and of x with itself."""

    s_xy: Floats
    s_xx: Floats


class Sums(NamedTuple):
    """Of one arm, shape (..., ticks): units, sums of y, yy, x, xx and xy."""

    n: Floats
    y: Floats
    yy: Floats
    x: Floats
    xx: Floats
    xy: Floats


class Pairs(NamedTuple):
    """Of each tick, shape (..., ticks): ``s`` = sign w (edge - m_c), the weight w = n_b n_c / (n_b + n_c), and two
    variances of s.

    ``apart`` takes the variance of each arm from its own values. ``together`` takes that of all values of both, with
    the baseline's moved to the edge of the null: the variance that s has when the same values are dealt out to the
    arms anew, which does not know which arm the large ones fell to. All 0 in a tick that says nothing.
    """

    s: Floats
    w: Floats
    apart: Floats
    together: Floats


class _Spread(NamedTuple):
    """Means and sample (co)variances of one arm; 0 where it has fewer than two units."""

    y: Floats
    x: Floats
    yy: Floats
    xx: Floats
    xy: Floats


@dataclass(frozen=True)
class AdjustedMoments:
    """Values per tick and arm less what the covariate explains; without a covariate x is 0 and nothing changes.

    ``b`` and ``c`` are sums of shape (..., ticks, 6) in the order of ``Sums``; ``slope`` is that of all ticks before
    the first. A tick counts when both arms have at least two values and not all of them are equal.
    """

    b: Sums
    c: Sums
    slope: Slope
    """After each tick, shape (..., ticks)."""
    theta: Floats
    """In force at each tick, shape (..., ticks)."""

    @classmethod
    def of(cls, *, b: ArrayLike, c: ArrayLike, slope: Slope) -> AdjustedMoments:
        """From sums; ticks are the axis before the last."""
        one, other = _sums(b), _sums(c)
        after = Slope(
            running_sum(slope.s_xy, _about(one.xy, one.x, one.y, one.n) + _about(other.xy, other.x, other.y, other.n)),
            running_sum(slope.s_xx, _about(one.xx, one.x, one.x, one.n) + _about(other.xx, other.x, other.x, other.n)),
        )
        before = Slope(*(_shifted(start, sums) for start, sums in zip(slope, after, strict=True)))
        some = before.s_xx > 0
        theta = np.where(some, before.s_xy / np.where(some, before.s_xx, 1.0), 0.0)
        return cls(one, other, after, floats(theta))

    @property
    def ticks(self) -> int:
        """Number of ticks in the block."""
        return int(self.theta.shape[-1])

    def pairs(self, contrast: Contrast) -> Pairs:
        """What each tick says of the two arms.

        With means adjusted to the covariate's mean over both arms, r m_b - m_c is the difference of the arms' means
        of r y - k theta x and y - k theta x at k = 1 + (r - 1) n_c / (n_b + n_c): two independent arms again.
        """
        b, c, ratio = _spread(self.b), _spread(self.c), contrast.ratio
        n_b, n_c = self.b.n, self.c.n
        both = (n_b > 1) & (n_c > 1)
        n = np.where(both, n_b + n_c, 4.0)
        t = self.theta * (1.0 + (ratio - 1.0) * n_c / n)
        rest_b, rest_c = _rest(b, ratio, t), _rest(c, 1.0, t)
        w = np.where(both & (rest_b + rest_c > 0), n_b * n_c / n, 0.0)
        gap = ratio * b.y + contrast.offset - c.y - t * (b.x - c.x)
        inside = np.maximum(n_b - 1.0, 0.0) * rest_b + np.maximum(n_c - 1.0, 0.0) * rest_c
        return Pairs(
            s=floats(contrast.sign * (w * gap)),
            w=floats(w),
            apart=floats(w * w * (rest_b / _size(n_b) + rest_c / _size(n_c))),
            together=floats(w * (inside + w * gap * gap) / (n - 1.0)),
        )


def no_slope(shape: tuple[int, ...] = ()) -> Slope:
    """Before any tick."""
    return Slope(np.zeros(shape), np.zeros(shape))


def _sums(values: ArrayLike) -> Sums:
    array = floats(values)
    return Sums(*(array[..., part] for part in range(6)))


def _size(n: Floats) -> Floats:
    return np.maximum(n, 2.0)


def _about(products: Floats, one: Floats, other: Floats, n: Floats) -> Floats:
    """Sum of products about the means."""
    return floats(np.where(n > 1, products - one * other / np.maximum(n, 1.0), 0.0))


def _spread(sums: Sums) -> _Spread:
    n, y, yy, x, xx, xy = sums
    enough, size = n > 1, np.maximum(n, 1.0)
    free = _size(n) - 1.0
    return _Spread(
        y=np.where(enough, y / size, 0.0),
        x=np.where(enough, x / size, 0.0),
        yy=np.maximum(_about(yy, y, y, n), 0.0) / free,
        xx=np.maximum(_about(xx, x, x, n), 0.0) / free,
        xy=_about(xy, x, y, n) / free,
    )


def _rest(spread: _Spread, ratio: float, theta: Floats) -> Floats:
    """The variance of ratio y - theta x."""
    return floats(
        np.maximum(ratio * ratio * spread.yy - 2.0 * ratio * theta * spread.xy + theta * theta * spread.xx, 0.0)
    )


def _shifted(start: Floats, running: Floats) -> Floats:
    """What was known before each tick."""
    first = np.broadcast_to(floats(start), running.shape[:-1])[..., None]
    return floats(np.concatenate([first, running[..., :-1]], axis=-1))
