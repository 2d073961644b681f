"""What a stage proposes, given where it stands and what is proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from releasectl.domain.decision import Allocation
from releasectl.domain.evidence import Evidence
from releasectl.domain.strategy import Stage


@dataclass(frozen=True)
class Proposal:
    """The next allocation, or ``finished``: the stage has all that it can get.

    ``step`` numbers the proposed allocation; ``lacking`` says, while neither applies, what is not proven.
    """

    allocation: Allocation | None = None
    step: int = 0
    finished: bool = False
    lacking: tuple[Evidence, ...] = ()


class Strategy(Protocol):
    """Functions of a stage; pure."""

    def first(self, stage: Stage, candidates: Sequence[str]) -> Allocation:
        """The first allocation."""
        ...

    def dwell(self, stage: Stage) -> timedelta:
        """The least time at each step."""
        ...

    def after(self, stage: Stage, step: int, candidates: Sequence[str], evidence: Sequence[Evidence]) -> Proposal:
        """What follows a step whose time and samples are there and in which no harm was shown."""
        ...

    def steps(self, stage: Stage) -> int:
        """How many steps it has, for showing progress."""
        ...
