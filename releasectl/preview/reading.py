"""A commit's manifests as bytes, by the rules that a controller reads them by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from releasectl.manifests.load import FileResult, refuse_entry, should_read
from releasectl.ports import EntryKind, Objects, TreeEntry
from releasectl.preview.selection import Files


def files_at(objects: Objects, commit: str, *, known: Mapping[str, bytes] | None = None) -> Files:
    """Every file that may hold manifests. ``known`` are contents by oid that need not be read again.

    Equal content is the same object then, so that two states of thousands of files are compared at once.
    """
    return files_in(objects, objects.tree(commit), known=known)


def files_in(objects: Objects, entries: Mapping[str, TreeEntry], *, known: Mapping[str, bytes] | None = None) -> Files:
    """The same for a listing of entries."""
    refused: dict[str, FileResult] = {}
    wanted: dict[str, TreeEntry] = {}
    for path, entry in entries.items():
        if result := refuse_entry(path, what=entry.kind.value, size=entry.size):
            refused[path] = result
        elif entry.kind is EntryKind.FILE and should_read(path, size=entry.size):
            wanted[path] = entry
    contents = dict(known or {})
    contents |= objects.read({entry.oid for entry in wanted.values()} - contents.keys())
    return Files({path: contents[entry.oid] for path, entry in wanted.items()}, refused)


def by_oid(files: Files, entries: Mapping[str, TreeEntry]) -> dict[str, bytes]:
    """Contents that were read at a commit, for another that shares most of them."""
    return {entries[path].oid: content for path, content in files.contents.items()}


def by_own_oid(files: Files) -> dict[str, bytes]:
    """Contents of a folder under the names that git gives them: what is there need not be read from git."""
    return {_oid(content): content for content in files.contents.values()}


def _oid(content: bytes) -> str:
    # git's names of objects, which are no secret; one that does not fit, as in a SHA-256 repository, is never found.
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
