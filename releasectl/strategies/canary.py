"""Canary: a growing share, step by step; the last step waits for proof."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from releasectl.domain.base import WHOLE
from releasectl.domain.decision import Allocation
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.domain.strategy import Canary
from releasectl.strategies.base import Move, Proposal, Situation, split
from releasectl.strategies.winner import finish_or_wait


class CanaryStrategy:
    """Candidates share the step's percentage evenly, stable has the rest.

    Steps before the last are passed on time, samples and no sign of harm: small shares buy evidence for the
    next. The end of the stage asks for proof of every guardrail and objective.
    """

    gathers = True
    samples_each_step = True

    def first(self, stage: Canary, situation: Situation) -> Allocation:
        return _shares(stage.shares[0], situation.candidates)

    def dwell(self, stage: Canary) -> timedelta:
        return stage.interval

    def propose(self, stage: Canary, situation: Situation) -> Proposal:
        step = situation.progress.step
        if step + 1 == len(stage.shares):
            return finish_or_wait(situation)
        allocation = _shares(stage.shares[step + 1], situation.candidates)
        message = f"step {step + 1} of {len(stage.shares)} passed; now {allocation}"
        return Move(allocation, step + 1, Reason.STEP_PASSED, message)

    def steps(self, stage: Canary) -> int:
        return len(stage.shares)


def _shares(percent: float, candidates: Sequence[str]) -> Allocation:
    return Allocation(shares=split(candidates, round(percent * 100), rest=STABLE, whole=WHOLE))


canary = CanaryStrategy()
