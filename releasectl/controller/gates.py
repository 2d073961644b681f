"""Approvals that a trial still has before it, as far as git tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from releasectl.domain.decision import EffectiveState
    from releasectl.ports import Heads, ReleaseRepo


def has_gate_ahead(repo: ReleaseRepo, heads: Heads, state: EffectiveState) -> bool:
    """Whether an approval waits or is still to come. A manifest that cannot be read may have one."""
    from releasectl.domain.release import Release
    from releasectl.manifests.load import load_file

    if state.progress is None:
        return False
    file = repo.tree(heads.manifests).get(state.path)
    if file is None:
        return True
    documents = load_file(state.path, repo.read([file.oid])[file.oid]).documents
    for document in documents:
        if isinstance(document.value, Release) and document.value.name == state.release:
            return any(stage.type == "approval" for stage in document.value.spec.strategy[state.progress.stage :])
    return True
