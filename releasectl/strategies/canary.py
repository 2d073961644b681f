"""Canary: a growing share, step by step; the last step waits for proof."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from releasectl.domain.base import WHOLE
from releasectl.domain.decision import Allocation
from releasectl.domain.evidence import Evidence, Verdict
from releasectl.domain.release import STABLE
from releasectl.domain.strategy import Canary
from releasectl.strategies.base import Proposal


class CanaryStrategy:
    """Each candidate gets the step's share, stable the rest.

    Steps before the last are passed on time, samples and no sign of harm: small shares buy evidence for the
    next. The end of the stage asks for proof of every guardrail and objective.
    """

    def first(self, stage: Canary, candidates: Sequence[str]) -> Allocation:
        return self._allocation(stage.steps[0], candidates)

    def dwell(self, stage: Canary) -> timedelta:
        return stage.interval

    def after(self, stage: Canary, step: int, candidates: Sequence[str], evidence: Sequence[Evidence]) -> Proposal:
        if step + 1 < len(stage.steps):
            return Proposal(allocation=self._allocation(stage.steps[step + 1], candidates), step=step + 1)
        lacking = tuple(row for row in evidence if row.verdict is not Verdict.PASS)
        return Proposal(finished=not lacking and bool(evidence), step=step, lacking=lacking)

    def steps(self, stage: Canary) -> int:
        return len(stage.steps)

    @staticmethod
    def _allocation(percent: float, candidates: Sequence[str]) -> Allocation:
        share = round(percent * 100)
        shares = dict.fromkeys(candidates, share)
        return Allocation(shares={STABLE: WHOLE - share * len(candidates), **shares})


canary = CanaryStrategy()
