"""Which characters to replace so that a YAML value changes, or an entry goes, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from yaml.resolver import Resolver

from releasectl.manifests.nodes import Mapping, Node, Scalar, Sequence, leaves
from releasectl.manifests.yaml import resolve_plain


class Splice(NamedTuple):
    """Replace the characters from ``start`` to ``end``."""

    start: int
    end: int
    new: str = ""


def spliced(text: str, cuts: Iterable[Splice]) -> str:
    """The text with all splices made; they must not overlap."""
    for start, end, new in sorted(cuts, reverse=True):
        text = text[:start] + new + text[end:]
    return text


# --- scalars --------------------------------------------------------------------------------------------


def replaced(text: str, node: Scalar, value: str) -> Splice:
    """Give a scalar another value, in the same quotes where they allow it."""
    end = node.start + len(text[node.start : node.end].rstrip())
    return Splice(node.start, end, _quoted(value, node.style))


def _quoted(value: str, style: str) -> str:
    """A version name in quotes of a style; its characters need no escape in any."""
    if style == "'":
        return f"'{value}'"
    if style == "" and is_text(value):
        return value
    return f'"{value}"'


def is_text(value: str) -> bool:
    """Whether an unquoted value is a string to us and to tools that still read YAML 1.1."""
    if not isinstance(resolve_plain(value), str):
        return False
    candidates = Resolver.yaml_implicit_resolvers.get(value[0], [])
    return not any(pattern.match(value) for _, pattern in candidates)


# --- entries of lists and mappings ----------------------------------------------------------------------


def without_items(text: str, sequence: Sequence, indices: list[int]) -> list[Splice]:
    """Take some, not all, of a list's items out."""
    if sequence.flow:
        spans = [(item.start, content_end(item)) for item in sequence.items]
        return _without_flow(text, spans, indices)
    column = sequence.column - 1
    items = [sequence.items[index] for index in indices]
    return [_block(text, _dash(text, item, column), item, column) for item in items]


def without_keys(text: str, mapping: Mapping, keys: Iterable[str]) -> list[Splice]:
    """Take keys and their values out."""
    entries = list(mapping.entries.values())
    names = list(mapping.entries)
    indices = sorted(names.index(key) for key in keys)
    if mapping.flow:
        spans = [(entry.key.start, max(entry.key.end, content_end(entry.value))) for entry in entries]
        return _without_flow(text, spans, indices)
    column = mapping.column - 1
    return [_block(text, entries[index].key.start, entries[index].value, column) for index in indices]


def content_end(node: Node) -> int:
    """Where the last character of a value stands; libyaml ends a block at the token that follows it."""
    if isinstance(node, Scalar) or (isinstance(node, Mapping | Sequence) and node.flow):
        return node.end
    return max([node.start, *(leaf.end for leaf in leaves(node)), *_flow_ends(node)])


def _flow_ends(node: Node) -> Iterable[int]:
    if isinstance(node, Mapping | Sequence) and node.flow:
        yield node.end
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _flow_ends(item)
    elif isinstance(node, Mapping):
        for entry in node.entries.values():
            yield from _flow_ends(entry.value)


# --- block style ----------------------------------------------------------------------------------------


def end_of_block(text: str, value: Node, column: int) -> int:
    """Where the lines of a block's entry end, with the comments below that belong to it."""
    last = _line_end(text, value.start + len(text[value.start : content_end(value)].rstrip()))
    return _below(text, last, column)


def _dash(text: str, item: Node, column: int) -> int:
    """The dash of a list item: on the item's line or, with a comment between, further up."""
    line = _line_start(text, item.start)
    while line > 0 and not text.startswith(" " * column + "-", line):
        line = _line_start(text, line - 1)
    return line + column


def _block(text: str, start: int, value: Node, column: int) -> Splice:
    """The lines of an entry that begins at ``start``, with the comments that belong to it."""
    first = _above(text, _line_start(text, start), column)
    end = max(start, content_end(value))
    last = _below(text, _line_end(text, start + len(text[start:end].rstrip())), column)
    return Splice(_joined_blanks(text, first, last), last)


def _above(text: str, first: int, column: int) -> int:
    while first > 0:
        previous = _line_start(text, first - 1)
        if not _is_comment(text[previous:first], lambda found: found == column):
            break
        first = previous
    return first


def _below(text: str, last: int, column: int) -> int:
    while last < len(text):
        following = _line_end(text, last)
        if not _is_comment(text[last:following], lambda found: found > column):
            break
        last = following
    return last


def _is_comment(line: str, fits: Callable[[int], bool]) -> bool:
    stripped = line.lstrip(" ")
    return stripped.startswith("#") and fits(len(line) - len(stripped))


def _joined_blanks(text: str, first: int, last: int) -> int:
    """Where to begin so that blank lines above and below do not add up."""
    if last < len(text) and text[last : _line_end(text, last)].strip():
        return first
    while first > 0 and not text[_line_start(text, first - 1) : first].strip():
        first = _line_start(text, first - 1)
    return first


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, max(at, 0)) + 1


def _line_end(text: str, at: int) -> int:
    """After the line feed of the line that ``at`` is on."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


# --- flow style -----------------------------------------------------------------------------------------


def _without_flow(text: str, spans: list[tuple[int, int]], indices: list[int]) -> list[Splice]:
    """Cut entries out of ``[...]`` or ``{...}``, given where each begins and ends."""
    return [_flow(text, spans, index, set(indices)) for index in indices]


def _flow(text: str, spans: list[tuple[int, int]], index: int, gone: set[int]) -> Splice:
    start, end = spans[index]
    after = _past_comma(text, end)
    if own := _own_lines(text, start, after or end):
        return own
    if after is not None and index + 1 < len(spans):
        return Splice(start, after + len(_blanks_after(text, after)))
    if index > 0 and index - 1 not in gone:
        before = spans[index - 1][1]
        if "#" not in text[before:start] and "\n" not in text[before:start]:
            return Splice(before, end)
    return Splice(start, after or end)


def _past_comma(text: str, at: int) -> int | None:
    """After the comma that follows an entry, blanks and comments aside; None if there is none."""
    found = re.compile(r"(?:[ \t\r\n]|(?<=[ \t\r\n])#[^\n]*)*,").match(text, at)
    return found.end() if found else None


def _blanks_after(text: str, at: int) -> str:
    found = re.compile(r"[ \t]*").match(text, at)
    return found[0] if found else ""


def _own_lines(text: str, start: int, end: int) -> Splice | None:
    """The whole lines of an entry that shares them with nothing but its comma and comments."""
    first, last = _line_start(text, start), _line_end(text, end)
    if text[first:start].strip() or not re.fullmatch(r"[ \t]*(?:(?<=[ \t])#[^\n]*)?\r?\n?", text[end:last]):
        return None
    return Splice(_above(text, first, start - first), last)
