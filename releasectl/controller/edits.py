"""Manifests as the decisions of a pass leave them: several decisions may edit the same file, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from releasectl.controller.record import Entry
from releasectl.domain.decision import Action, Decision
from releasectl.errors import ManifestError
from releasectl.manifests.edit import apply

if TYPE_CHECKING:
    from releasectl.controller.gitview import GitWatcher


class EditedManifests:
    """Contents by path, edited in the order of the decisions."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self._contents = contents

    @classmethod
    async def load(cls, git: GitWatcher, entries: Sequence[Entry]) -> EditedManifests:
        """Read the files that these decisions edit, at the commit they were decided on."""
        tree = git.view.desired.entries
        contents = {}
        for entry in entries:
            path = _path(entry.decision)
            if entry.decision.edit and path in tree:
                contents[path] = await git.blob(tree[path].oid)
        return cls(contents)

    def blocked(self, decision: Decision) -> bool:
        """A promotion whose manifest cannot be edited: it must not be recorded as if it had been."""
        return decision.action is Action.PROMOTE and self._edited(decision) is None

    def edit(self, decision: Decision) -> tuple[str, bytes] | None:
        """Path and content after this decision's edit, which later edits build on; None if there is none."""
        edited = self._edited(decision)
        path = _path(decision)
        if edited is None or edited == self._contents.get(path):
            return None
        self._contents[path] = edited
        return path, edited

    def _edited(self, decision: Decision) -> bytes | None:
        before = self._contents.get(_path(decision))
        if before is None or decision.edit is None:
            return None
        try:
            return apply(before, decision.release, decision.edit, file=_path(decision))
        except ManifestError:
            return None


def _path(decision: Decision) -> str:
    return decision.state.path if decision.state else ""
