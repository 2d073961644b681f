"""Manifests as the decisions of a pass leave them: several decisions may edit the same file, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from releasectl.controller.record import Entry
from releasectl.decide.inputs import Desired
from releasectl.domain.decision import Action, Decision, Edit
from releasectl.domain.release import Release
from releasectl.errors import ManifestError
from releasectl.manifests.edit import apply

if TYPE_CHECKING:
    from releasectl.controller.gitview import GitWatcher


class EditedManifests:
    """Contents by path, edited in the order of the decisions."""

    def __init__(
        self,
        contents: dict[str, bytes],
        desired: Mapping[str, Desired],
        untrusted: Mapping[str, str] | None = None,
    ) -> None:
        self._contents = contents
        self._untrusted = untrusted or {}
        self._desired = desired

    @classmethod
    async def load(cls, git: GitWatcher, entries: Sequence[Entry]) -> EditedManifests:
        """Read the files that these decisions edit, at the commit they were decided on."""
        tree = git.view.desired.entries
        contents = {}
        for entry in entries:
            path = _path(entry.decision)
            # What is known of an untrusted file is not what stands on the branch: to write it would undo that.
            if entry.decision.edit and path in tree and path not in git.view.desired.untrusted:
                contents[path] = await git.blob(tree[path].oid)
        return cls(contents, git.view.desired.desired, git.view.desired.untrusted)

    def blocked(self, decision: Decision) -> str:
        """Why a promotion must not be recorded: its manifest cannot be edited. Empty if it may be."""
        if decision.action is not Action.PROMOTE or decision.edit is None:
            return ""
        if why := self._untrusted.get(_path(decision)):
            return f"{_path(decision)}: {why}"
        try:
            return "" if self._edited(decision) is not None else f"{_path(decision)} is not there any more"
        except ManifestError as error:
            return error.message

    def edit(self, decision: Decision) -> tuple[str, bytes] | None:
        """Path and content after this decision's edit, which later edits build on; None if there is none."""
        path = _path(decision)
        try:
            edited = self._edited(decision)
        except ManifestError:
            return None
        if edited is None or edited == self._contents.get(path):
            return None
        self._contents[path] = edited
        return path, edited

    def _edited(self, decision: Decision) -> bytes | None:
        before = self._contents.get(_path(decision))
        edit = self._wanted(decision)
        if before is None or edit is None:
            return None
        return apply(before, decision.release, edit, file=_path(decision))

    def _wanted(self, decision: Decision) -> Edit | None:
        """The edit, without candidates that a person has meanwhile put in the place of those it speaks of.

        A rollback acts before it is recorded, and may have to wait for its record: the manifest can have
        changed since it was decided.
        """
        desired = self._desired.get(decision.release)
        if decision.edit is None or decision.state is None or not decision.action.acts_first:
            return decision.edit
        if desired is None:
            return None
        if desired.release.intent == decision.state.intent:
            # Nobody has changed what is tried, so that it speaks of these candidates: of those as well that were
            # dropped earlier in the trial, which nothing holds back and which would begin another one.
            return decision.edit
        held = {item.identity for item in decision.state.quarantine if item.decision == decision.id}
        drop = tuple(name for name in decision.edit.drop if _identities(desired.release, name) & held)
        lines = {
            name: components
            for name, components in decision.edit.lines.items()
            if _identities(desired.release, name) & held
        }
        return decision.edit.model_copy(update={"drop": drop, "lines": lines}) if drop or lines else None


def _identities(release: Release, candidate: str) -> set[str]:
    """Identities of the artifacts that a candidate of the manifest brings and tries now."""
    tried = release.candidate(candidate)
    if tried is None:
        return set()
    return {release.variant(candidate).versions[component].identity for component in release.tried(tried)}


def _path(decision: Decision) -> str:
    return decision.state.path if decision.state else ""
