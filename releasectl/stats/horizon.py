"""A rule for a stage with a last tick: all of alpha is spent by then, and none on times that never come.

An always-valid rule keeps part of its error for looks after the last one. When the longest duration is
known, the ticks can be laid on a Brownian motion over (0, 1] instead, and the motion held against the
boundary c t^shape of Wang & Tsiatis (1987), calibrated for that interval. Each tick's increment is
standardised and scaled to a step of time that is fixed before its outcome: the share its variance has in
what is still expected (weights fixed from the past, as in Lehmacher & Wassmer 1999). So a ramp, a drift or
traffic that was misjudged moves efficiency, not the error, and the motion ends at 1 on the last tick.

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
from releasectl.stats.contrast import Claim, Comparable, Contrast, MarginKind, Worse
from releasectl.stats.determinism import Floats, at_least, exp, log, running_max
from releasectl.stats.dispersion import Heterogeneity, dispersion_factor
from releasectl.stats.fold import decoded, empty, encoded

_NOT_YET = -1e9


@dataclass(frozen=True)
class HorizonState(Heterogeneity):
    """``time`` t in [0, 1], ``position`` of the motion, ``third`` its third cumulant; ``score`` now and the
    largest, ``peak``, in units of the boundary's c."""

    ticks: int
    time: Floats
    position: Floats
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
    ``Moments`` or ``RatioMoments``. ``alpha`` is spent over ticks ``from_tick`` to ``last_tick``. ``plan``
    gives the information expected of each tick, in any unit (None: even); with a known ramp that is
    n_b n_c / (n_b + n_c) of each step. ``dispersion_from`` turns on the dispersion factor, and then no
    earlier tick is acted on.
    """

    last_tick: int
    alpha: float = 0.05
    claim: Claim = "worse"
    margin: float = 0.0
    margin_kind: MarginKind = "relative"
    worse: Worse = "lower"
    shape: float = 0.4
    from_tick: int = 5
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
        return power_boundary(alpha=self.alpha, shape=self.shape, first=self._first)

    def init(self, shape: tuple[int, ...] = ()) -> HorizonState:
        """Before any tick."""
        names = ("informative", "weight", "total", "variance", "q_ss", "q_sw", "q_ww")
        nothing = {name: empty(shape) for name in (*names, "time", "position", "third")}
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
        motion = self._motion(state, (s, v, k3), sums.variance)
        score = self._score(state.ticks, motion, sums)
        after = HorizonState(
            ticks=state.ticks + s.shape[-1],
            time=motion[0][..., -1],
            position=motion[1][..., -1],
            third=motion[2][..., -1],
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
        return crossing_probability(c=peak, shape=self.shape, first=self._first)

    @property
    def _first(self) -> float:
        # A quarter of what is planned for the first look, so that a slow beginning does not delay it.
        plan = self.plan or (1.0,) * self.last_tick
        return 0.25 * sum(plan[: self.first_look]) / sum(plan)

    def _motion(
        self, state: HorizonState, tick: tuple[Floats, Floats, Floats], variance: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Time, position and third cumulant after each tick."""
        s, v, k3 = tick
        plan = self.plan or (1.0,) * self.last_tick
        time, position, third = state.time, state.position, state.third
        out = np.empty((3, *s.shape))
        for t in range(s.shape[-1]):
            done = state.ticks + t + 1
            ahead = variance[..., t] * (sum(plan[done:]) / sum(plan[:done]))
            some = v[..., t] > 0
            variance_now = np.where(some, v[..., t], 1.0)
            share = np.where(some, (1.0 - time) * (variance_now / (variance_now + ahead)), 0.0)
            scale = np.sqrt(share / variance_now)
            time = time + share
            position = position + scale * s[..., t]
            third = third + scale * scale * scale * k3[..., t]
            out[0, ..., t], out[1, ..., t], out[2, ..., t] = time, position, third
        return out[0], out[1], out[2]

    def _score(self, ticks: int, motion: tuple[Floats, Floats, Floats], sums: Heterogeneity) -> Floats:
        """The motion over t^shape, without skewness and with the dispersion factor; very low before looks."""
        time, position, third = motion
        look = (ticks + 1 + np.arange(time.shape[-1]) >= self.first_look) & (time >= self._first)
        t = np.where(look, time, 1.0)
        z = position / np.sqrt(t)
        if self.dispersion_from is not None:
            z = z / np.sqrt(dispersion_factor(sums))
        z = symmetric(z, third / (t * np.sqrt(t)))
        return np.where(look, z * exp((0.5 - self.shape) * log(t)), _NOT_YET)


def symmetric(z: Floats, skewness: Floats) -> Floats:
    """A standardised score of this skewness g as a nearly normal one, increasing in z.

    (6 / g) ((1 + g z / 2)^(1/3) - 1) + g / 6 (Wilson & Hilferty 1931); near g = 0 its expansion
    z - g (z^2 - 1) / 6 (Cornish & Fisher 1938).
    """
    small = np.abs(skewness) < 1e-5
    g = np.where(small, 1.0, skewness)
    bent = (6.0 / g) * (special.cbrt(1.0 + 0.5 * g * z) - 1.0) + g / 6.0
    return np.where(small, z - skewness * (z * z - 1.0) / 6.0, bent)
