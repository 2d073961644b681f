"""What each arm of a bandit earns a request: posteriors, chances of being best, expected losses.

An outcome is credited to the arm and to the allocation epoch at exposure, whenever it arrives, so late
rewards change nothing but the time at which they are known. Rates are compared inside an epoch and the
epochs added up with the same weights for every arm: totals of arms whose shares changed would take a good
hour in which one arm had more requests for a good arm.

The state is plain JSON: counts by epoch and arm. Without a half-life they are integers; with one they fade
with the time between looks, from when an outcome is counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from releasectl import stats
from releasectl.domain.base import digest_of, format_duration, format_time
from releasectl.domain.metric import Metric
from releasectl.domain.observation import Block, Counts
from releasectl.domain.reward import ArmReward
from releasectl.domain.strategy import Bandit

FADED = 1e-3
"""Trials of an epoch below which it is forgotten."""

State = Mapping[str, Any]
Cell = tuple[float, float]
"""Trials and good outcomes of one arm in one epoch."""


@dataclass(frozen=True)
class Rewards:
    """How rewards of ``arms`` are counted. ``costs`` is taken off the reward of each arm, in rewards a request."""

    objective: str
    direction: Literal["lower", "higher"]
    arms: tuple[str, ...]
    half_life: timedelta | None
    costs: tuple[float, ...]

    @property
    def key(self) -> str:
        """Where the state is kept. Arms may leave and costs may change without a new beginning."""
        fading = format_duration(self.half_life) if self.half_life else ""
        return f"reward/{self.objective}/{digest_of([self.direction, fading]).removeprefix('sha256:')[:8]}"

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
                cell = cells.setdefault(arm, [0, 0])
                cells[arm] = [cell[0] + counts.trials, cell[1] + self._good(counts)]
                seen[arm] = seen.get(arm, 0) + counts.trials
        return {"at": at and format_time(at), "seen": seen, "epochs": epochs}

    def read(self, state: State) -> tuple[ArmReward, ...]:
        """What the state says of every arm. Without an outcome of each in some epoch, arms are equal."""
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

    def _good(self, counts: Counts) -> int:
        return counts.events if self.direction == "higher" else counts.trials - counts.events


def rewards_of(stage: Bandit, metric: Metric, arms: tuple[str, ...]) -> Rewards:
    """The rules of a stage."""
    cost = stage.cost
    costs = tuple(cost.price * cost.per_request.get(arm, 0.0) if cost else 0.0 for arm in arms)
    return Rewards(stage.objective, metric.direction, arms, stage.half_life, costs)


def _standardised(epochs: Mapping[str, Mapping[str, Sequence[float]]], arms: Sequence[str]) -> list[Cell]:
    """Effective trials and good outcomes of each arm.

    Direct standardisation: every arm's rate is the mean of its rates in the epochs under common weights,
    1 / sum of 1/n over the arms, for which the variances add up to least. Effective trials are those of a
    binomial with the variance that the mean has. In a single epoch they are the counts themselves.
    """
    ordered = [epochs[epoch] for epoch in sorted(epochs, key=int)]
    whole = [cells for cells in ordered if all(arm in cells and cells[arm][0] > 0 for arm in arms)]
    if len(whole) == 1:
        return [(whole[0][arm][0], whole[0][arm][1]) for arm in arms]
    weights = [1.0 / math.fsum(1.0 / cells[arm][0] for arm in arms) for cells in whole]
    total = math.fsum(weights)
    found = []
    for arm in arms:
        mean = math.fsum(w * cells[arm][1] / cells[arm][0] for w, cells in zip(weights, whole, strict=True))
        spread = math.fsum(w * w / cells[arm][0] for w, cells in zip(weights, whole, strict=True))
        trials = total * total / spread if whole else 0.0
        found.append((trials, trials * mean / total if whole else 0.0))
    return found


def _as_recorded(at: datetime) -> datetime:
    """To the millisecond, as records have it: blocks that were read back must fade the counts by the same bits."""
    return datetime.fromisoformat(format_time(at))


def _beta(cell: Cell) -> Cell:
    """The posterior under the uniform prior."""
    trials, good = cell
    return 1.0 + good, 1.0 + max(trials - good, 0.0)


def _faded(epochs: Mapping[str, Mapping[str, Sequence[float]]], factor: float) -> dict[str, dict[str, list[float]]]:
    """Every count times ``factor``; an epoch of which nothing is left goes."""
    kept = {
        epoch: {arm: [factor * count for count in cell] for arm, cell in cells.items()}
        for epoch, cells in epochs.items()
    }
    return {epoch: cells for epoch, cells in kept.items() if sum(cell[0] for cell in cells.values()) >= FADED}
