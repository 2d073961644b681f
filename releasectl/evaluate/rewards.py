"""What each arm of a bandit earns a request: posteriors, chances of being best, expected losses.

An outcome is credited to the arm and to the allocation epoch at exposure, whenever it arrives, so late
rewards change nothing but the time at which they are known. Rates are compared inside an epoch and the
epochs added up with the same weights for every arm: totals of arms whose shares changed would take a good
hour in which one arm had more requests for a good arm.

The state is plain JSON: counts by epoch and arm, or sums of values where a mean is earned. Without a half-life
they are integers; with one they fade with the time between looks, from when an outcome is counted.

Every move of shares adds an epoch, and late outcomes may still come to any of them, so none is merged. An epoch of
three arms is 65 bytes, and moves are at least ``minShift``: 3 kB after 50 of them, where a trial makes some 20.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from releasectl import stats
from releasectl.domain.base import digest_of, format_duration, format_time
from releasectl.domain.metric import Clip, Metric
from releasectl.domain.observation import Block, Counts, Values
from releasectl.domain.reward import ArmReward
from releasectl.domain.strategy import Bandit

FADED = 1e-3
"""Trials of an epoch below which it is forgotten."""

State = Mapping[str, Any]
Cell = Sequence[float]
"""Trials and good outcomes of one arm in one epoch; of a mean trials, total and squares, in steps of its clip."""


@dataclass(frozen=True)
class Rewards:
    """How rewards of ``arms`` are counted. ``costs`` is taken off the reward of each arm, in rewards a request."""

    objective: str
    direction: Literal["lower", "higher"]
    arms: tuple[str, ...]
    half_life: timedelta | None
    costs: tuple[float, ...]
    clip: Clip | None = None
    """Of a mean."""
    unit: str | None = None

    @property
    def key(self) -> str:
        """Where the state is kept. Arms may leave and costs may change without a new beginning."""
        rules: list[Any] = [self.direction, format_duration(self.half_life) if self.half_life else ""]
        rules += [self.clip.to_data()] if self.clip else []
        return f"reward/{self.objective}/{digest_of(rules).removeprefix('sha256:')[:8]}"

    def fold(self, state: State | None, blocks: Sequence[Block]) -> State:
        """The state with the blocks added, one after the other, so that any split gives the same bits."""
        state = state or {"at": None, "seen": {}, "epochs": {}}
        seen = dict(state["seen"])
        epochs = {epoch: {arm: list(cell) for arm, cell in cells.items()} for epoch, cells in state["epochs"].items()}
        at = None if state["at"] is None else datetime.fromisoformat(state["at"])
        for block in blocks:
            end = _as_recorded(block.end_at)
            if self.half_life and at and end > at:
                epochs = _faded(epochs, 0.5 ** ((end - at) / self.half_life))
            at = end if at is None else max(at, end)
            cells = epochs.setdefault(str(block.epoch), {})
            for arm, counts in block.arms.items():
                new = self._cell(counts)
                cells[arm] = [had + more for had, more in zip(cells.get(arm, [0] * len(new)), new, strict=True)]
                seen[arm] = seen.get(arm, 0) + counts.trials
        return {"at": at and format_time(at), "seen": seen, "epochs": epochs}

    def read(self, state: State) -> tuple[ArmReward, ...]:
        """What the state says of every arm. Without an outcome of each in some epoch, arms are equal."""
        return self._read_means(state, self.clip) if self.clip else self._read_rates(state)

    def _read_rates(self, state: State) -> tuple[ArmReward, ...]:
        posterior = [_beta(cell) for cell in _standardised(state["epochs"], self.arms)]
        a, b = [one for one, _ in posterior], [other for _, other in posterior]
        net = any(self.costs)
        found = stats.prob_best_net(a=a, b=b, cost=self.costs) if net else stats.prob_best_beta(a=a, b=b)
        return tuple(
            ArmReward(
                variant=arm,
                trials=state["seen"].get(arm, 0),
                mean=round(a[i] / (a[i] + b[i]) - self.costs[i], 9),
                p_best=round(min(1.0, float(found.p_best[i])), 9),
                expected_loss=round(float(found.expected_loss[i]), 9),
                cost=self.costs[i],
            )
            for i, arm in enumerate(self.arms)
        )

    def _read_means(self, state: State, clip: Clip) -> tuple[ArmReward, ...]:
        found = _mean_posteriors(state["epochs"], self.arms)
        sign = clip.step if self.direction == "higher" else -clip.step
        if found is None:
            # Whatever is chosen may be the worst there is.
            equal, most = 1 / len(self.arms), clip.high - clip.low
            middle = (clip.low + clip.high) / 2 * (1 if self.direction == "higher" else -1)
            rows = [(middle - cost, equal, most) for cost in self.costs]
        else:
            means = [sign * mean - cost for (mean, _), cost in zip(found, self.costs, strict=True)]
            best = stats.prob_best_normal(mean=means, sd=[clip.step * sd for _, sd in found])
            rows = list(zip(means, best.p_best.tolist(), best.expected_loss.tolist(), strict=True))
        return tuple(
            ArmReward(
                variant=arm,
                trials=state["seen"].get(arm, 0),
                mean=round(mean, 9),
                p_best=round(min(1.0, p_best), 9),
                expected_loss=round(loss, 9),
                cost=cost,
                unit=self.unit,
            )
            for arm, cost, (mean, p_best, loss) in zip(self.arms, self.costs, rows, strict=True)
        )

    def _cell(self, counts: Counts) -> Cell:
        if self.clip is not None:
            values = counts.values or Values()
            return counts.trials, values.total, values.squares
        return counts.trials, counts.events if self.direction == "higher" else counts.trials - counts.events


def rewards_of(stage: Bandit, metric: Metric, arms: tuple[str, ...]) -> Rewards:
    """The rules of a stage."""
    cost = stage.cost
    costs = tuple(cost.price * cost.per_request.get(arm, 0.0) if cost else 0.0 for arm in arms)
    unit = metric.unit if metric.clip else None
    return Rewards(stage.objective, metric.direction, arms, stage.half_life, costs, metric.clip, unit)


Epochs = Mapping[str, Mapping[str, Cell]]


def _weighted(epochs: Epochs, arms: Sequence[str]) -> tuple[list[Mapping[str, Cell]], list[float]]:
    """The epochs in which every arm has outcomes, and their weights."""
    ordered = [epochs[epoch] for epoch in sorted(epochs, key=int)]
    whole = [cells for cells in ordered if all(arm in cells and cells[arm][0] > 0 for arm in arms)]
    return whole, [1.0 / math.fsum(1.0 / cells[arm][0] for arm in arms) for cells in whole]


def _standardised(epochs: Epochs, arms: Sequence[str]) -> list[tuple[float, float]]:
    """Effective trials and good outcomes of each arm.

    Direct standardisation: every arm's rate is the mean of its rates in the epochs under common weights,
    1 / sum of 1/n over the arms, for which the variances add up to least. Effective trials are those of a
    binomial with the variance that the mean has. In a single epoch they are the counts themselves.
    """
    whole, weights = _weighted(epochs, arms)
    if len(whole) == 1:
        return [(whole[0][arm][0], whole[0][arm][1]) for arm in arms]
    total = math.fsum(weights)
    found = []
    for arm in arms:
        mean = math.fsum(w * cells[arm][1] / cells[arm][0] for w, cells in zip(weights, whole, strict=True))
        spread = math.fsum(w * w / cells[arm][0] for w, cells in zip(weights, whole, strict=True))
        trials = total * total / spread if whole else 0.0
        found.append((trials, trials * mean / total if whole else 0.0))
    return found


def _mean_posteriors(epochs: Epochs, arms: Sequence[str]) -> list[tuple[float, float]] | None:
    """Mean and standard deviation of each arm's posterior under a flat prior; None while that cannot be told.

    Means are standardised like rates. The posterior is Student's t; a normal with its standard deviation stands for
    it, which is the same from some dozens of values on. The variance is taken inside arms and epochs, and no arm's
    is less than that of all arms together: of skewed values a small arm misses the large ones, and would be sure of a
    mean that is too low.
    """
    whole, weights = _weighted(epochs, arms)
    free = {arm: math.fsum(max(cells[arm][0] - 1, 0.0) for cells in whole) for arm in arms}
    about = {arm: math.fsum(_about_mean(cells[arm]) for cells in whole) for arm in arms}
    if not whole or min(free.values()) <= 2 or not math.fsum(about.values()):
        return None
    together = math.fsum(about.values()) / math.fsum(free.values())
    total = math.fsum(weights)
    found = []
    for arm in arms:
        mean = math.fsum(w * cells[arm][1] / cells[arm][0] for w, cells in zip(weights, whole, strict=True)) / total
        spread = math.fsum(w * w / cells[arm][0] for w, cells in zip(weights, whole, strict=True)) / (total * total)
        variance = max(about[arm] / free[arm], together) * free[arm] / (free[arm] - 2)
        found.append((mean, math.sqrt(variance * spread)))
    return found


def _about_mean(cell: Cell) -> float:
    trials, total, squares = cell
    return max(squares - total * total / trials, 0.0) if trials > 1 else 0.0


def _as_recorded(at: datetime) -> datetime:
    """To the millisecond, as records have it: blocks that were read back must fade the counts by the same bits."""
    return datetime.fromisoformat(format_time(at))


def _beta(cell: tuple[float, float]) -> tuple[float, float]:
    """The posterior under the uniform prior."""
    trials, good = cell
    return 1.0 + good, 1.0 + max(trials - good, 0.0)


def _faded(epochs: Epochs, factor: float) -> dict[str, dict[str, list[float]]]:
    """Every count times ``factor``; an epoch of which nothing is left goes."""
    kept = {
        epoch: {arm: [factor * count for count in cell] for arm, cell in cells.items()}
        for epoch, cells in epochs.items()
    }
    return {epoch: cells for epoch, cells in kept.items() if sum(cell[0] for cell in cells.values()) >= FADED}
