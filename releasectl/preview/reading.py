"""A commit's manifests as bytes, by the rules that a controller reads them by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from releasectl.manifests.load import FileResult, refuse_entry, should_read
from releasectl.ports import EntryKind, TreeEntry
from releasectl.preview.selection import Files


class Objects(Protocol):
    """What is read from: a mirror or a clone."""

    def tree(self, commit: str) -> Mapping[str, TreeEntry]: ...

    def read(self, oids: Iterable[str]) -> Mapping[str, bytes]: ...


def files_at(objects: Objects, commit: str) -> Files:
    """Every file that may hold manifests. Equal content is the same object, so comparing two commits is cheap."""
    return files_in(objects, objects.tree(commit))


def files_in(objects: Objects, entries: Mapping[str, TreeEntry]) -> Files:
    """The same for a listing of entries."""
    refused: dict[str, FileResult] = {}
    wanted: dict[str, TreeEntry] = {}
    for path, entry in entries.items():
        if result := refuse_entry(path, what=entry.kind.value, size=entry.size):
            refused[path] = result
        elif entry.kind is EntryKind.FILE and should_read(path, size=entry.size):
            wanted[path] = entry
    contents = objects.read({entry.oid for entry in wanted.values()})
    return Files({path: contents[entry.oid] for path, entry in wanted.items()}, refused)
