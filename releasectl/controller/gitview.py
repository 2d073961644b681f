"""Git as a controller follows it: both branches read incrementally, faults kept as values."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from releasectl.controller.backoff import Backoff
from releasectl.controller.believed import BelievedReader, PastReader
from releasectl.controller.desired import DesiredSet
from releasectl.controller.gitseen import GitFault, GitView
from releasectl.controller.ledger import LedgerReader
from releasectl.domain.reasons import Reason
from releasectl.errors import Conflict, Denied, Unavailable
from releasectl.ports import Clock, Commit, Heads, ReleaseRepo

log = structlog.get_logger(__name__)

PATIENCE = timedelta(seconds=2)
"""How long a pass waits for git before it goes on with what it knew."""


class GitWatcher:
    """Keeps a GitView up to date. Git runs in a thread: one call at a time.

    A slow git host must not keep the controller from guarding: git is waited for only ``patience``, and after
    a failure it is left alone for a while, ever longer (``Backoff``). A push that takes longer goes on by
    itself; what became of it is seen in the ledger, as after a push whose answer was lost.
    """

    def __init__(self, repo: ReleaseRepo, clock: Clock, *, patience: timedelta = PATIENCE) -> None:
        self._repo = repo
        self._believed = BelievedReader(repo)
        self._ledger = LedgerReader(repo)
        self._patience = patience.total_seconds()
        self._refreshing: asyncio.Task[GitView] | None = None
        self._pushing: asyncio.Task[Heads] | None = None
        self._backoff = Backoff(clock)
        self.view = GitView()

    async def refresh(self) -> GitView:
        """Fetch and read what is new. When git does not answer, the last view stays, with the fault."""
        if self._pushing is not None and not await self._has_pushed():
            return self.view
        if self._refreshing is None:
            if self._backoff.waiting:
                return self.view
            self._refreshing = asyncio.create_task(asyncio.to_thread(self._refreshed))
        done, _ = await asyncio.wait({self._refreshing}, timeout=self._patience)
        if not done:
            slow = GitFault(Reason.GIT_UNAVAILABLE, "the repository takes long to answer")
            self.view = replace(self.view, fault=slow)
            return self.view
        self.view = self._refreshing.result()
        self._refreshing = None
        fault = self.view.fault
        if fault is None:
            self._backoff.succeeded()
        else:
            self._backoff.failed(at_least=fault.retry_after)
        return self.view

    async def push(self, manifests: Sequence[Commit], ledger: Sequence[Commit]) -> None:
        """Push both branches on top of the view; the view then holds the new heads. Raises as the port does."""
        heads = self.view.heads
        if heads is None or self._busy or self._backoff.waiting:
            fault = self.view.fault
            raise Unavailable(fault.message if fault else "the repository has not been read yet")
        if self.view.fault and self.view.fault.reason is Reason.HISTORY_REWRITTEN:
            # Nothing is written on top of a history that lost commits until a person has accepted it.
            raise Denied(self.view.fault.message, hint=self.view.fault.hint)
        if manifests and (why := await asyncio.to_thread(self._trusted_push)):
            # An edit of ours that nobody believes would be undone by the next pass, and made again by the one after.
            raise Denied(why, hint="run with --sign-key, a key that the environment's signers name")
        pushing = asyncio.create_task(asyncio.to_thread(self._repo.push, heads, manifests=manifests, ledger=ledger))
        done, _ = await asyncio.wait({pushing}, timeout=self._patience)
        if not done:
            self._pushing = pushing
            raise Unavailable("the repository takes long to take a push", hint="it is looked for in the ledger")
        try:
            after = pushing.result()
        except Unavailable as error:
            self._backoff.failed(at_least=error.retry_after)
            raise
        self.view = await asyncio.to_thread(self._read, after)

    async def desired_at(self, revision: str) -> DesiredSet:
        """What an older commit asked for, as it was believed then."""
        return await asyncio.to_thread(PastReader(self._repo).read, revision)

    def _trusted_push(self) -> str:
        return self._believed.refuses(self._repo.public_key)

    @property
    def is_pushing(self) -> bool:
        """Whether a push goes on that took longer than a pass waits for one."""
        return self._pushing is not None

    @property
    def _busy(self) -> bool:
        return self._refreshing is not None or self._pushing is not None

    async def _has_pushed(self) -> bool:
        """Whether the push under way has ended, however it did: the ledger tells."""
        pushing = self._pushing
        if pushing is None:
            return True
        done, _ = await asyncio.wait({pushing}, timeout=self._patience)
        if not done:
            slow = GitFault(Reason.GIT_UNAVAILABLE, "the repository takes long to take a push")
            self.view = replace(self.view, fault=slow)
            return False
        self._pushing = None
        if error := pushing.exception():
            log.info("a push that took long has failed", error=str(error))
        return True

    async def blob(self, oid: str) -> bytes:
        """The content of one file."""
        return (await asyncio.to_thread(self._repo.read, [oid]))[oid]

    def _refreshed(self) -> GitView:
        try:
            heads = self._repo.fetch()
            return self._read(heads)
        except Unavailable as error:
            return self._faulty(GitFault(Reason.GIT_UNAVAILABLE, error.message, error.hint, error.retry_after))
        except Conflict as error:
            return self._faulty(GitFault(Reason.HISTORY_REWRITTEN, error.message, error.hint))
        except Denied as error:
            return self._faulty(GitFault(Reason.GIT_DENIED, error.message, error.hint))

    def _faulty(self, fault: GitFault) -> GitView:
        if self.view.heads is None and (known := self._repo.known()):
            # A controller that starts while git is away goes on from what its mirror holds.
            return replace(self._read(known), fault=fault)
        return replace(self.view, fault=fault)

    def _read(self, heads: Heads) -> GitView:
        view = self.view
        if heads == view.heads:
            return replace(view, fault=None)
        same = view.heads is not None and heads.manifests == view.heads.manifests
        desired = view.desired if same else self._believed.read(heads.manifests)
        return GitView(heads, desired, self._ledger.read(heads.ledger), None)
