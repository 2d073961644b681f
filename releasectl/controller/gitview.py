"""Git as the controller sees it: both branches read incrementally, faults kept as values."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from releasectl.controller.desired import DesiredReader, DesiredSet
from releasectl.controller.ledger import Ledger, LedgerReader
from releasectl.domain.decision import EffectiveState
from releasectl.domain.reasons import Reason
from releasectl.errors import Conflict, Denied, Unavailable
from releasectl.ports import Commit, Heads, ReleaseRepo


@dataclass(frozen=True)
class GitFault:
    """Why git cannot be used now."""

    reason: Reason
    message: str
    hint: str = ""


@dataclass(frozen=True)
class GitView:
    """The last good look at git, and what went wrong since, if anything did."""

    heads: Heads | None = None
    desired: DesiredSet = field(default_factory=lambda: DesiredSet(""))
    ledger: Ledger = field(default_factory=Ledger)
    fault: GitFault | None = None


class GitWatcher:
    """Keeps a GitView up to date. Git runs in a thread: one call at a time."""

    def __init__(self, repo: ReleaseRepo) -> None:
        self._repo = repo
        self._desired = DesiredReader(repo)
        self._ledger = LedgerReader(repo)
        self.view = GitView()

    async def refresh(self) -> GitView:
        """Fetch and read what is new. When git does not answer, the last view stays, with the fault."""
        self.view = await asyncio.to_thread(self._refreshed)
        return self.view

    async def push(self, manifests: Sequence[Commit], ledger: Sequence[Commit]) -> None:
        """Push both branches on top of the view; the view then holds the new heads. Raises as the port does."""
        heads = self.view.heads
        if heads is None:
            raise Unavailable("the repository has not been read yet")
        after = await asyncio.to_thread(self._repo.push, heads, manifests=manifests, ledger=ledger)
        self.view = await asyncio.to_thread(self._read, after)

    async def blob(self, oid: str) -> bytes:
        """The content of one file."""
        return (await asyncio.to_thread(self._repo.read, [oid]))[oid]

    def _refreshed(self) -> GitView:
        try:
            heads = self._repo.fetch()
            return self._read(heads)
        except Unavailable as error:
            return self._faulty(Reason.GIT_UNAVAILABLE, error.message, error.hint)
        except (Denied, Conflict) as error:
            return self._faulty(Reason.GIT_DENIED, error.message, error.hint)

    def _faulty(self, reason: Reason, message: str, hint: str) -> GitView:
        return replace(self.view, fault=GitFault(reason, message, hint))

    def _read(self, heads: Heads) -> GitView:
        view = self.view
        if heads == view.heads:
            return replace(view, fault=None)
        same = view.heads is not None and heads.manifests == view.heads.manifests
        desired = view.desired if same else self._desired.read(heads.manifests)
        return GitView(heads, desired, self._ledger.read(heads.ledger), None)


def overlay(ledger: Ledger, pending: Mapping[str, EffectiveState]) -> dict[str, EffectiveState]:
    """States as they are in effect: those recorded, with decisions that have acted and wait for their record."""
    return {**ledger.states, **pending}
