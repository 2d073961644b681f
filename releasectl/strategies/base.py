"""What a stage proposes, given where it stands and what is proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from releasectl.domain.decision import Allocation, PersonRequest, Progress
from releasectl.domain.evidence import Evidence
from releasectl.domain.policy import PolicySpec
from releasectl.domain.reasons import Reason
from releasectl.domain.reward import ArmReward


@dataclass(frozen=True)
class Situation:
    """All that a stage may look at. Evidence is of the candidates that are still on trial."""

    progress: Progress
    allocation: Allocation
    candidates: Sequence[str]
    evidence: Sequence[Evidence]
    policy: PolicySpec
    now: datetime
    teams: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Teams of the environment."""
    authors: Sequence[str] = ()
    """Who asked for the candidates, as ``Name <mail>``."""
    votes: Sequence[PersonRequest] = ()
    """Approvals and rejections of this trial that people have given."""
    rewards: Sequence[ArmReward] = ()
    """Stable's first, in a stage that earns."""


@dataclass(frozen=True)
class Move:
    """Go on with this allocation; ``step`` numbers it."""

    allocation: Allocation
    step: int
    reason: Reason
    message: str


@dataclass(frozen=True)
class Finish:
    """The stage has all that it can get. ``passing`` are the candidates that may go on, the best one first."""

    passing: tuple[str, ...]
    reason: Reason
    message: str


@dataclass(frozen=True)
class Wait:
    """Stay as it is."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Refuse:
    """End the trial."""

    reason: Reason
    message: str


Proposal = Move | Finish | Wait | Refuse


class Strategy(Protocol):
    """Functions of one kind of stage; pure. ``stage`` is of that kind."""

    gathers: bool
    """Whether a step must have its time, samples and readable metrics before ``propose`` is asked."""
    samples_each_step: bool
    """Whether these samples are asked for anew at each step; else the strategy asks for them itself."""

    def first(self, stage: Any, situation: Situation) -> Allocation:
        """The allocation it begins with."""
        ...

    def dwell(self, stage: Any) -> timedelta:
        """The least time at each step."""
        ...

    def propose(self, stage: Any, situation: Situation) -> Proposal:
        """What follows, when no check takes a candidate back and none holds it."""
        ...

    def steps(self, stage: Any) -> int:
        """How many steps it has, for showing progress; 0 where that is open."""
        ...


def split(candidates: Sequence[str], points: int, *, rest: str, whole: int) -> dict[str, int]:
    """``points`` shared out evenly, the remainder to the first of them; ``rest`` gets what is left of ``whole``."""
    each, over = divmod(points, len(candidates))
    shares = {name: each + (1 if index < over else 0) for index, name in enumerate(candidates)}
    return {rest: whole - points, **shares}


def of_candidate(evidence: Sequence[Evidence], candidate: str) -> list[Evidence]:
    """The rows about one candidate."""
    return [row for row in evidence if row.candidate == candidate]
