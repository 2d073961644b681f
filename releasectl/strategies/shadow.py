"""Shadow: candidates answer copies of users' requests; nobody sees the answers until they are proven alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from releasectl.domain.decision import Allocation
from releasectl.domain.evidence import Verdict
from releasectl.domain.reasons import Reason
from releasectl.domain.release import STABLE
from releasectl.domain.strategy import Shadow, Stage
from releasectl.strategies.base import Finish, Proposal, Situation, Wait


class ShadowStrategy:
    """Stable answers everybody. The stage ends once every candidate that is left is proven to agree enough.

    One that is proven to disagree too much is taken back by its evidence, like one that breaks a guardrail.
    """

    gathers = True
    samples_each_step = True

    def first(self, stage: Shadow, situation: Situation) -> Allocation:
        return Allocation.all_to(STABLE)

    def dwell(self, stage: Shadow) -> timedelta:
        return stage.duration

    def propose(self, stage: Shadow, situation: Situation) -> Proposal:
        groups = stage.segments is not None and stage.segments.must_pass
        needed = [row for row in situation.evidence if groups or row.role != "segment"]
        open_rows = [row for row in needed if row.verdict is not Verdict.PASS]
        told = "; ".join(f"{row.candidate}: {row.summary}" for row in open_rows or needed)
        if open_rows or {row.candidate for row in situation.evidence} < set(situation.candidates):
            return Wait(Reason.AWAITING_EVIDENCE, told or "no answers have been compared yet")
        return Finish(tuple(situation.candidates), Reason.EVIDENCE_SUFFICIENT, told)

    def steps(self, stage: Shadow) -> int:
        return 1


def mirrors_of(stage: Stage, candidates: Sequence[str]) -> Mapping[str, int]:
    """Basis points of the entry's requests that are copied to each candidate; none outside a shadow stage."""
    return dict.fromkeys(candidates, round(stage.mirror * 100)) if isinstance(stage, Shadow) else {}


shadow = ShadowStrategy()
