"""What git asks for at one commit, read incrementally: a file whose content did not change is not read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from releasectl.controller.origins import origins_of, wants_origins
from releasectl.decide.inputs import Desired
from releasectl.domain.paired import paired_metrics
from releasectl.errors import ManifestError
from releasectl.manifests.catalog import Catalog, Resolved
from releasectl.manifests.load import FileResult, load_file, refuse_entry, should_read
from releasectl.ports import EntryKind, ReleaseRepo, TreeEntry


@dataclass(frozen=True)
class DesiredSet:
    """Releases as one commit asks for them."""

    revision: str
    desired: Mapping[str, Desired] = field(default_factory=dict)
    invalid: Mapping[str, ManifestError] = field(default_factory=dict)
    """Releases that are declared but cannot be used, with every problem."""
    catalog: Catalog = field(default_factory=lambda: Catalog.build({}))
    entries: Mapping[str, TreeEntry] = field(default_factory=dict)
    untrusted: Mapping[str, str] = field(default_factory=dict)
    """Path -> which commit changed it that nobody vouches for. Everything here is as it was before that."""


class DesiredReader:
    """Reads commits of the manifests branch."""

    def __init__(self, repo: ReleaseRepo) -> None:
        self._repo = repo
        self._files: dict[tuple[str, str], FileResult] = {}
        self._catalog: Catalog | None = None
        self._known: dict[str, tuple[Resolved, Desired]] = {}

    def read(self, commit: str) -> DesiredSet:
        """All releases at a commit. Only blobs not seen before are fetched and parsed."""
        return self.read_tree(commit, self._repo.tree(commit))

    def read_tree(
        self, commit: str, entries: Mapping[str, TreeEntry], untrusted: Mapping[str, str] | None = None
    ) -> DesiredSet:
        """The same from these entries, where not all that the commit has is to be believed."""
        results = self._results(entries)
        catalog = Catalog.build(results, self._catalog)
        self._catalog = catalog
        desired: dict[str, Desired] = {}
        invalid: dict[str, ManifestError] = {}
        for name in catalog.releases:
            try:
                desired[name] = self._desired(name, catalog.resolve(name), commit)
            except ManifestError as error:
                invalid[name] = error
        return DesiredSet(commit, desired, invalid, catalog, entries, untrusted or {})

    def _results(self, entries: Mapping[str, TreeEntry]) -> dict[str, FileResult]:
        results: dict[str, FileResult] = {}
        new: dict[str, TreeEntry] = {}
        for path, entry in entries.items():
            known = self._files.get((path, entry.oid))
            if known is not None:
                results[path] = known
            elif refused := refuse_entry(path, what=entry.kind.value, size=entry.size):
                results[path] = refused
            elif entry.kind is EntryKind.FILE and should_read(path, size=entry.size):
                new[path] = entry
        contents = self._repo.read({entry.oid for entry in new.values()})
        for path, entry in new.items():
            results[path] = load_file(path, contents[entry.oid])
        self._files = {(path, entries[path].oid): result for path, result in results.items()}
        return results

    def _desired(self, name: str, resolved: Resolved, commit: str) -> Desired:
        # The revision is that of the last change to what the release is made of, so that commits elsewhere
        # in the repository do not show as changes of this release.
        known = self._known.get(name)
        if known and known[0] is resolved:
            return known[1]
        wanted = wants_origins(resolved.release, resolved.environment)
        desired = Desired(
            release=resolved.release,
            policy=resolved.policy,
            environment=resolved.environment,
            metrics={**resolved.metrics, **paired_metrics(resolved.release)},
            path=resolved.path,
            generation=resolved.generation,
            revision=commit,
            origins=origins_of(self._repo, resolved.release, resolved.path, commit) if wanted else {},
        )
        self._known[name] = (resolved, desired)
        return desired
