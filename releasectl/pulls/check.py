"""One pull request checked: merged in memory, validated and planned against the base.

Its content is anybody's. It is read as bytes, by the caps that manifests have everywhere, and more of it than a
person would propose is refused unread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from releasectl.controller.fleet import read_fleet
from releasectl.errors import Denied
from releasectl.manifests.kinds import is_yaml
from releasectl.ports import Objects, ReleaseRepo, TreeEntry
from releasectl.preview.compose import Asked, plan, wants_fleet
from releasectl.preview.document import Plan
from releasectl.preview.reading import by_oid, files_in
from releasectl.preview.selection import compare

MOST_FILES = 2000
MOST_BYTES = 64 << 20

REFS: Mapping[str, str] = {
    "github": "refs/pull/{}/head",
    "gitea": "refs/pull/{}/head",
    "gitlab": "refs/merge-requests/{}/head",
}
"""Where each kind of forge keeps the heads of pull requests."""


class PullRepo(ReleaseRepo, Protocol):
    """A repository whose pull requests can be read. It has a mirror of its own: what strangers propose never comes
    near the controller's, and a fetch that takes long hinders no pass."""

    def pull_head(self, ref: str, number: int) -> str:
        """Bring the head of a pull request here."""
        ...

    def merged(self, base: str, head: str) -> str:
        """Tree of the merge; raises Conflict."""
        ...

    def forget_pulls(self, keep: Collection[int]) -> None:
        """Let go of the others."""
        ...

    def maintain(self) -> None:
        """Repack the mirror if it needs it, without what was let go of."""
        ...


@dataclass(frozen=True)
class Merge:
    """A merge that was made in memory, by the names of what is in the mirror."""

    base: str
    head: str
    tree: str
    """What merging gives."""
    ledger: str | None
    at: datetime


Planner = Callable[[Merge], Awaitable[Plan]]
"""Tells what a merge does; raises what ``plan_of`` raises, and Unavailable or Denied where it comes to no end."""


def plan_of(objects: Objects, merge: Merge) -> Plan:
    """What a merge does. Denied if it is more than is checked."""
    before, after = objects.tree(merge.base), objects.tree(merge.tree)
    _refuse_floods(before, after)
    there = files_in(objects, before)
    compared = compare(there, files_in(objects, after, known=by_oid(there, before)))
    fleet = read_fleet(objects, merge.ledger, compared.releases, everybody=wants_fleet(compared))
    return plan(compared, fleet, Asked(merge.base, merge.head, merge.ledger, merge.at))


def _refuse_floods(before: Mapping[str, TreeEntry], after: Mapping[str, TreeEntry]) -> None:
    new = list(_new(before, after))
    if len(new) > MOST_FILES:
        raise Denied(f"it changes {len(new)} YAML files; more than {MOST_FILES} are not checked", hint="split it")
    if sum(entry.size for entry in new) > MOST_BYTES:
        raise Denied(f"it changes more than {MOST_BYTES >> 20} MB of YAML, which is not checked", hint="split it")


def _new(before: Mapping[str, TreeEntry], after: Mapping[str, TreeEntry]) -> Iterable[TreeEntry]:
    for path, entry in after.items():
        known = before.get(path)
        if is_yaml(path) and (known is None or known.oid != entry.oid):
            yield entry
