"""A/B: fixed shares until the objectives are decided."""

from __future__ import annotations

from datetime import timedelta

from releasectl.domain.base import WHOLE
from releasectl.domain.decision import Allocation
from releasectl.domain.release import STABLE
from releasectl.domain.strategy import ABTest
from releasectl.strategies.base import Proposal, Situation, split
from releasectl.strategies.winner import finish_or_wait


class ABTestStrategy:
    """Shares never move, so that a unit keeps its variant; the end asks for proof."""

    gathers = True
    samples_each_step = True

    def first(self, stage: ABTest, situation: Situation) -> Allocation:
        points = round(stage.share * 100)
        return Allocation(shares=split(situation.candidates, points, rest=STABLE, whole=WHOLE))

    def dwell(self, stage: ABTest) -> timedelta:
        return stage.duration

    def propose(self, stage: ABTest, situation: Situation) -> Proposal:
        return finish_or_wait(situation)

    def steps(self, stage: ABTest) -> int:
        return 1


abtest = ABTestStrategy()
