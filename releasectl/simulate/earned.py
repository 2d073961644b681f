"""What the arms of many bandits earn at once.

Counts of a run are added up on arrays while they are of one epoch, and go through ``Rewards.fold`` of the run when
its posterior is asked for or another epoch begins: whole numbers add up to the same in any split. Counts that fade
are folded at every look, since how far they have faded depends on when they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from releasectl.domain.observation import Block, Counts, Values
from releasectl.domain.release import STABLE
from releasectl.domain.reward import ArmReward
from releasectl.domain.strategy import Bandit
from releasectl.evaluate.rewards import Rewards, rewards_of
from releasectl.simulate.case import Case
from releasectl.simulate.world import Counted, Ints, variants_of


class Earnings:
    """Rows are runs under way, in the order of the batch."""

    def __init__(self, case: Case, count: int) -> None:
        self._case, self._variants = case, variants_of(case.candidates)
        self._states: list[Mapping[str, Any] | None] = [None] * count
        self._counts = np.zeros((count, len(self._variants), 4), dtype=np.int64)
        """Trials, events, totals and squares that are not in the states yet."""
        self._epoch = np.full(count, -1, dtype=np.int64)

    def add(self, stage: Bandit, rows: Ints, counted: Mapping[str, Counted], at: datetime) -> None:
        """Add what became known at a look of runs that are in this stage."""
        known = counted.get(stage.objective)
        if known is None or not rows.size:
            return
        other = rows[(self._epoch[rows] != known.epoch[rows]) | (stage.half_life is not None)]
        for row in other.tolist():
            self._fold(row, stage, at)
        self._epoch[rows] = known.epoch[rows]
        self._counts[rows, :, 0] += known.trials[rows]
        self._counts[rows, :, 1] += known.events[rows]
        if known.values.shape[2]:
            self._counts[rows, :, 2:] += known.values[rows]
        if stage.half_life is not None:
            for row in rows.tolist():
                self._fold(row, stage, at)

    def read(self, row: int, stage: Bandit, candidates: Sequence[str], at: datetime) -> tuple[ArmReward, ...]:
        """What each arm of a run earns, stable's first."""
        self._fold(row, stage, at)
        rule = self._rule(stage, (STABLE, *candidates))
        return rule.read(self._states[row] or rule.fold(None, ()))

    def forget(self, row: int) -> None:
        """The run has left the stage."""
        self._states[row] = None
        self._counts[row], self._epoch[row] = 0, -1

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Go on with some of the runs."""
        self._states = [state for state, kept in zip(self._states, rows.tolist(), strict=True) if kept]
        self._counts, self._epoch = self._counts[rows], self._epoch[rows]

    def _fold(self, row: int, stage: Bandit, at: datetime) -> None:
        if self._epoch[row] < 0:
            return
        is_mean = self._case.desired.metrics[stage.objective].kind == "mean"
        arms = {
            name: Counts(trials=trials, events=events, values=Values(total=total, squares=squares) if is_mean else None)
            for name, (trials, events, total, squares) in zip(self._variants, self._counts[row].tolist(), strict=True)
        }
        block = Block(start_at=at, end_at=at, epoch=int(self._epoch[row]), arms=arms)
        self._states[row] = self._rule(stage, self._variants).fold(self._states[row], (block,))
        self._counts[row], self._epoch[row] = 0, -1

    def _rule(self, stage: Bandit, arms: tuple[str, ...]) -> Rewards:
        return rewards_of(stage, self._case.desired.metrics[stage.objective], arms)
