"""A parsed YAML document: the values, and where in the text each of them stands.

Positions serve two masters: problems are shown at ``line`` and ``column`` (from 1), and edits splice the
text at ``start`` and ``end`` (character offsets). Nodes are not changed once the parser has handed them out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Style = Literal["", "'", '"', "|", ">"]
Scalars = str | int | float | bool | None
Step = str | int
"""A key of a mapping or an index of a sequence."""


@dataclass(slots=True)
class Node:
    start: int
    end: int
    line: int
    column: int
    faulty: bool
    """A problem is reported here already; whatever else is said of this place only follows from it."""


@dataclass(slots=True)
class Scalar(Node):
    source: str
    """The text after unquoting, before it is read as a number or a truth value."""
    style: Style
    value: Scalars


@dataclass(slots=True)
class Sequence(Node):
    items: list[Node]
    flow: bool


@dataclass(slots=True)
class Entry:
    key: Scalar
    value: Node


@dataclass(slots=True)
class Mapping(Node):
    entries: dict[str, Entry]
    flow: bool

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry.value if entry else None

    def text(self, key: str) -> str | None:
        """The value of a key if it is a string."""
        node = self.get(key)
        return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


def to_data(node: Node) -> object:
    """The plain JSON value of a node."""
    if isinstance(node, Mapping):
        return {key: to_data(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [to_data(item) for item in node.items]
    assert isinstance(node, Scalar)  # noqa: S101 - the three kinds are all there are
    return node.value


def descend(node: Node | None, *steps: Step) -> Node | None:
    """The node at a path of keys and indices; None if the path leads nowhere."""
    for step in steps:
        if isinstance(node, Mapping) and isinstance(step, str):
            node = node.get(step)
        elif isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
        else:
            return None
    return node


def leaves(node: Node) -> Iterator[Scalar]:
    """Every scalar below a node that holds a value, in file order; keys are not among them."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from leaves(item)
    elif isinstance(node, Mapping):
        for entry in node.entries.values():
            yield from leaves(entry.value)


_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def format_path(steps: tuple[Step, ...]) -> str:
    """``spec.strategy[0].steps``; a key that is no plain word stands in brackets and quotes."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += '["' + step.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    return text
