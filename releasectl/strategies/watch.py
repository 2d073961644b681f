"""Watch: the candidate serves nearly everything, and what it replaces keeps a small share to be compared with."""

from __future__ import annotations

from datetime import timedelta

from releasectl.domain.base import WHOLE, format_duration
from releasectl.domain.decision import Allocation
from releasectl.domain.policy import Watch
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.strategies.base import Finish, Proposal, Situation, split
from releasectl.strategies.winner import suspected


class WatchStrategy:
    """Ends when its time has passed without proven harm, however little of it each metric could prove.

    The stages before have asked for proof; here time, samples and the guardrails of every trial are asked for.
    Stable is still what the manifest names, so harm is answered by an ordinary rollback and nothing is reverted.
    """

    gathers = True
    samples_each_step = True

    def first(self, stage: Watch, situation: Situation) -> Allocation:
        points = WHOLE - round(stage.keep * 100)
        return Allocation(shares=split(situation.candidates, points, rest=STABLE, whole=WHOLE))

    def dwell(self, stage: Watch) -> timedelta:
        return stage.for_

    def propose(self, stage: Watch, situation: Situation) -> Proposal:
        if waiting := suspected(situation):
            return waiting
        share = (WHOLE - situation.allocation.share(STABLE)) / 100
        message = f"watched for {format_duration(stage.for_)} at {share:g} % without harm"
        return Finish(tuple(situation.candidates), Reason.WATCH_PASSED, message)

    def steps(self, stage: Watch) -> int:
        return 1


watch = WatchStrategy()
