"""Where a pydantic error path leads: through the domain types and the YAML nodes at the same time.

A path of pydantic names the tags of unions and marks keys, so only the types tell whether ``envoy`` in
``('spec', 'providers', 0, 'envoy', 'url')`` is a field or the member of a union.
"""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from releasectl.manifests.nodes import Mapping, Node, Scalar, Sequence, Step, format_path

TAG = "type"
"""The field that tells the members of a union apart."""
KEY = "[key]"
"""How pydantic marks that the key is meant, not its value."""


@dataclass(frozen=True)
class Place:
    """The end of an error path."""

    steps: tuple[Step, ...]
    """Keys and indices as they stand in the file."""
    anchor: Node
    """The key, list entry or document that stands for the place when it has no value of its own."""
    node: Node | None
    """The value; None where a field is missing."""
    model: type[BaseModel] | None
    """The type whose field it is."""
    faulty: bool
    """Whether the path leads through a value in which a problem is reported already."""

    @property
    def path(self) -> str:
        return format_path(self.steps)

    @property
    def holds_entries(self) -> bool:
        return bool(
            (isinstance(self.node, Sequence) and self.node.items)
            or (isinstance(self.node, Mapping) and self.node.entries)
        )

    @property
    def at(self) -> Node:
        """What to point at: a value on one line, else the key above it."""
        inline = isinstance(self.node, Scalar) or (isinstance(self.node, Mapping | Sequence) and self.node.flow)
        return self.node if self.node is not None and inline else self.anchor


def locate(model: type[BaseModel], root: Node, loc: tuple[int | str, ...]) -> Place:
    """Follow an error path as far as it leads."""
    steps: list[Step] = []
    anchor, node, owner, kind = root, root, None, model
    faulty = root.faulty
    current: Node | None = node
    for step in loc:
        kind = _bare(kind)
        if _is_union(kind) and step != TAG:
            kind = _member(kind, step)
            continue
        if step == KEY and not (isinstance(current, Mapping) and KEY in current.entries):
            return Place(tuple(steps), anchor, anchor, owner, faulty)
        owner = kind if _is_model(kind) else None
        kind = _below(kind, step)
        steps.append(step)
        anchor, current = _follow(anchor, current, step)
        faulty = faulty or anchor.faulty or (current is not None and current.faulty)
    return Place(tuple(steps), anchor, current, owner, faulty)


def fields(model: type[BaseModel]) -> AbstractMapping[str, FieldInfo]:
    """The fields of a type by the name that files use."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _follow(anchor: Node, node: Node | None, step: Step) -> tuple[Node, Node | None]:
    if isinstance(node, Mapping) and isinstance(step, str) and (entry := node.entries.get(step)):
        return entry.key, entry.value
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
        return node.items[step], node.items[step]
    return anchor, None


@cache
def _bare(kind: Any) -> Any:
    """A type without its constraints and without ``None``."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        members = [member for member in get_args(kind) if member is not type(None)]
        if len(members) == 1:
            return _bare(members[0])
    return kind


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _member(union: Any, tag: Step) -> Any:
    for member in map(_bare, get_args(union)):
        field = member.model_fields.get(TAG) if _is_model(member) else None
        if field and get_origin(field.annotation) is Literal and tag in get_args(field.annotation):
            return member
    return None


def _below(kind: Any, step: Step) -> Any:
    if _is_model(kind):
        field = fields(kind).get(str(step))
        return field.annotation if field else None
    arguments = get_args(kind)
    if get_origin(kind) is tuple and arguments:
        return arguments[0]
    if get_origin(kind) is not None and len(arguments) == 2:
        return arguments[1]
    return None
