"""A proposal of a bot, as an edit of a release's manifest: new versions, and a candidate that uses them.

Like every edit of ours it leaves each byte that it does not mean as it was (``manifests.edit``), and is read again
before it is believed.
"""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field
from typing import Any

from releasectl.domain.release import Candidate, Interface, Version
from releasectl.manifests import edit, insertions, splices, yaml
from releasectl.manifests.nodes import Mapping, Node, Sequence, descend, to_data
from releasectl.manifests.splices import Splice


@dataclass(frozen=True)
class Proposal:
    """What to add to a release."""

    candidate: Candidate
    versions: AbstractMapping[str, Version]
    """New versions by component; one that the component has already under that name must be equal to it."""
    interfaces: AbstractMapping[str, Interface] = field(default_factory=dict)
    """Contracts by component, for components that declare none so far."""


def propose(text: bytes, release: str, proposal: Proposal, *, file: str = edit.FILE) -> bytes:
    """The manifest with the proposal in it; equal bytes if it says all of it already.

    Raises ManifestError if the release or a component is not there, if a version or candidate of the same name
    says something else, or if the file is laid out in a way that cannot be edited safely.
    """
    parsed = yaml.parse(file, text)
    index = edit.find_release(file, parsed, release)
    root = parsed.documents[index].root
    expected: list[Any] = [to_data(document.root) for document in parsed.documents]
    cuts: list[Splice] = []
    for name in dict.fromkeys([*proposal.versions, *proposal.interfaces]):
        at = _component(file, root, name)
        wanted = expected[index]["spec"]["components"][at]
        version = proposal.versions.get(name)
        if version and not _is_there(file, version, wanted):
            cuts += _version(root, parsed.text, at, version, wanted)
        if (interface := proposal.interfaces.get(name)) and not wanted.get("interface"):
            cuts += _interface(root, parsed.text, at, interface, wanted)
    cuts += _candidate(file, root, parsed.text, proposal.candidate, expected[index]["spec"])
    if not cuts:
        return text
    bom = text[: len(text) - len(parsed.text.encode())]
    result = bom + splices.spliced(parsed.text, cuts).encode()
    edit.verify(file, result, index, expected)
    return result


def _component(file: str, root: Node, name: str) -> int:
    listed = descend(root, "spec", "components")
    for index, item in enumerate(listed.items if isinstance(listed, Sequence) else ()):
        if isinstance(item, Mapping) and item.text("name") == name:
            return index
    raise edit.refused(file, f"declares no component {name!r}", "unknown-name")


def _is_there(file: str, version: Version, component: AbstractMapping[str, Any]) -> bool:
    for known in component["versions"]:
        if known["name"] == version.name:
            if Version.model_validate(known, by_alias=True, by_name=False, strict=False) == version:
                return True
            message = f"{component['name']} has a version {version.name!r} already, and it is another one"
            raise edit.refused(file, message, "duplicate-name")
    return False


def _version(root: Node, text: str, component: int, version: Version, wanted: dict[str, Any]) -> list[Splice]:
    listed = descend(root, "spec", "components", component, "versions")
    assert isinstance(listed, Sequence)  # noqa: S101 - the document has been validated
    wanted["versions"] = [*wanted["versions"], version.to_data()]
    return [insertions.with_item(text, listed, version.to_data())]


def _interface(root: Node, text: str, component: int, interface: Interface, wanted: dict[str, Any]) -> list[Splice]:
    mapping = descend(root, "spec", "components", component)
    # An empty one that is there: a person left it open on purpose, or has just begun it.
    if not isinstance(mapping, Mapping) or "interface" in mapping.entries:
        return []
    wanted["interface"] = interface.to_data()
    after = "after" if "after" in mapping.entries else "name"
    return [insertions.with_key(text, mapping, "interface", wanted["interface"], after=after)]


def _candidate(file: str, root: Node, text: str, candidate: Candidate, spec: dict[str, Any]) -> list[Splice]:
    for known in spec.get("candidates", ()):
        if known["name"] == candidate.name:
            if Candidate.model_validate(known, by_alias=True, by_name=False, strict=False) == candidate:
                return []
            message = f"has a candidate {candidate.name!r} already, and it is another one"
            raise edit.refused(file, message, "duplicate-name")
    data = candidate.to_data()
    listed, mapping = descend(root, "spec", "candidates"), descend(root, "spec")
    spec["candidates"] = [*spec.get("candidates", ()), data]
    if isinstance(listed, Sequence):
        return [insertions.with_item(text, listed, data)]
    assert isinstance(mapping, Mapping)  # noqa: S101 - the document has been validated
    return [insertions.with_key(text, mapping, "candidates", [data], after="stable")]
