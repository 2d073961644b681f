"""A folder on disk as a catalog of manifests, by the same rules as a commit in git."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from releasectl.decide.inputs import Desired
from releasectl.domain.paired import paired_metrics
from releasectl.errors import Problem, UsageError
from releasectl.manifests.catalog import Catalog
from releasectl.manifests.kinds import is_yaml
from releasectl.manifests.load import FileResult, load_file, refuse_entry, should_read
from releasectl.preview.selection import Files

SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", ".tox"})
"""Folders that hold no file of the repository's own."""


def catalog_of(root: Path) -> Catalog:
    """Every manifest below a folder."""
    found = files_of(root)
    results = {name: load_file(name, content) for name, content in found.contents.items()}
    return Catalog.build({**results, **found.refused})


def files_of(root: Path) -> Files:
    """Every file below a folder that may hold manifests, unread: for comparing with a commit."""
    contents: dict[str, bytes] = {}
    refused: dict[str, FileResult] = {}
    for name, entry in _entries(str(root), ""):
        found = _content(entry, name)
        if isinstance(found, bytes):
            contents[name] = found
        elif found is not None:
            refused[name] = found
    return Files(contents, refused)


def desired_in(catalog: Catalog, release: str) -> Desired:
    """What a catalog asks of a release; UsageError if it has none of that name, ManifestError if it is invalid."""
    if release not in catalog.releases:
        names = ", ".join(catalog.releases[:10]) or "none"
        raise UsageError(f"no release {release!r} here", hint=f"there are: {names}")
    resolved = catalog.resolve(release)
    return Desired(
        release=resolved.release,
        policy=resolved.policy,
        environment=resolved.environment,
        metrics={**resolved.metrics, **paired_metrics(resolved.release)},
        path=resolved.path,
        generation=resolved.generation,
        revision="",
    )


def _entries(folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Files, links and nested repositories by their path below the root; what lies behind the last two is not
    entered, and a folder that cannot be read is as good as empty."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        name = prefix + entry.name
        if entry.name in SKIPPED and entry.is_dir():
            continue
        if entry.is_dir(follow_symlinks=False) and not (Path(entry.path) / ".git").exists():
            yield from _entries(entry.path, f"{name}/")
        else:
            yield name, entry


def _content(entry: os.DirEntry[str], name: str) -> bytes | FileResult | None:
    """The bytes of a file that is to be read, or why one that looks like a manifest is not."""
    if entry.is_symlink():
        return refuse_entry(name, what="symlink")
    if entry.is_dir():
        return refuse_entry(name, what="submodule")
    if not entry.is_file():
        return None
    size = entry.stat().st_size if is_yaml(name) else 0
    if not should_read(name, size=size):
        return refuse_entry(name, what="file", size=size)
    try:
        return Path(entry.path).read_bytes()
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        return FileResult(name, broken=Problem(name, 0, 0, "", f"cannot be read: {reason}", code="unreadable"))
