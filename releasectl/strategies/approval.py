"""Approval: waits for people while guardrails go on guarding.

Who somebody is rests on git: a person is the name, or the mail address, that commits and requests are signed
with, and whoever may push to the ledger may sign as anybody. Where that matters, protect the ledger branch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from releasectl.domain.decision import Allocation
from releasectl.domain.reasons import Reason
from releasectl.domain.strategy import Approval
from releasectl.strategies.base import Finish, Proposal, Situation, Wait
from releasectl.strategies.winner import suspected

Teams = Mapping[str, Sequence[str]]


class ApprovalStrategy:
    """Shares stay as they are. Approvals that have expired, or whose giver may no longer give them, do not count."""

    gathers = False
    samples_each_step = True

    def first(self, stage: Approval, situation: Situation) -> Allocation:
        return situation.allocation

    def dwell(self, stage: Approval) -> timedelta:
        return timedelta(0)

    def propose(self, stage: Approval, situation: Situation) -> Proposal:
        if lacking := approvals_lacking(stage, situation):
            return Wait(Reason.AWAITING_APPROVAL, lacking)
        if waiting := suspected(situation):
            return waiting
        message = f"approved by {', '.join(_approved(stage, situation))}"
        return Finish(tuple(situation.candidates), Reason.APPROVED, message)

    def steps(self, stage: Approval) -> int:
        return 1


def approvals_lacking(stage: Approval, situation: Situation) -> str:
    """How far the quorum is; empty once it is reached."""
    approved = _approved(stage, situation)
    if len(approved) >= stage.required:
        return ""
    who = f" of {', '.join(stage.from_)}" if stage.from_ else ""
    given = f"; so far {', '.join(approved)}" if approved else ""
    return f"{len(approved)} of {stage.required} approvals{who}{given}"


def may_not_vote(stage: Approval, person: str, teams: Teams) -> str:
    """Why this person has no say; empty if they have one."""
    if not stage.from_ or any(same_person(person, name) for name in people(stage, teams)):
        return ""
    return f"{person} is not one of {', '.join(stage.from_)}"


def may_not_approve(stage: Approval, person: str, teams: Teams, authors: Sequence[str]) -> str:
    """Why this person's approval does not count; empty if it does. An author may reject, not approve."""
    if stage.not_author and any(same_person(person, author) for author in authors):
        return f"{person} asked for the candidate, and somebody else must approve it"
    return may_not_vote(stage, person, teams)


def people(stage: Approval, teams: Teams) -> tuple[str, ...]:
    """The people that ``from`` names, teams resolved, each once."""
    return tuple(dict.fromkeys(name for entry in stage.from_ for name in teams.get(entry, (entry,))))


def same_person(one: str, other: str) -> bool:
    """Whether two signatures, ``Name`` or ``Name <mail>``, are of one person: the name or the mail is the same."""
    return bool(_marks(one) & _marks(other))


def _approved(stage: Approval, situation: Situation) -> list[str]:
    counted: list[str] = []
    for vote in situation.votes:
        expired = situation.now - vote.at > stage.expires
        if expired or may_not_approve(stage, vote.by, situation.teams, situation.authors):
            continue
        if not any(same_person(vote.by, known) for known in counted):
            counted.append(vote.by)
    return sorted(counted)


_SIGNATURE = re.compile(r"\s*(?P<name>[^<]*?)\s*(?:<(?P<mail>[^>]*)>)?\s*")


def _marks(signature: str) -> set[str]:
    found = _SIGNATURE.fullmatch(signature)
    parts = found.groups() if found else (signature,)
    return {part.casefold() for part in parts if part}


approval = ApprovalStrategy()
