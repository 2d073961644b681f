"""A synthetic world: how many requests come, what goes wrong with them, and when that is known."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from releasectl.domain.base import WHOLE
from releasectl.domain.release import STABLE

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Spread:
    """How the values of a mean vary: normally about it, counted in steps of this size."""

    sd: float
    step: float


@dataclass(frozen=True)
class Rate:
    """The rate of one metric's events, or the mean of its values. ``effects`` are differences to stable, by
    candidate."""

    baseline: float
    effects: Mapping[str, float] = field(default_factory=dict)
    delay: timedelta = timedelta(0)
    """Outcomes are known this much after the request, of every variant alike."""
    spread: Spread | None = None
    """Of a mean."""
    paired: Literal["agreement", "errors", "slower"] | None = None
    """What is counted of the pairs of a shadow stage. Of ``errors`` the baseline is how often either one fails alone,
    and an effect is what comes to the candidate's failures."""

    def of(self, variant: str, drift: float) -> float:
        """The rate or mean of a variant while everything is ``drift`` times its usual."""
        level = self.baseline * drift + self.effects.get(variant, 0.0)
        return level if self.spread else min(max(level, 0.0), 1.0)


@dataclass(frozen=True)
class World:
    """``drift`` swings all rates up and down together by this part of themselves, once in ``period``."""

    requests_per_second: float
    rates: Mapping[str, Rate]
    every: timedelta
    """Time between looks."""
    looks: int
    drift: float = 0.0
    period: timedelta = timedelta(days=1)

    def drift_at(self, look: int) -> float:
        """By what the rates are multiplied in the interval that ends with this look."""
        turn = (look - 0.5) * (self.every / self.period)
        return 1.0 + self.drift * math.sin(2.0 * math.pi * turn)


class Counted(NamedTuple):
    """Counts of one metric that become known at a look, by run and variant, and when they were exposed."""

    trials: Ints
    events: Ints
    epoch: Ints
    """Epoch of the exposures, by run."""
    values: Ints
    """Totals and squares in steps, on a third axis, which is empty for a proportion."""
    opposite: Ints
    """Of pairs, the opposite of events; else 0."""


class Arrivals:
    """Requests and outcomes, look by look, for as many runs as there are rows of shares."""

    def __init__(self, world: World, variants: Sequence[str], seed: Sequence[int]) -> None:
        self._world, self._variants = world, variants
        self._rng = np.random.default_rng(list(seed))
        self._late: dict[str, deque[Counted]] = {metric: deque() for metric in world.rates}

    def draw(
        self, look: int, shares: Ints, epoch: Ints, mirrors: Ints | None = None
    ) -> tuple[Ints, dict[str, Counted]]:
        """Requests of this look by run and variant, and the counts that become known; a metric may have none.

        ``mirrors`` are basis points of all requests that are copied, like ``shares`` by run and variant.
        """
        total = round(self._world.requests_per_second * self._world.every.total_seconds())
        trials = self._rng.multinomial(total, shares / WHOLE)
        drift = self._world.drift_at(look)
        known = {}
        for metric, rate in self._world.rates.items():
            levels = [rate.of(variant, drift) for variant in self._variants]
            late = self._late[metric]
            if rate.paired is None:
                late.append(self._counted(rate, levels, trials, epoch.copy()))
            else:
                copies = np.zeros_like(trials) if mirrors is None else self._rng.binomial(total, mirrors / WHOLE)
                late.append(self._of_pairs(rate, levels, copies, epoch.copy()))
            if len(late) > math.ceil(rate.delay / self._world.every):
                known[metric] = late.popleft()
        return trials, known

    def _counted(self, rate: Rate, levels: Sequence[float], trials: Ints, epoch: Ints) -> Counted:
        none = np.zeros_like(trials)
        if rate.spread is not None:
            return Counted(trials, none, epoch, self._values(trials, levels, rate.spread), none)
        return Counted(trials, self._rng.binomial(trials, levels), epoch, np.zeros((*trials.shape, 0), np.int64), none)

    def _of_pairs(self, rate: Rate, levels: Sequence[float], copies: Ints, epoch: Ints) -> Counted:
        found = self._counted(rate, levels, copies, epoch)
        if rate.paired != "errors":
            return found
        return found._replace(opposite=self._rng.binomial(copies - found.events, rate.baseline))

    def _values(self, trials: Ints, levels: Sequence[float], spread: Spread) -> Ints:
        """Totals and squares of so many normal values, drawn as what is known of the two together: the mean is
        normal, and the squares about it, over the variance, are chi-square, independent of it."""
        n = np.maximum(trials, 1)
        sd = spread.sd / spread.step
        mean = np.array(levels) / spread.step + sd / np.sqrt(n) * self._rng.standard_normal(trials.shape)
        about = sd * sd * 2.0 * self._rng.standard_gamma(np.maximum(n - 1, 0) / 2)
        found = np.stack([n * mean, n * mean * mean + about], axis=-1)
        return np.where(trials[..., None] > 0, np.rint(found), 0).astype(np.int64)

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Go on with some of the runs."""
        for metric, late in self._late.items():
            self._late[metric] = deque(Counted(*(part[rows] for part in counted)) for counted in late)


def variants_of(candidates: Sequence[str]) -> tuple[str, ...]:
    """The order of columns."""
    return (STABLE, *candidates)
