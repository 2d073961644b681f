"""A person's request becomes a commit on the ledger, however they made it: on a command line or in a comment.

What would change nothing is not written: the answer says why instead. A vote is bound to the trial and to the
candidates that its giver sees now.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from releasectl.controller.gates import has_gate_ahead
from releasectl.controller.ledger import Ledger, LedgerReader, asked_path, dump, request_path
from releasectl.domain.decision import EffectiveState, PersonAction, PersonRequest
from releasectl.errors import Conflict, UsageError
from releasectl.ports import Commit, Heads, ReleaseRepo

RACES = 8


@dataclass(frozen=True)
class Asking:
    """A request to be made. ``trial`` and ``candidates`` of the request are filled in where it has none."""

    release: str
    request: PersonRequest
    once: bool = False
    """Leave a mark in the same commit, so that a request of this id is never made again, answered or not."""

    @property
    def message(self) -> str:
        one = self.request
        via = f"\n\nAsked {one.via}." if one.via else ""
        return (
            f"release({self.release}): {one.by} asks for {one.action}"
            + (f"\n\n{one.reason}" if one.reason else "")
            + via
        )


@dataclass(frozen=True)
class Asked:
    """What became of it: the request as it stands in the ledger, or why there is nothing to ask."""

    request: PersonRequest | None
    nothing: str = ""
    again: bool = False
    """It was asked before, and nothing was written now."""


def ask(repo: ReleaseRepo, reader: LedgerReader, asking: Asking, *, where: str) -> Asked:
    """Write the request; tried again where others push at the same time.

    Raises UsageError for a release that the ledger does not know; ``where`` names the repository in its text.
    """
    for attempt in range(RACES):
        heads = repo.fetch()
        ledger = reader.read(heads.ledger)
        mark = asked_path(asking.release, asking.request.id)
        if asking.once and heads.ledger and mark in repo.tree(heads.ledger):
            return Asked(asking.request, again=True)
        state = known_state(ledger, asking.release, where)
        if nothing := _why_not(repo, heads, ledger, state, asking.request.action):
            return Asked(None, nothing)
        request = asking.request
        if not request.candidates:
            request = request.model_copy(update=seen(state, request.action))
        try:
            writes = {request_path(asking.release, request.id): dump(request)}
            if asking.once:
                writes[mark] = dump(request)
            repo.push(heads, ledger=[Commit(asking.message, writes)])
            return Asked(request)
        except Conflict:
            time.sleep(0.05 * (attempt + 1))
    raise Conflict("the ledger is too busy; nothing was asked", hint="try again")


def known_state(ledger: Ledger, release: str, where: str) -> EffectiveState:
    """The state of a release; UsageError if the ledger has none."""
    state = ledger.states.get(release)
    if state is None:
        names = ", ".join(sorted(ledger.states)[:10]) or "none"
        raise UsageError(
            f"the ledger of {where} knows no release {release!r}",
            hint=f"it knows: {names}; a release is known once a controller has adopted it",
        )
    return state


def seen(state: EffectiveState, action: PersonAction) -> Mapping[str, object]:
    """What a vote is about: the trial and the candidates that its giver sees."""
    if action not in (PersonAction.APPROVE, PersonAction.REJECT) or state.progress is None:
        return {}
    identities = tuple(state.variants[name].identity for name in state.candidates)
    return {"trial": state.progress.first_epoch, "candidates": identities}


def _why_not(repo: ReleaseRepo, heads: Heads, ledger: Ledger, state: EffectiveState, action: PersonAction) -> str:
    asked = [waiting.action for waiting in ledger.requests.get(state.release, ())]
    return _pointless(state, action, asked) or _no_gate(repo, heads, state, action)


def _pointless(state: EffectiveState, action: PersonAction, asked: Sequence[PersonAction]) -> str:
    """Why there is nothing to ask for. What is ``asked`` will be answered before it."""
    match action:
        case PersonAction.ROLLBACK | PersonAction.PROMOTE | PersonAction.APPROVE | PersonAction.REJECT if (
            state.progress is None
        ):
            return "nothing is on trial"
        case PersonAction.PAUSE if state.suspension and PersonAction.RESUME not in asked:
            return f"is paused already, by {state.suspension.by}"
        case PersonAction.RESUME if not state.suspension and PersonAction.PAUSE not in asked:
            return "is not paused"
        case PersonAction.LIFT if not state.quarantine:
            return "nothing is held"
        case _:
            return ""


def _no_gate(repo: ReleaseRepo, heads: Heads, state: EffectiveState, action: PersonAction) -> str:
    """Why a vote is pointless although something is on trial."""
    if action not in (PersonAction.APPROVE, PersonAction.REJECT) or has_gate_ahead(repo, heads, state):
        return ""
    instead = "promote" if action is PersonAction.APPROVE else "rollback"
    return f"no approval waits or is to come in this trial; see `releasectl {instead}`"
