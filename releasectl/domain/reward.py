"""ArmReward: what a variant earns a request, and how likely it is to earn most."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from releasectl.domain.base import Model, Name


class ArmReward(Model):
    """The posterior of one arm of a bandit. Rewards are fractions of 1, or in the unit of the mean that is earned
    (negative where lower is better), less the arm's cost where it has one."""

    variant: Name
    trials: Annotated[int, Field(ge=0)]
    """Outcomes that count so far, however long ago."""
    mean: float
    """Posterior mean of the reward."""
    p_best: Annotated[float, Field(ge=0, le=1)]
    """The chance that no other arm earns more."""
    expected_loss: Annotated[float, Field(ge=0)]
    """What choosing this arm is expected to give up against the best one."""
    cost: float = 0.0
    """Price times cost of a request, taken off already."""
    unit: str | None = None
    """Of a mean, perhaps empty; None for a rate."""

    @property
    def scale(self) -> float:
        """What turns an amount of reward into how people write it: points of a rate, or the mean's own unit."""
        return 100 if self.unit is None else 1
