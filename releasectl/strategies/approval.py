"""Approval: waits for people while guardrails go on guarding."""

from __future__ import annotations

from datetime import datetime, timedelta

from releasectl.domain.decision import Allocation, PersonAction
from releasectl.domain.reasons import Reason
from releasectl.domain.strategy import Approval
from releasectl.strategies.base import Finish, Proposal, Refuse, Situation, Wait


class ApprovalStrategy:
    """Shares stay as they are. One rejection ends the trial; expired approvals do not count."""

    gathers = False

    def first(self, stage: Approval, situation: Situation) -> Allocation:
        return situation.allocation

    def dwell(self, stage: Approval) -> timedelta:
        return timedelta(0)

    def propose(self, stage: Approval, situation: Situation) -> Proposal:
        allowed = [vote for vote in situation.votes if not stage.from_ or vote.by in stage.from_]
        for vote in allowed:
            if vote.action is PersonAction.REJECT:
                return Refuse(Reason.REJECTED, f"{vote.by} rejected it" + (f": {vote.reason}" if vote.reason else ""))
        approved = sorted({vote.by for vote in allowed if _counts(stage, situation, vote.at)})
        if len(approved) < stage.required:
            who = f" of {', '.join(stage.from_)}" if stage.from_ else ""
            given = f"; so far {', '.join(approved)}" if approved else ""
            return Wait(Reason.AWAITING_APPROVAL, f"{len(approved)} of {stage.required} approvals{who}{given}")
        return Finish(tuple(situation.candidates), Reason.APPROVED, f"approved by {', '.join(approved)}")

    def steps(self, stage: Approval) -> int:
        return 1


def _counts(stage: Approval, situation: Situation, at: datetime) -> bool:
    return situation.now - at <= stage.expires


approval = ApprovalStrategy()
