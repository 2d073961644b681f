"""The repository as a proposal sees it, read through a mirror of the bots' own."""

from __future__ import annotations

import asyncio

from releasectl.controller.believed import BelievedReader
from releasectl.controller.ledger import LedgerReader
from releasectl.ports import Commit, ReleaseRepo
from releasectl.pulls.proposals import Seen


class Reading:
    """Reads incrementally: what did not change since the last look is not parsed again."""

    def __init__(self, repo: ReleaseRepo) -> None:
        self._repo = repo
        self._desired = BelievedReader(repo)
        self._ledger = LedgerReader(repo)

    async def look(self) -> Seen:
        """Manifests and states as they are on the host now. Raises Unavailable, Denied or Conflict."""
        return await asyncio.to_thread(self._look)

    async def branch(self, name: str, *, base: str, commit: Commit) -> None:
        """See ``Branches``."""
        await asyncio.to_thread(self._branch, name, base, commit)

    def _branch(self, name: str, base: str, commit: Commit) -> None:
        if self._repo.find_branch(name) is None:
            self._repo.propose(base, commit, branch=name)

    def _look(self) -> Seen:
        heads = self._repo.fetch()
        desired = self._desired.read(heads.manifests)
        ledger = self._ledger.read(heads.ledger)
        oids = {path: entry.oid for path, entry in desired.entries.items()}

        async def read(path: str) -> bytes | None:
            oid = oids.get(path)
            return (await asyncio.to_thread(self._repo.read, [oid]))[oid] if oid else None

        return Seen(heads.manifests, desired.catalog, ledger.states, read, desired.untrusted)
