"""A file's bytes -> its documents as domain types, or *all* that is wrong with them.

A pure function of path and bytes, so results may be kept by blob. Problems stay with the document they are
in: a good document is usable beside a bad one. A text that breaks off (syntax, size, depth) cannot be
trusted at all, because what follows the break is unknown.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import ValidationError

from releasectl.domain.release import API_VERSION
from releasectl.errors import ManifestError, Problem
from releasectl.manifests import yaml
from releasectl.manifests.kinds import FOLDERS, GROUP, KINDS, PLANNED, Manifest, is_expected, is_yaml
from releasectl.manifests.nearest import nearest, suggestion
from releasectl.manifests.nodes import Mapping, Node, Scalar, descend, to_data
from releasectl.manifests.shape import TAG, locate
from releasectl.manifests.wording import describe

MAX_PROBLEMS = 50
"""Shown for one document; a generated file may hold thousands of the same mistake."""


@dataclass(frozen=True, eq=False)
class Document:
    """One manifest as it stands in a file. Compared by identity: the same object means nothing changed."""

    file: str
    kind: str
    """As written, empty if there is none."""
    name: str
    """``metadata.name`` as written, empty if there is none; known even when the rest is wrong."""
    root: Node
    value: Manifest | None
    """None when something is wrong with it."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, eq=False)
class FileResult:
    """What one file holds."""

    file: str
    documents: tuple[Document, ...] = ()
    broken: Problem | None = None
    """Why the file cannot be read to its end; its documents are not used then."""
    mentions: frozenset[str] | None = frozenset()
    """Names that a broken file may declare; None when its content is not known at all."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        found = [problem for document in self.documents for problem in document.problems]
        return tuple(sorted([*found, self.broken] if self.broken else found))


def load_file(file: str, data: bytes) -> FileResult:
    """Every manifest of a YAML file; whatever else is in it is none of our business. Never raises."""
    parsed = yaml.parse(file, data)
    documents = tuple(load_document(file, document) for document in parsed.documents if is_manifest(document.root))
    if parsed.stopped is None:
        return FileResult(file, documents)
    if documents or is_expected(file) or GROUP.encode() in data:
        names = frozenset(name.decode() for name in _NAME.findall(data))
        return FileResult(file, documents, parsed.stopped, names)
    return FileResult(file)


def should_read(path: str, *, size: int) -> bool:
    """Whether a plain file is to be read and given to ``load_file``."""
    return is_yaml(path) and size <= yaml.MAX_BYTES


def refuse_entry(path: str, *, what: str, size: int = 0) -> FileResult | None:
    """The result for an entry that is not read: a ``symlink``, a ``submodule``, or a ``file`` over the cap.

    None for one that nobody would take for a manifest, and for a file that ``should_read`` lets through.
    """
    if what == "file":
        if size <= yaml.MAX_BYTES or not (is_yaml(path) and is_expected(path)):
            return None
        return FileResult(path, broken=yaml.too_large(path, size), mentions=None)
    folder = PurePosixPath(path).name in FOLDERS
    if not (folder or (is_expected(path) and (is_yaml(path) or not PurePosixPath(path).suffix))):
        return None
    message = f"is a {what}; manifests are read from plain files of this repository only"
    return FileResult(path, broken=Problem(path, 0, 0, "", message, "put the file itself here", what), mentions=None)


def load_one(file: str, data: bytes) -> Manifest:
    """The only manifest of a file; raises ManifestError with all problems."""
    result = load_file(file, data)
    if result.problems:
        raise ManifestError(result.problems)
    if len(result.documents) != 1 or result.documents[0].value is None:
        message = f"holds {len(result.documents)} manifests instead of one"
        raise ManifestError((Problem(file, 0, 0, "", message, f"apiVersion: {API_VERSION}", "not-one"),))
    return result.documents[0].value


def is_manifest(root: Node) -> bool:
    """Whether a document means to be ours: by its ``apiVersion``, or by its ``kind`` if that is missing or misspelt."""
    if not isinstance(root, Mapping):
        return False
    if any(isinstance(e.value, Scalar) and e.value.source.startswith(GROUP) for e in root.entries.values()):
        return True
    if root.text("kind") not in KINDS.keys() | PLANNED:
        return False
    return "apiVersion" not in root.entries or nearest(root.text("apiVersion") or "", [API_VERSION]) is not None


def load_document(file: str, document: yaml.Document) -> Document:
    """Validate one document against the type that its kind names."""
    root, problems = document
    kind, name = _text(root, "kind"), _text(root, "metadata", "name")
    value, more = _validate(file, root, kind)
    problems = tuple(sorted({*problems, *more}))
    if len(problems) > MAX_PROBLEMS:
        rest = f"and {len(problems) - MAX_PROBLEMS} problems more"
        problems = (*problems[:MAX_PROBLEMS], Problem(file, problems[MAX_PROBLEMS].line, 1, "", rest, code="more"))
    return Document(file, kind, name, root, None if problems else value, problems)


_NAME = re.compile(rb"""name["']?\s*:\s*["']?([a-z0-9][-a-z0-9]*)""")


def _text(root: Node, *steps: str) -> str:
    node = descend(root, *steps)
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""


def _validate(file: str, root: Node, kind: str) -> tuple[Manifest | None, list[Problem]]:
    model = KINDS.get(kind)
    if model is None:
        return None, _unknown_kind(file, root, kind)
    try:
        return model.model_validate_json(json.dumps(to_data(root)), by_alias=True, by_name=False), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    problems = []
    for detail in details[: MAX_PROBLEMS * 2]:
        loc = (*detail["loc"], TAG) if detail["type"].startswith("union_tag") else detail["loc"]
        place = locate(model, root, loc)
        # Entries that are wrong themselves count as absent there; their own problems say it all.
        if not (place.faulty or (detail["type"] == "too_short" and place.holds_entries)):
            at = place.anchor if detail["type"] == "extra_forbidden" else place.at
            problems.append(Problem(file, at.line, at.column, place.path, *describe(detail, place)))
    return None, problems


def _unknown_kind(file: str, root: Node, kind: str) -> list[Problem]:
    node = descend(root, "kind")
    if node and node.faulty:
        return []
    at = node or root
    if kind in PLANNED:
        message, hint = f"kind {kind} is not read by this version yet", ""
    elif kind:
        message, hint = f"unknown kind {kind[:60]!r}", suggestion(kind, KINDS, known="kinds")
    else:
        message, hint = "a manifest says what it is in the field `kind`", suggestion("", KINDS, known="kinds")
    problems = [Problem(file, at.line, at.column, "kind", message, hint, "unknown-kind")]
    if isinstance(root, Mapping) and node is None:
        problems += [_stray(file, root, key) for key in root.entries if nearest(key, ["kind"])]
    return problems


def _stray(file: str, root: Mapping, key: str) -> Problem:
    at = root.entries[key].key
    return Problem(file, at.line, at.column, key, f"unknown field {key!r}", "did you mean 'kind'?", "unknown-field")
