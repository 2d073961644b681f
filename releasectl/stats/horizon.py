"""A rule for a stage with a last tick: all of alpha is spent by then, and none on times that never come.

An always-valid rule keeps part of its error for looks after the last one. When the longest duration is
known, the ticks can be laid on a Brownian motion over (0, 1] instead, and the motion held against the
boundary c t^shape of Wang & Tsiatis (1987), calibrated for that interval. Each tick's increment is
standardised and scaled to a step of time that is fixed before its outcome: the share its variance has in
what is still expected (weights fixed from the past, as in Lehmacher & Wassmer 1999). So a ramp, a drift or
traffic that was misjudged moves efficiency, not the error, and the motion ends at 1 on the last tick.

Where a tick's variance is estimated from its own values, the step is scaled by what earlier ticks let
expect, and the motion is divided by its estimated deviation only as a whole.

Skewness, which counts of rare outcomes have, is taken out before the comparison by the cube-root
transform of Wilson & Hilferty (1931), exact in this sense for a shifted gamma distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from releasectl.stats.boundary import crossing_probability, power_boundary
from releasectl.stats.contrast import Claim, Comparable, Contrast, Increments, MarginKind, Worse
from releasectl.stats.determinism import Floats, at_least, exp, log, running_max
from releasectl.stats.dispersion import Heterogeneity, variance_factor
from releasectl.stats.fold import decoded, empty, encoded

_NOT_YET = -1e9
_SLOW = 0.25  # a first look that has this part of the information planned for it is taken


@dataclass(frozen=True)
class HorizonState(Heterogeneity):
    """``time`` t in [0, 1], ``position`` of the motion, with its variance
    ``spread`` and third cumulant ``third``; ``score`` now and the largest, ``peak``, in units of the boundary's
    c."""

    ticks: int
    time: Floats
    position: Floats
    spread: Floats
    third: Floats
    score: Floats
    peak: Floats

    def to_json(self) -> dict[str, Any]:
        """Fields as numbers and nested lists, lossless."""
        return encoded(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The state that ``to_json`` wrote."""
        return decoded(cls, data)


@dataclass(frozen=True)
class Horizon:
    """Evidence for a claim about two arms at every tick up to ``last_tick``; later ticks are not read.

    ``claim``, ``margin``, ``margin_kind`` and ``worse`` are those of ``Contrast``; blocks are ``Trials``,
    ``Moments`` or ``RatioMoments``. ``alpha`` is spent over ticks ``from_tick`` to ``last_tick``.

    ``plan`` gives the information expected of each tick, in any unit (None: even); with a known ramp that is
    n_b n_c / (n_b + n_c) of each step. ``dispersion_from`` turns on the dispersion factor, and then no earlier
    tick is acted on. Turn it on, with ``from_tick`` 5 or more, for measured values too: their skewness is not
    known. The boundary is that for one look a tick at even steps of information; ``any_looks`` and the
    dispersion factor take the higher one for looks without pause.
    """

    last_tick: int
    alpha: float = 0.05
    claim: Claim = "worse"
    margin: float = 0.0
    margin_kind: MarginKind = "relative"
    worse: Worse = "lower"
    shape: float = 0.43
    from_tick: int = 1
    any_looks: bool = False
    dispersion_from: int | None = None
    plan: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.first_look < self.last_tick:
            raise ValueError("the last tick must come after the first that is acted on")
        if self.plan is not None and (len(self.plan) != self.last_tick or min(self.plan) <= 0):
            raise ValueError("a plan needs a positive number for every tick")

    @property
    def first_look(self) -> int:
        """The first tick that is acted on."""
        return max(self.from_tick, self.dispersion_from or 0, 1)

    @property
    def boundary(self) -> float:
        """The c that ``peak`` must reach: computed once for each alpha, shape and first look."""
        return power_boundary(alpha=self.alpha, shape=self.shape, first=self._first, looks=self._looks)

    def init(self, shape: tuple[int, ...] = ()) -> HorizonState:
        """Before any tick."""
        names = ("informative", "weight", "total", "variance", "q_ss", "q_sw", "q_ww", "q_vw")
        nothing = {name: empty(shape) for name in (*names, "time", "position", "spread", "third")}
        floor = {name: empty(shape, _NOT_YET) for name in ("score", "peak")}
        return HorizonState(ticks=0, **nothing, **floor)

    def run(self, state: HorizonState, block: Comparable) -> tuple[HorizonState, Floats]:
        """The state after the block and the running score, shape (..., ticks)."""
        one = block.increments(Contrast(self.claim, self.margin, self.margin_kind, self.worse))
        left = max(0, self.last_tick - state.ticks)
        s, v, k3, w = (a[..., :left] for a in (one.s, one.v, one.k3, one.w))
        if s.shape[-1] == 0:
            return state, np.broadcast_to(state.score[..., None], one.s.shape)
        sums = state.running(s, v, w)
        motion = self._motion(state, Increments(s, v, k3, w, one.given), sums)
        score = self._score(state.ticks, motion, sums)
        time, position, spread, third = (a[..., -1] for a in motion)
        after = HorizonState(
            ticks=state.ticks + s.shape[-1],
            time=time,
            position=position,
            spread=spread,
            third=third,
            score=score[..., -1],
            peak=running_max(state.peak, score)[..., -1],
            **sums.last(),
        )
        rest = np.broadcast_to(score[..., -1:], (*score.shape[:-1], block.ticks - score.shape[-1]))
        return after, np.concatenate([score, rest], axis=-1)

    def step(self, state: HorizonState, block: Comparable) -> HorizonState:
        """The state after the block."""
        return self.run(state, block)[0]

    def breached(self, state: HorizonState) -> NDArray[np.bool_]:
        """Whether the boundary was ever reached: true at most with chance alpha under the null."""
        return at_least(state.peak, self.boundary)

    def p_value(self, peak: float) -> float:
        """Chance under the null that the largest score by the last tick is at least this."""
        if peak <= 0:
            return 1.0
        return crossing_probability(c=peak, shape=self.shape, first=self._first, looks=self._looks)

    @property
    def _looks(self) -> int | None:
        # An estimated scale has tails of its own; the higher boundary pays for them.
        return None if self.any_looks or self.dispersion_from is not None else self.last_tick

    @property
    def _first(self) -> float:
        plan = self.plan or (1.0,) * self.last_tick
        return sum(plan[: self.first_look]) / sum(plan)

    def _motion(self, state: HorizonState, one: Increments, sums: Heterogeneity) -> Floats:
        """Time, position, its variance and third cumulant after each tick, shape (4, ..., ticks)."""
        plan = self.plan or (1.0,) * self.last_tick
        now = np.stack(np.broadcast_arrays(state.time, state.position, state.spread, state.third))
        out = np.empty((4, *one.s.shape))
        variance, weight = state.variance, state.weight
        for t in range(one.s.shape[-1]):
            s, v, k3, w = (a[..., t] for a in (one.s, one.v, one.k3, one.w))
            expected = v if one.given else _expected(v, w, variance, weight)
            done = state.ticks + t + 1
            ahead = (variance + expected) * (sum(plan[done:]) / sum(plan[:done]))
            some = v > 0
            unit = np.where(some, expected, 1.0)
            share = np.where(some, (1.0 - now[0]) * (unit / (unit + ahead)), 0.0)
            scale = np.sqrt(share / unit)
            now = now + np.stack([share, scale * s, scale * scale * v, scale * scale * scale * k3])
            out[..., t] = now
            variance, weight = sums.variance[..., t], sums.weight[..., t]
        return out

    def _score(self, ticks: int, motion: Floats, sums: Heterogeneity) -> Floats:
        """The motion over t^shape, without skewness and with the dispersion factor; very low before looks."""
        time, position, spread, third = motion
        look = ticks + 1 + np.arange(time.shape[-1]) >= self.first_look
        look = look & (time >= _SLOW * self._first) & (spread > 0)
        t, u = np.where(look, time, 1.0), np.where(look, spread, 1.0)
        z = position / np.sqrt(u)
        if self.dispersion_from is not None:
            z = z / np.sqrt(variance_factor(sums))
        z = symmetric(z, third / (u * np.sqrt(u)))
        return np.where(look, z * exp((0.5 - self.shape) * log(t)), _NOT_YET)


def _expected(v: Floats, w: Floats, variance: Floats, weight: Floats) -> Floats:
    """The variance that earlier ticks let expect of a tick of this weight; the first tick's is its own."""
    known = (weight > 0) & (variance > 0)
    return np.where(known, w * (variance / np.where(known, weight, 1.0)), v)


def symmetric(z: Floats, skewness: Floats) -> Floats:
    """A standardised score of this skewness g as a nearly normal one, increasing in z.

    (6 / g) ((1 + g z / 2)^(1/3) - 1) + g / 6 (Wilson & Hilferty 1931); near g = 0 its expansion
    z - g (z^2 - 1) / 6 (Cornish & Fisher 1938).
    """
    small = np.abs(skewness) < 1e-5
    g = np.where(small, 1.0, skewness)
    bent = (6.0 / g) * (special.cbrt(1.0 + 0.5 * g * z) - 1.0) + g / 6.0
    return np.where(small, z - skewness * (z * z - 1.0) / 6.0, bent)
