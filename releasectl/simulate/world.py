"""A synthetic world: how many requests come, what goes wrong with them, and when that is known."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from releasectl.domain.base import WHOLE
from releasectl.domain.parts import Part, part_name
from releasectl.domain.release import STABLE

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Spread:
    """How the values of a mean vary: normally about it, counted in steps of this size."""

    sd: float
    step: float


@dataclass(frozen=True)
class Group:
    """Users who are counted apart: ``share`` of all requests, a fraction of 1, and the candidates' differences to
    stable among them where these are not those of everybody."""

    share: float
    effects: Mapping[str, float] = field(default_factory=dict)


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
    groups: Mapping[str, Group] = field(default_factory=dict)
    """By part, such as ``language=es``; whoever is in none of them is counted in the whole only."""

    def effect(self, variant: str) -> float:
        """The difference to stable in all requests together."""
        usual = self.effects.get(variant, 0.0)
        more = (group.share * (group.effects.get(variant, usual) - usual) for group in self.groups.values())
        return math.fsum((usual, *more))

    def of(self, variant: str, drift: float) -> float:
        """The rate or mean of a variant in all requests while everything is ``drift`` times its usual."""
        level = self.baseline * drift + self.effect(variant)
        return level if self.spread else min(max(level, 0.0), 1.0)

    @property
    def apart(self) -> Mapping[str, Rate]:
        """The rate in each group, and under an empty name that of everybody else."""
        told = {part: {**self.effects, **group.effects} for part, group in self.groups.items()}
        return {part: replace(self, effects=effects, groups={}) for part, effects in {**told, "": self.effects}.items()}


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

    @property
    def has_groups(self) -> bool:
        """Whether some metric is counted by groups of users."""
        return any(rate.groups for rate in self.rates.values())

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
        self._late: dict[str, deque[Counted]] = {}

    def draw(
        self, look: int, shares: Ints, epoch: Ints, mirrors: Ints | None = None
    ) -> tuple[Ints, dict[str, Counted]]:
        """Requests of this look by run and variant, and the counts that become known; a metric may have none.

        ``mirrors`` are basis points of all requests that are copied, like ``shares`` by run and variant.
        """
        total = round(self._world.requests_per_second * self._world.every.total_seconds())
        trials = self._rng.multinomial(total, shares / WHOLE)
        drift = self._world.drift_at(look)
        known, parts = {}, _Parts(self._rng, trials)
        for metric, rate in self._world.rates.items():
            levels = [rate.of(variant, drift) for variant in self._variants]
            if rate.groups:
                found = self._apart(metric, rate, drift, parts, epoch)
            elif rate.paired is None:
                found = {metric: self._counted(rate, levels, trials, epoch.copy())}
            else:
                copies = np.zeros_like(trials) if mirrors is None else self._rng.binomial(total, mirrors / WHOLE)
                found = {metric: self._of_pairs(rate, levels, copies, epoch.copy())}
            for name, counted in found.items():
                late = self._late.setdefault(name, deque())
                late.append(counted)
                if len(late) > math.ceil(rate.delay / self._world.every):
                    known[name] = late.popleft()
        return trials, known

    def _apart(self, metric: str, rate: Rate, drift: float, parts: _Parts, epoch: Ints) -> dict[str, Counted]:
        """The whole, which is the sum of the groups and of everybody else, and each group by itself."""
        trials, found = parts.of(rate.groups), dict[str, Counted]()
        for part, one in rate.apart.items():
            levels = [one.of(variant, drift) for variant in self._variants]
            found[part] = self._counted(one, levels, trials[part], epoch.copy())
        # Epochs are the same in all of them, and no sum.
        sums = (np.sum(one, axis=0) for one in zip(*found.values(), strict=True))
        whole = Counted(*sums)._replace(epoch=epoch.copy())
        return {metric: whole} | {part_name(metric, Part.parse(part)): one for part, one in found.items() if part}

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


class _Parts:
    """How the requests of a look fall into groups: metrics that are counted by the same ones see the same split."""

    def __init__(self, rng: np.random.Generator, trials: Ints) -> None:
        self._rng, self._trials = rng, trials
        self._known: dict[tuple[tuple[str, float], ...], Mapping[str, Ints]] = {}

    def of(self, groups: Mapping[str, Group]) -> Mapping[str, Ints]:
        """Requests of each group, and under an empty name of everybody else, by run and variant."""
        shares = tuple((part, group.share) for part, group in groups.items())
        if shares not in self._known:
            likely = [share for _, share in shares]
            found = self._rng.multinomial(self._trials, [*likely, max(0.0, 1.0 - math.fsum(likely))])
            self._known[shares] = {part: found[..., place] for place, part in enumerate((*groups, ""))}
        return self._known[shares]


def variants_of(candidates: Sequence[str]) -> tuple[str, ...]:
    """The order of columns."""
    return (STABLE, *candidates)
