"""What other shares would have earned, from the exposures of the shares that ran.

Every exposure was logged with the chance with which its variant was chosen, so it can be weighted to stand
for other chances. Three estimates that lean on different things, each with its standard error: they should
agree. None is given where too few exposures say anything about the shares that are asked for.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from releasectl import stats
from releasectl.domain.base import WHOLE
from releasectl.domain.decision import Allocation

PRIOR_TRIALS = 20.0
"""Exposures of the arm as a whole that a segment's mean starts from."""


class Exposure(NamedTuple):
    """One exposure whose outcome is known. ``segment`` is any key of its kind, empty if it has none."""

    variant: str
    propensity: float
    reward: float
    segment: str = ""


class Estimate(NamedTuple):
    """Rewards an exposure, and the standard error."""

    value: float
    se: float


@dataclass(frozen=True)
class Earned:
    """The answer. ``refused`` says why there are no ``estimates``; these are by name: ips, snips, dr."""

    rows: int
    effective_rows: float
    served: Estimate | None
    """What the shares that ran did earn."""
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    refused: str = ""


def would_have_earned(log: Sequence[Exposure], shares: Allocation) -> Earned:
    """Estimates for constant ``shares``. Exposures have a positive propensity, in the order they were made."""
    served = _mean([row.reward for row in log])
    seen = {row.variant for row in log}
    unseen = [name for name, share in shares.shares.items() if share and name not in seen]
    if log and unseen:
        why = f"no exposure of {', '.join(unseen)} is in the log, so nothing is known of what it earns"
        return Earned(len(log), 0.0, served, refused=why)
    arms = sorted(seen)
    given = {
        "action": [arms.index(row.variant) for row in log],
        "pscore": [row.propensity for row in log],
        "action_dist": [[shares.share(arm) / WHOLE for arm in arms]] * len(log),
    }
    gate = stats.gate(weights=stats.importance_weights(**given) if log else [])
    if not gate.allowed:
        return Earned(gate.rows, gate.effective_rows, served, refused=gate.reason)
    asked = {"reward": [row.reward for row in log], **given}
    modelled = {**asked, "q_hat": model(log, arms)}
    estimates = {
        "ips": Estimate(stats.ipw(**asked), stats.ipw_standard_error(**asked)),
        "snips": Estimate(stats.snipw(**asked), stats.snipw_standard_error(**asked)),
        "dr": Estimate(stats.dr(**modelled), stats.dr_standard_error(**modelled)),
    }
    return Earned(gate.rows, gate.effective_rows, served, estimates)


def model(log: Sequence[Exposure], arms: Sequence[str]) -> list[list[float]]:
    """A simple guess of every arm's reward for each row: the mean of its segment, drawn towards the arm's own.

    Rows of the even half are guessed from the odd one and the other way round, so no row guesses itself.
    """
    halves = [_Means(log[1::2]), _Means(log[0::2])]
    return [[halves[index % 2].of(arm, row.segment) for arm in arms] for index, row in enumerate(log)]


class _Means:
    """Mean rewards by arm, and by arm and segment."""

    def __init__(self, log: Sequence[Exposure]) -> None:
        self._sums: defaultdict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for row in log:
            for key in ((), (row.variant,), (row.variant, row.segment)):
                self._sums[key][0] += 1.0
                self._sums[key][1] += row.reward

    def of(self, arm: str, segment: str) -> float:
        """What an arm earns in a segment, as far as that was seen."""
        guess = 0.0
        for key in ((), (arm,), (arm, segment)):
            count, total = self._sums.get(key, (0.0, 0.0))
            guess = (total + PRIOR_TRIALS * guess) / (count + PRIOR_TRIALS)
        return guess


def _mean(values: Sequence[float]) -> Estimate | None:
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    spread = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Estimate(mean, math.sqrt(spread / len(values)))
