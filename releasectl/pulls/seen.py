"""The repository as a proposal sees it, read through a mirror of the bots' own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from releasectl.controller.believed import BelievedReader
from releasectl.controller.ledger import LedgerReader
from releasectl.errors import ManifestError
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

    async def branch(self, name: str, *, base: str, commit: Commit, path: str, again: Callable[[bytes], bytes]) -> None:
        """See ``Branches``."""
        await asyncio.to_thread(self._branch, name, base, commit, path, again)

    def _branch(self, name: str, base: str, commit: Commit, path: str, again: Callable[[bytes], bytes]) -> None:
        there = self._repo.find_branch(name)
        if there is None or self._is_behind(there, base, path, again):
            self._repo.propose(base, commit, branch=name, replaces=there)

    def _is_behind(self, there: str, base: str, path: str, again: Callable[[bytes], bytes]) -> bool:
        """Whether a branch holds just what was proposed, of a file that has changed since."""
        begun = self._repo.log(there, limit=2)[-1].sha
        before, after = dict(self._repo.tree(begun)), dict(self._repo.tree(there))
        old, new, now = before.pop(path, None), after.pop(path, None), self._repo.tree(base).get(path)
        if old is None or new is None or now is None or old.oid == now.oid or before != after:
            return False
        contents = self._repo.read({old.oid, new.oid})
        try:
            return again(contents[old.oid]) == contents[new.oid]
        except ManifestError:
            return False

    def _look(self) -> Seen:
        heads = self._repo.fetch()
        desired = self._desired.read(heads.manifests)
        ledger = self._ledger.read(heads.ledger)
        oids = {path: entry.oid for path, entry in desired.entries.items()}

        async def read(path: str) -> bytes | None:
            oid = oids.get(path)
            return (await asyncio.to_thread(self._repo.read, [oid]))[oid] if oid else None

        return Seen(heads.manifests, desired.catalog, ledger.states, read, desired.untrusted)
