"""Manifests as signed commits have them, where an environment takes nothing else.

Contract:
- what an unsigned commit changed stays as the last signed one left it, file by file: edits, new files, deletions.
  A signed commit vouches for the whole of each file that it changes, and for nothing else below it;
- the branch is followed along its first parents: a merge signed by the forge vouches for what it brings;
- who may sign stands in the repository, and is read as it was *before* the commit that is judged; so is the demand
  itself. Neither can be changed by a commit that does not carry a good signature;
- the commit that brings the demand is taken on trust. It is found in history, not remembered: a controller that
  starts without memory comes to the same manifests;
- a release in an environment that demands nothing goes by its file as it is. All else, shared policies and metrics
  above all, answers to every environment that demands signatures.

The work is bounded by what is new: commits judged once are not judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from releasectl.domain.environment import Environment
from releasectl.domain.release import Release
from releasectl.manifests.load import load_file, should_read
from releasectl.ports import Change, EntryKind, ReleaseRepo, TreeEntry

_FIELD = "signers"
"""Stands in every manifest that demands signatures."""


@dataclass(frozen=True)
class _Named:
    """What of a file matters here."""

    asking: Mapping[str, str]
    """Environment -> path of its signers."""
    releases_in: frozenset[str] | None
    """Environments of its releases, if it holds nothing but releases."""


class TrustedManifests:
    """Follows the manifests' branch and knows each file as it was last vouched for."""

    def __init__(self, repo: ReleaseRepo) -> None:
        self._repo = repo
        self._searched: str | None = None
        self._at: str | None = None
        self._files: dict[str, TreeEntry] = {}
        self._untrusted: dict[str, str] = {}
        self._named: dict[str, _Named] = {}
        self._asking: dict[str, str] = {}

    def view(self, commit: str, entries: Mapping[str, TreeEntry]) -> tuple[Mapping[str, TreeEntry], Mapping[str, str]]:
        """The entries of a commit with untrusted changes left out, and by path why they were."""
        if not self.has_begun(commit):
            return entries, {}
        if self._at != commit:
            for change in self._repo.changes(self._at, commit):
                self._judge(change)
            self._at = commit
        if not self._untrusted:
            return entries, {}
        seen = {path: entry for path, entry in entries.items() if path not in self._untrusted}
        seen |= {path: self._files[path] for path in self._untrusted if path in self._files}
        return seen, dict(self._untrusted)

    def has_begun(self, commit: str) -> bool:
        """Whether, up to this commit, some environment has ever taken signed commits only."""
        return self._at is not None or self._begin(commit)

    def refuses(self, public_key: str) -> str:
        """Why commits signed by this key would not be trusted; empty if they would be."""
        if not self._asking:
            return ""
        if not public_key:
            return f"manifests of {', '.join(sorted(self._asking))} are taken from signed commits only"
        blob = public_key.split()[1].encode()
        lacking = sorted({path for path in self._asking.values() if blob not in self._content(path)})
        return f"the key that signs here is not among those of {', '.join(lacking)}" if lacking else ""

    def _begin(self, commit: str) -> bool:
        """Find the commit that brought the demand for signatures; whether there is one."""
        for change in self._repo.changes(self._searched, commit, containing=_FIELD):
            tree = self._repo.tree(change.commit)
            if any(self._read(path, tree.get(path)).asking for path in change.paths):
                self._at, self._files = change.commit, dict(tree)
                self._reread(tree)
                return True
        self._searched = commit
        return False

    def _judge(self, change: Change) -> None:
        tree = self._repo.tree(change.commit)
        faults: dict[str, str] = {}
        taken = []
        for path in change.paths:
            entry = tree.get(path)
            fault = self._fault(change, self._asked_for(path, entry), faults)
            if not fault:
                taken.append((path, entry))
            elif entry == self._files.get(path):
                # Somebody has put back what was trusted.
                self._untrusted.pop(path, None)
            else:
                self._untrusted[path] = f'commit {change.commit[:9]} "{change.subject[:60]}" {fault}'
        # Only now: a commit that names a new signer is judged by those before it.
        for path, entry in taken:
            self._untrusted.pop(path, None)
            if entry is None:
                self._files.pop(path, None)
            else:
                self._files[path] = entry
        self._reread(path for path, _ in taken)

    def _fault(self, change: Change, signers: Iterable[str], known: dict[str, str]) -> str:
        """What is wrong with a commit's signature, by the files of signers that it must satisfy."""
        for path in signers:
            if path not in known:
                known[path] = self._repo.signature_fault(change.commit, self._content(path))
            if known[path]:
                return known[path]
        return ""

    def _asked_for(self, path: str, entry: TreeEntry | None) -> list[str]:
        """Paths of the signers who must vouch for a change of this file."""
        if not self._asking or not (path in self._asking.values() or _is_manifest(path, entry, self._files.get(path))):
            return []
        named = [self._named.get(path), self._read(path, entry)]
        places = [one.releases_in for one in named if one is not None]
        if places and path not in self._asking.values() and all(place is not None for place in places):
            within = frozenset[str]().union(*(place for place in places if place is not None))
            return sorted({signers for name, signers in self._asking.items() if name in within})
        return sorted(set(self._asking.values()))

    def _reread(self, paths: Iterable[str]) -> None:
        """Note anew what trusted files name."""
        for path in paths:
            self._named.pop(path, None)
            if path in self._files and should_read(path, size=self._files[path].size):
                self._named[path] = self._read(path, self._files[path])
        self._asking = {name: path for named in self._named.values() for name, path in named.asking.items()}

    def _read(self, path: str, entry: TreeEntry | None) -> _Named:
        if entry is None or entry.kind is not EntryKind.FILE or not should_read(path, size=entry.size):
            return _Named({}, frozenset() if entry is None else None)
        documents = load_file(path, self._repo.read([entry.oid])[entry.oid]).documents
        values = [document.value for document in documents]
        asking = {
            value.name: value.spec.trust.signers
            for value in values
            if isinstance(value, Environment) and value.spec.trust
        }
        releases = [value for value in values if isinstance(value, Release)]
        only = bool(values) and len(releases) == len(values)
        return _Named(asking, frozenset(release.spec.environment for release in releases) if only else None)

    def _content(self, path: str) -> bytes:
        entry = self._files.get(path)
        return self._repo.read([entry.oid])[entry.oid] if entry and entry.kind is EntryKind.FILE else b""


def _is_manifest(path: str, *entries: TreeEntry | None) -> bool:
    """Whether a file, as it was or as it is, may hold a manifest. Links and submodules may stand in for one."""
    return any(entry and (entry.kind is not EntryKind.FILE or should_read(path, size=0)) for entry in entries)
