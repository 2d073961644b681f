"""The manifests of two states that a change concerns, and no others.

Of a repository with thousands of releases only these are read as YAML: files that differ, files that may hold
anything but releases, and releases whose text has a word of what changed in it: a name, a host, a prefix. A file
that is left out can neither be referred to, nor refer to, nor collide with what changed, so a catalog without it
finds the same problems. The search is for bytes and errs towards reading too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from releasectl.domain.metric import MetricSet
from releasectl.domain.policy import PromotionPolicy
from releasectl.domain.release import Release
from releasectl.errors import ManifestError
from releasectl.manifests import crosscheck, policyrules
from releasectl.manifests.catalog import Catalog
from releasectl.manifests.kinds import GROUP
from releasectl.manifests.load import Document, FileResult, load_file

_KIND = re.compile(rb"""kind["']?\s*:\s*["']?([A-Za-z]*)""")
"""A quote before the key needs no place here; a pattern that begins with a letter is found many times faster."""


_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""What else calls itself a release is a problem of its file."""


@dataclass(frozen=True)
class Files:
    """One state: contents by path, and entries that are not read."""

    contents: Mapping[str, bytes] = field(default_factory=dict)
    refused: Mapping[str, FileResult] = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """Both states, as far as the change reaches. ``releases`` are those that it may concern, in order."""

    before: Catalog
    after: Catalog
    releases: tuple[str, ...]
    files: tuple[str, ...]
    """Paths whose content differs."""


def compare(before: Files, after: Files, *, only: str | None = None) -> Compared:
    """Read what differs and what is needed to understand it; ``only`` a release, whether it differs or not."""
    reader = _Reader()
    differing = sorted(_differing(before, after))
    # What is the same on both sides is searched once.
    texts = [*before.contents.items(), *((path, after.contents[path]) for path in differing if path in after.contents)]
    seen = {path for path, content in texts if _holds_more(content)} | set(differing)
    # Hosts are the same in any case.
    lowered = [(path, content.lower()) for path, content in texts if path not in seen]
    # A backslash may hide a word in a quoted text.
    chosen = seen | {path for path, text in lowered if b"\\" in text}
    words: set[str] = set()
    more = {only} if only else set()
    while True:
        chosen |= _mentioning(lowered, more - words)
        old, new = reader.catalog(before, chosen), reader.catalog(after, chosen)
        words |= more
        more = _words(old, new, differing, only)
        if more <= words:
            break
    concerned = {only} if only else {name for name in _concerned(old, new, differing) if _NAME.fullmatch(name)}
    return Compared(old, new, tuple(sorted(concerned)), tuple(differing))


class _Reader:
    """Loads each content of a path once."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, bytes], FileResult] = {}

    def catalog(self, files: Files, paths: Iterable[str]) -> Catalog:
        results = dict(files.refused)
        for path in paths:
            content = files.contents.get(path)
            if content is None:
                continue
            key = (path, content)
            if key not in self._loaded:
                self._loaded[key] = load_file(path, content)
            results[path] = self._loaded[key]
        return Catalog.build(results)


def _differing(before: Files, after: Files) -> set[str]:
    old, new = before.contents, after.contents
    paths = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    return paths | (before.refused.keys() ^ after.refused.keys())


def _holds_more(content: bytes) -> bool:
    """Whether a file may hold a manifest that is no release."""
    kinds = _KIND.findall(content)
    return (GROUP.encode() in content or bool(kinds)) and any(kind != b"Release" for kind in kinds or [b""])


def _mentioning(texts: Iterable[tuple[str, bytes]], words: Iterable[str]) -> set[str]:
    """Paths of the texts, in small letters, that have one of the words, and not only as a part of a longer one."""
    wanted = [word.lower().encode() for word in sorted(words)]
    if not wanted:
        return set()
    whole = re.compile(rb"(?<![a-z0-9-])(?:" + b"|".join(re.escape(word) for word in wanted) + rb")(?![a-z0-9-])")
    # Searching for plain bytes is fast, and nearly every text has none of them.
    return {path for path, text in texts if any(word in text for word in wanted) and whole.search(text)}


def _words(old: Catalog, new: Catalog, differing: Iterable[str], only: str | None) -> set[str]:
    """What a file must mention to have to do with the change."""
    found: set[str] = set()
    for catalog in (old, new):
        changed = [document for path in differing for document in _documents(catalog, path)]
        own = [document for document in _all(catalog) if only and (document.kind, document.name) == ("Release", only)]
        if only is None:
            metrics = {metric for document in changed for metric in _metrics(document)}
            found |= {document.name for document in changed if document.name}
            found |= {document.name for document in _all(catalog) if metrics and _uses(document, metrics)}
        for document in changed if only is None else own:
            if isinstance(document.value, Release):
                keys = crosscheck.route_keys(document.value)
                found |= {document.name} | {key.host for key in keys if key.host}
                found |= {key.prefix.strip("/") for key in keys if key.prefix.strip("/")}
    return found


def _concerned(old: Catalog, new: Catalog, differing: Iterable[str]) -> set[str]:
    """Releases that stand in a changed file, and those that are made of something else, or wrong otherwise, now."""
    inside = {
        document.name
        for catalog in (old, new)
        for path in differing
        for document in _documents(catalog, path)
        if document.kind == "Release" and document.name
    }
    return inside | {name for name in {*old.releases, *new.releases} if _outcome(old, name) != _outcome(new, name)}


def _outcome(catalog: Catalog, name: str) -> object:
    try:
        return catalog.resolve(name).generation
    except ManifestError as error:
        return error.problems


def _documents(catalog: Catalog, path: str) -> tuple[Document, ...]:
    result = catalog.files.get(path)
    return result.documents if result else ()


def _all(catalog: Catalog) -> Iterable[Document]:
    return (document for result in catalog.files.values() for document in result.documents)


def _metrics(document: Document) -> tuple[str, ...]:
    return tuple(metric.name for metric in document.value.spec.metrics) if isinstance(document.value, MetricSet) else ()


def _uses(document: Document, metrics: Iterable[str]) -> bool:
    value = document.value
    return isinstance(value, PromotionPolicy) and not set(metrics).isdisjoint(policyrules.metric_names(value))
