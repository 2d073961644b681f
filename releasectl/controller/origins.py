"""Who asked for a candidate, and when: the commit by which it came to be what it is.

Found by walking back the history of the manifest's file until the candidate reads differently or is not
there. A comment, another candidate, a changed stable or a bot's edit make nobody its author.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from releasectl.decide.inputs import Origin
from releasectl.domain.base import digest_of
from releasectl.domain.environment import Caps, Environment
from releasectl.domain.release import Release
from releasectl.manifests.load import load_file
from releasectl.ports import LogEntry, ReleaseRepo

FURTHEST = 200
"""Commits of one file that are walked back; a candidate that is older has the oldest of them as its origin."""


def wants_origins(release: Release, environment: Environment) -> bool:
    """Whether something about the release depends on who asked for its candidates, or when."""
    gates = (stage for stage in release.spec.strategy if stage.type == "approval")
    depends = environment.spec.caps != Caps() or any(gate.not_author for gate in gates)
    return depends and bool(release.spec.candidates)


def origins_of(repo: ReleaseRepo, release: Release, path: str, commit: str) -> Mapping[str, Origin]:
    """Origin of each candidate of a release that stands in ``path`` at ``commit``."""
    wanted = _contents(release)
    found: dict[str, Origin] = {}
    for entry in repo.log(commit, limit=FURTHEST, path=path):
        before = _contents_at(repo, entry, release.name, path)
        for name, content in list(wanted.items()):
            if content.stood_in(before.get(name)):
                found[name] = Origin(entry.author, entry.at)
            elif name in found:
                # This commit is older than the one that brought it.
                del wanted[name]
            # Else it is newer than what is believed of the file: nobody vouches for it, and it is no one's proof.
        if not wanted:
            break
    return found


@dataclass(frozen=True)
class _Content:
    """What a candidate asks for."""

    unit: str
    lines: Mapping[str, str]
    """Component -> digest of the version."""

    def stood_in(self, before: _Content | None) -> bool:
        """Whether an older content asked for all of this; of an independent unit, lines have been settled since."""
        if before is None or before.unit != self.unit:
            return False
        return self.lines.items() <= before.lines.items() if self.unit == "independent" else self.lines == before.lines


def _contents_at(repo: ReleaseRepo, entry: LogEntry, release: str, path: str) -> Mapping[str, _Content]:
    file = repo.tree(entry.sha).get(path)
    if file is None:
        return {}
    for document in load_file(path, repo.read([file.oid])[file.oid]).documents:
        if isinstance(document.value, Release) and document.value.name == release:
            return _contents(document.value)
    return {}


def _contents(release: Release) -> dict[str, _Content]:
    found = {}
    for candidate in release.spec.candidates:
        lines = {}
        for component, name in candidate.versions.items():
            declared = release.component(component)
            version = declared.version(name) if declared else None
            lines[component] = digest_of(version.to_data() if version else {})
        found[candidate.name] = _Content(candidate.unit, lines)
    return found
