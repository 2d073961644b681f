"""Betting confidence sequence for the mean of bounded observations, as of paired differences in shadow.

Waudby-Smith & Ramdas (Estimating means of bounded random variables by betting, 2024), hedged capital with
predictable plug-in bets: K+(m) = prod(1 + lam (x - m)) and K-(m) = prod(1 - lam (x - m)),
lam_t = sqrt(2 ln(2/alpha) / (s2_(t-1) t ln(1+t))), cut at 1/(2m) and 1/(2(1-m)). A mean m is given up
once max(K+, K-) / 2 reaches 1/alpha. Valid for any dependence that keeps the conditional mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from releasectl.stats.determinism import Floats, floats, log, running_product, running_sum
from releasectl.stats.fold import decoded, empty, encoded

_CHUNK = 32


@dataclass(frozen=True)
class BettingState:
    """``seen`` observations, their sums for the plug-in bets, capital on both sides of each grid mean.

    ``up``, ``down`` and ``kept`` (1 or 0) have shape (..., breaks + 1). Capital may be inf once a mean is
    given up.
    """

    seen: int
    total: Floats
    spread: Floats
    up: Floats
    down: Floats
    kept: Floats

    def to_json(self) -> dict[str, Any]:
        """Fields as numbers and nested lists, lossless."""
        return encoded(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The state that ``to_json`` wrote."""
        return decoded(cls, data)


@dataclass(frozen=True)
class Limits:
    """Lower and upper limit; arrays of one shape. Where every mean was given up both are NaN."""

    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Betting:
    """Limits for a mean in [0, 1] on a grid of ``breaks`` steps, together right at all times with 1 - alpha.

    One step is added on either side for what lies between grid points. ``intersect``: a mean once given up
    stays so (narrower, as valid).
    """

    alpha: float = 0.05
    breaks: int = 1000
    intersect: bool = True

    def init(self, shape: tuple[int, ...] = ()) -> BettingState:
        """Before any observation: every mean is possible."""
        full = (*shape, self.breaks + 1)
        one = empty(full, 1.0)
        return BettingState(0, empty(shape), empty(shape), one, one, one)

    def run(self, state: BettingState, x: ArrayLike) -> tuple[BettingState, Limits]:
        """The state after observations x in [0, 1], shape (..., n), in their order; limits after each."""
        values = np.atleast_1d(floats(x))
        if not bool(np.all((values >= 0) & (values <= 1))):
            raise ValueError("observations must lie in [0, 1]")
        lower, upper = np.empty(values.shape), np.empty(values.shape)
        for first in range(0, values.shape[-1], _CHUNK):
            part = slice(first, first + _CHUNK)
            state, lower[..., part], upper[..., part] = self._run(state, values[..., part])
        return state, Limits(lower, upper)

    def step(self, state: BettingState, x: ArrayLike) -> BettingState:
        """The state after the observations."""
        return self.run(state, x)[0]

    def _run(self, state: BettingState, x: Floats) -> tuple[BettingState, Floats, Floats]:
        t = state.seen + 1 + np.arange(x.shape[-1])
        total = running_sum(state.total, x)
        away = x - np.minimum((0.5 + total) / (t + 1), 1.0)
        spread = running_sum(state.spread, away * away)
        before = np.concatenate([state.spread[..., None], spread[..., :-1]], axis=-1)
        bet = np.sqrt(2.0 * math.log(2.0 / self.alpha) / ((0.25 + before) / t * (t * log(1.0 + t))))
        m = np.arange(self.breaks + 1) / self.breaks
        gap = x[..., None, :] - m[:, None]
        most_up = 0.5 / np.maximum(m, 0.5 / self.breaks)
        most_down = 0.5 / np.maximum(1.0 - m, 0.5 / self.breaks)
        up = running_product(state.up, 1.0 + np.minimum(bet[..., None, :], most_up[:, None]) * gap)
        down = running_product(state.down, 1.0 - np.minimum(bet[..., None, :], most_down[:, None]) * gap)
        kept = 0.5 * np.maximum(up, down) < 1.0 / self.alpha
        if self.intersect:
            kept = np.logical_and.accumulate(kept, axis=-1) & (state.kept > 0)[..., None]
        low, high = _ends(kept, m)
        seen = state.seen + x.shape[-1]
        after = BettingState(
            seen=seen,
            total=total[..., -1],
            spread=spread[..., -1],
            up=up[..., -1],
            down=down[..., -1],
            kept=floats(kept[..., -1]),
        )
        return after, low, high


def betting_cs(
    *,
    x: ArrayLike,
    alpha: float = 0.05,
    breaks: int = 1000,
    n: int | None = None,
    running_intersection: bool = False,
) -> Limits:
    """Limits after each observation of x in [0, 1], shape (..., n); without observations, empty arrays.

    ``n`` keeps only the first n. Waudby-Smith & Ramdas 2024, theorem 3.
    """
    values = np.atleast_1d(floats(x))[..., :n]
    rule = Betting(alpha, breaks, running_intersection)
    return rule.run(rule.init(values.shape[:-1]), values)[1]


def _ends(kept: NDArray[np.bool_], m: Floats) -> tuple[Floats, Floats]:
    """Smallest and largest mean still kept, a step further out; ``kept`` is (..., grid, observations)."""
    some = kept.any(axis=-2)
    last = kept.shape[-2] - 1
    low = m[np.maximum(kept.argmax(axis=-2) - 1, 0)]
    high = m[np.minimum(last - kept[..., ::-1, :].argmax(axis=-2) + 1, last)]
    return np.where(some, low, np.nan), np.where(some, high, np.nan)
