"""Manifests of a branch's tip as the controller believes them, for whoever follows it beside the controller."""

from __future__ import annotations

from collections.abc import Mapping

from releasectl.controller.desired import DesiredReader, DesiredSet
from releasectl.controller.trust import TrustedManifests
from releasectl.ports import ReleaseRepo, TreeEntry


class BelievedReader:
    """Reads commits one after the other, each further along the branch than the last."""

    def __init__(self, repo: ReleaseRepo) -> None:
        self._repo = repo
        self._trusted = TrustedManifests(repo)
        self._desired = DesiredReader(repo)

    def read(self, commit: str) -> DesiredSet:
        """All releases, without what nobody vouches for where an environment takes signed commits only."""
        return self._desired.read_tree(commit, *self.entries(commit))

    def entries(self, commit: str) -> tuple[Mapping[str, TreeEntry], Mapping[str, str]]:
        """Files as they are believed, and by path why what stands on the branch is not."""
        return self._trusted.view(commit, self._repo.tree(commit))

    def refuses(self, public_key: str) -> str:
        """Why commits signed by this key would not be believed; empty if they would be."""
        return self._trusted.refuses(public_key)
