"""A folder on disk as a catalog of manifests, by the same rules as a commit in git."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from releasectl.decide.inputs import Desired
from releasectl.domain.paired import paired_metrics
from releasectl.errors import Problem, UsageError
from releasectl.manifests.catalog import Catalog
from releasectl.manifests.load import FileResult, load_file, refuse_entry, should_read
from releasectl.preview.selection import Files

SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", ".tox"})
"""Folders that hold no file of the repository's own."""


def catalog_of(root: Path) -> Catalog:
    """Every manifest below a folder."""
    results = {}
    for path in _entries(root):
        name = path.relative_to(root).as_posix()
        if (result := _load(path, name)) is not None:
            results[name] = result
    return Catalog.build(results)


def files_of(root: Path) -> Files:
    """Every file below a folder that may hold manifests, unread: for comparing with a commit."""
    contents: dict[str, bytes] = {}
    refused: dict[str, FileResult] = {}
    for path in _entries(root):
        name = path.relative_to(root).as_posix()
        found = _content(path, name)
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


def _entries(root: Path) -> Iterator[Path]:
    """Files, links and nested repositories; what lies behind the last two is not entered."""
    for folder, names, files in os.walk(root):
        inner = [Path(folder) / name for name in sorted(names) if name not in SKIPPED]
        closed = {path for path in inner if path.is_symlink() or (path / ".git").exists()}
        names[:] = [path.name for path in inner if path not in closed]
        yield from sorted(closed)
        yield from (Path(folder) / name for name in sorted(files))


def _load(path: Path, name: str) -> FileResult | None:
    found = _content(path, name)
    return load_file(name, found) if isinstance(found, bytes) else found


def _content(path: Path, name: str) -> bytes | FileResult | None:
    """The bytes of a file that is to be read, or why one that looks like a manifest is not."""
    if path.is_symlink():
        return refuse_entry(name, what="symlink")
    if path.is_dir():
        return refuse_entry(name, what="submodule")
    if not path.is_file():
        return None
    size = path.stat().st_size
    if not should_read(name, size=size):
        return refuse_entry(name, what="file", size=size)
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        return FileResult(name, broken=Problem(name, 0, 0, "", f"cannot be read: {reason}", code="unreadable"))
