"""Decisions that have acted and are not known to be recorded.

A rollback moves traffic before it is written to git. It is written to local memory first, so that neither a
crash nor a git host that is away can lose it: until its record lands it is in effect here, and every pass
tries to record it. If the ledger has moved on meanwhile it is void, and the release is decided anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from releasectl.controller.ledger import Ledger
from releasectl.controller.record import Entry
from releasectl.domain.decision import Allocation, EffectiveState
from releasectl.domain.release import STABLE
from releasectl.ports import EvidenceStore, Intent


class Pending:
    """Entries by release, kept in the store."""

    def __init__(self, store: EvidenceStore) -> None:
        self._store = store
        self._entries = {intent.decision.release: Entry(intent.decision, intent.record) for intent in store.intents()}

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What waits for its record."""
        return dict(self._entries)

    @property
    def states(self) -> dict[str, EffectiveState]:
        """States in effect although the ledger does not say so yet.

        Candidates that are still on trial get nothing meanwhile: nobody judges them until the record has landed.
        """
        return {
            name: _with_stable_alone(entry.decision.state)
            for name, entry in self._entries.items()
            if entry.decision.state
        }

    def begin(self, entry: Entry) -> None:
        """Write it down, durably, before it acts."""
        known = self._entries.get(entry.decision.release)
        if known and known.decision.id != entry.decision.id:
            self._store.finish(known.decision.id)
        self._store.begin(Intent(entry.decision, entry.record))
        self._entries[entry.decision.release] = entry

    def finish(self, release: str) -> None:
        """It is recorded, or void."""
        entry = self._entries.pop(release, None)
        if entry:
            self._store.finish(entry.decision.id)

    def settle(self, ledger: Ledger) -> list[str]:
        """Drop what the ledger has recorded or overtaken; returns the releases that were recorded."""
        recorded = []
        for release, entry in self.entries.items():
            state = ledger.states.get(release)
            if state and state.decision == entry.decision.id:
                recorded.append(release)
                self.finish(release)
            elif (state.decision if state else "") != _base(entry.record):
                self.finish(release)
        return recorded


def _with_stable_alone(state: EffectiveState) -> EffectiveState:
    return state.model_copy(update={"allocation": Allocation.all_to(STABLE), "mirrors": {}})


def _base(record: Mapping[str, Any]) -> str:
    state = record["given"]["state"]
    return str(state["decision"]) if state else ""
