"""What is in a commit: listed in full once, afterwards only what changed since a commit listed before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from releasectl.adapters.git.blobs import object_name
from releasectl.adapters.git.mirror import Suspect
from releasectl.adapters.git.process import Runner
from releasectl.ports import EntryKind, TreeEntry

_KEPT = 4
"""Listings kept: the present and the one before, of two branches."""
_KINDS = {"120000": EntryKind.SYMLINK, "160000": EntryKind.SUBMODULE}


class Trees:
    """Listings of commits. ``line`` says which commits follow each other: a branch's name."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._known: OrderedDict[str, tuple[str, Mapping[str, TreeEntry]]] = OrderedDict()

    def listing(self, commit: str, line: str) -> Mapping[str, TreeEntry]:
        """Every entry by path, recursively. Unchanged entries are the same objects as in the listing before."""
        if commit in self._known:
            self._known.move_to_end(commit)
            return self._known[commit][1]
        before = next((known for known in reversed(self._known) if self._known[known][0] == line), None)
        entries = self._full(commit) if before is None else self._changed(before, commit)
        listing = MappingProxyType(entries)
        self._known[commit] = (line, listing)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return listing

    def _full(self, commit: str) -> dict[str, TreeEntry]:
        out = self._ask("ls-tree", "-r", "-l", "-z", "--full-tree", object_name(commit))
        return {entry.path: entry for entry in _parse_listing(out)}

    def _changed(self, before: str, commit: str) -> dict[str, TreeEntry]:
        out = self._ask("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", before, object_name(commit))
        changes = tuple(_parse_changes(out))
        sizes = self._sizes(sorted({oid for _, oid, kind in changes if kind not in (None, EntryKind.SUBMODULE)}))
        entries = dict(self._known[before][1])
        for path, oid, kind in changes:
            if kind is None:
                entries.pop(path, None)
            else:
                entries[path] = TreeEntry(path, oid, kind, sizes.get(oid, 0))
        return entries

    def _sizes(self, oids: list[str]) -> dict[str, int]:
        if not oids:
            return {}
        asked = "".join(f"{oid}\n" for oid in oids).encode()
        out = self._ask("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked)
        rows = [line.split() for line in out.decode().splitlines()]
        if any(row[-1] == "missing" for row in rows):
            raise Suspect("objects are not in the mirror", "missing object")
        return {oid: int(size) for oid, size in rows}

    def _ask(self, *arguments: str, stdin: bytes = b"") -> bytes:
        result = self._runner.run(*arguments, stdin=stdin)
        if not result.ok:
            raise Suspect(f"git {arguments[0]} cannot read {arguments[-1]}", result.err)
        return result.out


def _path(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _parse_listing(out: bytes) -> Iterator[TreeEntry]:
    for line in filter(None, out.split(b"\0")):
        fields, _, path = line.partition(b"\t")
        mode, _, oid, size = fields.decode().split()
        kind = _KINDS.get(mode, EntryKind.FILE)
        yield TreeEntry(_path(path), oid, kind, 0 if size == "-" else int(size))


def _parse_changes(out: bytes) -> Iterator[tuple[str, str, EntryKind | None]]:
    """Path, new oid and new kind of each change; no kind: it is gone."""
    pieces = iter(out.split(b"\0"))
    for head in pieces:
        if not head:
            return
        _, mode, _, oid, status = head.decode().split()
        kind = None if status == "D" else _KINDS.get(mode, EntryKind.FILE)
        yield _path(next(pieces)), oid, kind
