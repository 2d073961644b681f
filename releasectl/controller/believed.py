"""Manifests as the controller believes them: of the branch's tip as it moves, or of any commit as it was then."""

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


class PastReader(DesiredReader):
    """Reads commits in any order, for those who look back: a decision was made from what was believed then.

    Where no environment has ever taken signed commits only it costs one search of the history; else each commit is
    judged from the beginning of that demand, once.
    """

    def __init__(self, repo: ReleaseRepo) -> None:
        super().__init__(repo)
        self._demanded: bool | None = None
        self._instead: dict[str, tuple[Mapping[str, TreeEntry | None], Mapping[str, str]]] = {}
        """By commit: what counts in the place of files that were not believed (None: nothing), and why."""

    def read(self, commit: str) -> DesiredSet:
        """All releases as they were believed at a commit."""
        tree = self._repo.tree(commit)
        if not self._is_demanded(commit):
            return self.read_tree(commit, tree)
        if commit not in self._instead:
            entries, untrusted = TrustedManifests(self._repo).view(commit, tree)
            self._instead[commit] = ({path: entries.get(path) for path in untrusted}, untrusted)
        instead, untrusted = self._instead[commit]
        believed = {path: entry for path, entry in {**tree, **instead}.items() if entry is not None}
        return self.read_tree(commit, believed, untrusted)

    def _is_demanded(self, commit: str) -> bool:
        if self._demanded is None:
            known = self._repo.known()
            self._demanded = TrustedManifests(self._repo).has_begun(known.manifests if known else commit)
        return self._demanded
