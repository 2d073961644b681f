"""Which characters to insert so that a YAML list gains an item, or a mapping a key, and nothing else changes.

What is added follows its neighbours: on one line where they are, in the same indentation, with the line ends of
the file. Strings are quoted wherever a reader of YAML 1.1 or 1.2 might take them for something else.
"""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from typing import Any

import yaml

from releasectl.manifests import splices
from releasectl.manifests.nodes import Mapping, Node, Sequence
from releasectl.manifests.splices import Splice


def with_item(text: str, sequence: Sequence, data: AbstractMapping[str, Any]) -> Splice:
    """Append an item to a list."""
    if sequence.flow:
        last = sequence.items[-1] if sequence.items else None
        return _into_flow(sequence, last, _in_line(data))
    last = sequence.items[-1]
    column = sequence.column - 1
    in_line = isinstance(last, Mapping | Sequence) and last.flow
    lines = [_in_line(data)] if in_line else _in_block(data)
    return _below(text, last, column, _indented(lines, column, first="- ", rest="  "))


def with_key(text: str, mapping: Mapping, key: str, data: Any, *, after: str) -> Splice:
    """Add a key to a mapping, behind another of its keys."""
    entry = mapping.entries[after]
    if mapping.flow:
        return _into_flow(mapping, entry.value, f"{key}: {_in_line(data)}")
    column = mapping.column - 1
    return _below(text, entry.value, column, _indented(_in_block({key: data}), column))


# --- where ----------------------------------------------------------------------------------------------


def _below(text: str, entry: Node, column: int, lines: list[str]) -> Splice:
    """Whole lines below an entry of a block, and below the comments that belong to it."""
    at = splices.end_of_block(text, entry, column)
    end = "\r\n" if text[:at].endswith("\r\n") else "\n"
    added = "".join(line + end for line in lines)
    # The last line of a file may lack its end, and keeps lacking it.
    return Splice(at, at, added) if at == 0 or text[at - 1] == "\n" else Splice(at, at, end + added.removesuffix(end))


def _into_flow(collection: Mapping | Sequence, last: Node | None, added: str) -> Splice:
    """Between the last entry of a ``[...]`` or ``{...}``, if it has one, and whatever follows."""
    if last is None:
        return Splice(collection.start + 1, collection.start + 1, added)
    at = splices.content_end(last)
    return Splice(at, at, f", {added}")


# --- what -----------------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Writes strings that stay strings in YAML 1.1 and 1.2, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    plain = value and splices.is_text(value)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_Dumper.add_representer(str, _text)


def _in_line(data: Any) -> str:
    return _dumped(data, flow=True)


def _in_block(data: AbstractMapping[str, Any]) -> list[str]:
    return _dumped(data, flow=False).split("\n")


def _dumped(data: Any, *, flow: bool) -> str:
    text: str = yaml.dump(
        data, Dumper=_Dumper, default_flow_style=flow, width=10**6, sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _indented(lines: list[str], column: int, *, first: str = "", rest: str = "") -> list[str]:
    margin = " " * column
    return [margin + (first if index == 0 else rest) + line for index, line in enumerate(lines)]
