"""Edits of a release's manifest that leave every byte they do not mean as it was.

An edit is a handful of splices at the positions of YAML nodes; comments, quotes, order, indentation, line
endings and the other documents of the file stay. What goes with a removed entry:

- its own lines, comments on them included, and comments below that are indented deeper than its dash;
- the comment block directly above it (no blank line between) at the column of its dash or key;
- the blank lines on one side, if blank lines would meet.

A new version keeps the quoting of the one it replaces; where that would turn it into a number, or where the
old one was a block scalar, it is put in double quotes. Afterwards the text is read again: if anything but
the intended paths has changed, or the result is invalid, ManifestError is raised and a person has to edit.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from releasectl.domain.decision import Edit
from releasectl.errors import ManifestError, Problem
from releasectl.manifests import splices, yaml
from releasectl.manifests.load import load_document
from releasectl.manifests.nodes import Mapping, Node, Scalar, Sequence, descend, to_data
from releasectl.manifests.splices import Splice

FILE = "manifest"


def promote(text: bytes, release: str, candidate: str, *, file: str = FILE) -> bytes:
    """Stable takes the versions that the candidate overrides, and the candidate's entry goes."""
    return apply(text, release, Edit(promote=candidate), file=file)


def drop(text: bytes, release: str, candidates: tuple[str, ...], *, file: str = FILE) -> bytes:
    """The candidates' entries go; one that is not there is gone already."""
    return apply(text, release, Edit(drop=tuple(candidates)), file=file)


def apply(text: bytes, release: str, edit: Edit, *, file: str = FILE) -> bytes:
    """All at once: promote one candidate, drop others, take single lines out of independent units."""
    parsed = yaml.parse(file, text)
    index = find_release(file, parsed, release)
    root = parsed.documents[index].root
    entries = _entries(root, {edit.promote, *edit.drop, *edit.lines})
    if edit.promote and edit.promote not in entries:
        raise refused(file, f"names no candidate {edit.promote!r}", "unknown-name")
    cuts = [
        *_versions(file, root, parsed.text, entries.get(edit.promote or ""), edit),
        *_removals(root, parsed.text, entries, edit),
    ]
    bom = text[: len(text) - len(parsed.text.encode())]
    result = bom + splices.spliced(parsed.text, cuts).encode()
    expected = [to_data(document.root) for document in parsed.documents]
    expected[index] = _intended(expected[index], edit)
    verify(file, result, index, expected)
    return result


def find_release(file: str, parsed: yaml.Parsed, release: str) -> int:
    """Index of the document that declares a release; ManifestError if there is none, or a faulty one."""
    if parsed.stopped:
        raise ManifestError((parsed.stopped,))
    for index, document in enumerate(parsed.documents):
        if isinstance(document.root, Mapping) and document.root.text("kind") == "Release":
            loaded = load_document(file, document)
            if loaded.name == release and loaded.problems:
                raise ManifestError(loaded.problems)
            if loaded.name == release:
                return index
    raise refused(file, f"declares no release {release!r}", "unknown-name")


def _entries(root: Node, names: Set[str | None]) -> dict[str, int]:
    """Indices of the candidates of these names, as far as they are there."""
    listed = descend(root, "spec", "candidates")
    items = listed.items if isinstance(listed, Sequence) else []
    found = {item.text("name") or "": index for index, item in enumerate(items) if isinstance(item, Mapping)}
    return {name: index for name, index in found.items() if name in names}


def _versions(file: str, root: Node, text: str, candidate: int | None, edit: Edit) -> list[Splice]:
    """Rewrite the versions of stable that the candidate at an index overrides, as far as the edit is about them."""
    if candidate is None:
        return []
    chosen = descend(root, "spec", "candidates", candidate, "versions")
    found = []
    for component, entry in chosen.entries.items() if isinstance(chosen, Mapping) else ():
        if not _is_settled(edit, edit.promote or "", component):
            continue
        old, new = descend(root, "spec", "stable", component), entry.value
        if not (isinstance(old, Scalar) and isinstance(new, Scalar) and isinstance(new.value, str)):
            raise refused(file, f"stable names no version of {component!r} to replace")
        if old.value != new.value:
            found.append(splices.replaced(text, old, new.value))
    return found


def _removals(root: Node, text: str, entries: dict[str, int], edit: Edit) -> list[Splice]:
    """Take entries out of the candidates, or lines out of entries; with the last entry goes the whole key."""
    spec, listed = descend(root, "spec"), descend(root, "spec", "candidates")
    if not entries or not isinstance(spec, Mapping) or not isinstance(listed, Sequence):
        return []
    found: list[Splice] = []
    gone: list[int] = []
    for name, index in entries.items():
        chosen = descend(root, "spec", "candidates", index, "versions")
        lines = list(chosen.entries) if isinstance(chosen, Mapping) else []
        settled = [component for component in lines if _is_settled(edit, name, component)]
        if settled == lines or not isinstance(chosen, Mapping):
            gone.append(index)
        else:
            found += splices.without_keys(text, chosen, settled)
    if len(gone) == len(listed.items):
        return splices.without_keys(text, spec, ["candidates"])
    return found + splices.without_items(text, listed, sorted(gone))


def _is_settled(edit: Edit, candidate: str, component: str) -> bool:
    """Whether a candidate's line for a component goes."""
    return component in edit.lines.get(candidate, (component,))


def _intended(data: Any, edit: Edit) -> Any:
    spec = dict(data["spec"])
    touched = {edit.promote, *edit.drop, *edit.lines}
    if not any(candidate["name"] in touched for candidate in spec.get("candidates", [])):
        return data
    for candidate in spec.pop("candidates"):
        name, versions = candidate["name"], candidate["versions"]
        settled = {key: one for key, one in versions.items() if name in touched and _is_settled(edit, name, key)}
        if name == edit.promote:
            spec["stable"] = spec["stable"] | settled
        if left := {key: one for key, one in versions.items() if key not in settled}:
            spec.setdefault("candidates", []).append(candidate | {"versions": left})
    return {**data, "spec": spec}


def verify(file: str, result: bytes, index: int, expected: list[Any]) -> None:
    """Read an edited text again: its documents must say what is expected, the one at ``index`` without a problem."""
    parsed = yaml.parse(file, result)
    if parsed.stopped or [to_data(document.root) for document in parsed.documents] != expected:
        raise refused(file, "is laid out in a way that cannot be edited safely")
    document = load_document(file, parsed.documents[index])
    if document.problems:
        raise ManifestError(document.problems)


def refused(file: str, message: str, code: str = "not-editable") -> ManifestError:
    """The error of an edit that a person has to make."""
    return ManifestError((Problem(file, 0, 0, "", message, "edit the file by hand", code),))
