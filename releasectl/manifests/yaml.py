"""Strict YAML 1.2: one reading of a text, the one that people expect.

PyYAML reads YAML 1.1, where ``010`` is 8, ``1:30`` is 90, ``on`` is true and the second of two equal keys
silently wins. Here plain scalars follow the YAML 1.2 core schema (``010`` is 10, ``1:30`` and ``on`` are
strings), and what can make a manifest mean other than it seems is refused: duplicate keys, anchors,
aliases, merge keys, tags, explicit keys (``? key``). Size, depth and number of nodes are bounded, and since
aliases are never followed, no text can grow while it is read.

Nothing is raised: a text that cannot be read gives problems. ``\\n`` and ``\\r\\n`` both end a line.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import yaml

from releasectl.errors import Problem
from releasectl.manifests.nodes import Entry, Mapping, Node, Scalar, Scalars, Sequence, Step, Style, format_path

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_NODES = 50_000
_SHOWN_DEPTH = 12
_BOM = b"\xef\xbb\xbf"


class Document(NamedTuple):
    """One document of a file, and what strictness refuses in it."""

    root: Node
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Parsed:
    """Everything a file says."""

    text: str
    """The decoded text without its byte-order mark: what node offsets count in."""
    documents: tuple[Document, ...] = ()
    stopped: Problem | None = None
    """Why reading ended early; more than ``documents`` may stand in the file then."""


def parse(file: str, data: bytes) -> Parsed:
    """Read every document of a file; empty documents are left out."""
    text, problem = _decode(file, data)
    if problem:
        return Parsed(text, stopped=problem)
    reader = _Reader(file, text)
    stopped = reader.read()
    return Parsed(text, tuple(reader.documents), stopped)


# --- from bytes to text ---------------------------------------------------------------------------------

_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\r(?!\n)")


def _decode(file: str, data: bytes) -> tuple[str, Problem | None]:
    if len(data) > MAX_BYTES:
        return "", too_large(file, len(data))
    if b"\0" in data:
        hint = "save it as UTF-8" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        return "", Problem(file, 0, 0, "", "is binary, not text", hint, "not-text")
    body = data.removeprefix(_BOM)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        before = body[: error.start]
        line, column = before.count(b"\n") + 1, len(before.rpartition(b"\n")[2]) + 1
        message = f"byte 0x{body[error.start]:02x} is not UTF-8 text"
        return "", Problem(file, line, column, "", message, "save the file as UTF-8", "not-text")
    if found := _UNREADABLE.search(text):
        return text, _unreadable(file, text, found.start())
    return text, None


def too_large(file: str, size: int) -> Problem:
    """The problem of a file over the cap, for callers that know the size before they read."""
    message = f"is {size / 1e6:.1f} MB; a manifest may have {MAX_BYTES / 1e6:g} MB"
    return Problem(file, 0, 0, "", message, "split it into several files", "too-large")


def _unreadable(file: str, text: str, at: int) -> Problem:
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    if text[at] == "\r":
        message = "a carriage return stands alone; lines end with a line feed"
        return Problem(file, line, column, "", message, "convert the line endings", "not-text")
    message = f"the character U+{ord(text[at]):04X} may not stand in a manifest"
    return Problem(file, line, column, "", message, 'write it as an escape in "double quotes"', "not-text")


# --- from text to nodes ---------------------------------------------------------------------------------


class _Parser(Protocol):
    def get_event(self) -> Any: ...


class _PurePython(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's own parser, for installations without libyaml: the same events, ten times slower."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


def _events(text: str) -> _Parser:
    if yaml.__with_libyaml__:
        parser: _Parser = yaml._yaml.CParser(text)
        return parser
    return _PurePython(text)


class _Stop(Exception):
    """Reading cannot go on; the last problem reported says why."""


@dataclass
class _Reader:
    file: str
    text: str
    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    path: list[Step] = field(default_factory=list)
    nodes: int = 0

    def read(self) -> Problem | None:
        """Collect the documents; what stopped it before the end."""
        try:
            self.parser = _events(self.text)
            self._stream()
        except yaml.MarkedYAMLError as error:
            if _TOO_DEEP in (error.problem or "") and (mark := error.problem_mark) and 0 < mark.index < len(self.text):
                # The parser looked ahead to its own limit. Without what follows it hands out what stands before.
                return _Reader(self.file, self.text[: mark.index]).read() or _syntax(self.file, self.text, error)
            return _syntax(self.file, self.text, error)
        except yaml.YAMLError as error:
            return Problem(self.file, 0, 0, "", f"is not YAML: {error}", code="syntax")
        except _Stop:
            return self.problems[-1]
        return None

    def _stream(self) -> None:
        while not isinstance(event := self.parser.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self.problems = []
                self._directives(event)
                root = self._node(self.parser.get_event())
                if not (isinstance(root, Scalar) and root.value is None):
                    self.documents.append(Document(root, tuple(self.problems)))

    def _directives(self, event: Any) -> None:
        if event.version and event.version != (1, 2):
            version = ".".join(str(part) for part in event.version)
            self._report(event, "yaml-version", f"declares YAML {version}", "manifests are YAML 1.2: drop the line")
        if event.tags:
            self._report(event, "tag", "tags are not allowed", "drop the %TAG line")

    def _node(self, event: Any) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._report(event, "too-large", f"has more than {MAX_NODES:,} values", "split it into several files")
            raise _Stop
        kind = type(event)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if kind is yaml.AliasEvent:
            message = f"the alias *{event.anchor} is not allowed"
            self._report(event, "alias", message, "write the value out")
            return _scalar_at(event, event.anchor, None, faulty=True)
        if len(self.path) >= MAX_DEPTH:
            self._report(event, "too-deep", f"is nested deeper than {MAX_DEPTH} levels")
            raise _Stop
        return self._mapping(event) if kind is yaml.MappingStartEvent else self._sequence(event)

    def _scalar(self, event: Any) -> Scalar:
        faulty = self._decorated(event)
        if event.style:
            return _scalar_at(event, event.value, event.value, faulty=faulty)
        value = resolve_plain(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            message = f"{_shortened(event.value)} is not a finite number"
            self._report(event, "not-finite", message, "quote it if it is meant as text")
            return _scalar_at(event, event.value, None, faulty=True)
        return _scalar_at(event, event.value, value, faulty=faulty)

    def _sequence(self, event: Any) -> Sequence:
        mark = event.start_mark
        faulty = self._decorated(event)
        items: list[Node] = []
        self.path.append(0)
        while not _ends(inner := self.parser.get_event(), yaml.SequenceEndEvent):
            self.path[-1] = len(items)
            items.append(self._node(inner))
        self.path.pop()
        end = inner.end_mark.index
        return Sequence(mark.index, end, mark.line + 1, mark.column + 1, faulty, items, bool(event.flow_style))

    def _mapping(self, event: Any) -> Mapping:
        mark = event.start_mark
        faulty = self._decorated(event)
        entries: dict[str, Entry] = {}
        self.path.append("")
        while not _ends(inner := self.parser.get_event(), yaml.MappingEndEvent):
            self.path[-1] = ""
            key = self._key(inner, entries)
            if not event.flow_style and not faulty and key.column != mark.column + 1:
                self._report(inner, "explicit-key", "a key written as `? key` is not allowed", "write `key:`")
                key.faulty = True
            value = self._node(self.parser.get_event())
            if not key.faulty:
                entries[key.source] = Entry(key, value)
        self.path.pop()
        end = inner.end_mark.index
        return Mapping(mark.index, end, mark.line + 1, mark.column + 1, faulty, entries, bool(event.flow_style))

    def _key(self, event: Any, entries: dict[str, Entry]) -> Scalar:
        node = self._node(event)
        if not isinstance(node, Scalar):
            self._report(event, "key", "a list or a mapping cannot be a key")
            return Scalar(node.start, node.end, node.line, node.column, True, "", "", None)
        self.path[-1] = node.source
        if node.faulty:
            return node
        if node.source == "<<" and not node.style:
            node.faulty = self._report(event, "merge-key", "the merge key << is not allowed", "write the fields out")
        elif not isinstance(node.value, str):
            hint = f'quote it: "{node.source}"' if node.source else ""
            node.faulty = self._report(event, "key", f"the key {node.source or '(empty)'} must be a string", hint)
        elif first := entries.get(node.value):
            message = f"the key {_shortened(node.value)!r} stands here twice; first on line {first.key.line}"
            node.faulty = self._report(event, "duplicate-key", message, "keep one of the two")
        return node

    def _decorated(self, event: Any) -> bool:
        """Report an anchor or a tag; whether the value is another than the one that is meant."""
        if event.anchor is not None:
            self._report(event, "anchor", f"the anchor &{event.anchor} is not allowed", "write the value out")
        if event.tag is None:
            return False
        hint = "quote the value if it is text" if event.tag.endswith(":str") else "drop it"
        return self._report(event, "tag", f"the tag {event.tag.replace(_CORE, '!!')} is not allowed", hint)

    def _report(self, event: Any, code: str, message: str, hint: str = "") -> bool:
        mark = event.start_mark
        path = format_path(tuple(step for step in self.path[:_SHOWN_DEPTH] if step != ""))
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, path, message, hint, code))
        return True


_CORE = "tag:yaml.org,2002:"


def _ends(event: Any, kind: type) -> bool:
    return type(event) is kind


def _scalar_at(event: Any, source: str, value: Scalars, *, faulty: bool) -> Scalar:
    mark = event.start_mark
    style: Style = getattr(event, "style", None) or ""
    return Scalar(mark.index, event.end_mark.index, mark.line + 1, mark.column + 1, faulty, source, style, value)


# --- scalars --------------------------------------------------------------------------------------------

_WORDS: dict[str, Scalars] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((f"{sign}{word}" for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")), math.inf),
}
_NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
)
_MAX_DIGITS = 300


def resolve_plain(text: str) -> Scalars:
    """The value of an unquoted scalar by the YAML 1.2 core schema. A number too large is infinite."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-." or not (found := _NUMBER.fullmatch(text)):
        return text
    if len(text) > _MAX_DIGITS:
        return math.inf
    if found["int"]:
        return int(found["int"])
    if found["octal"]:
        return int(found["octal"], 8)
    if found["hex"]:
        return int(found["hex"], 16)
    return float(found["float"])


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


# --- syntax errors in our words -------------------------------------------------------------------------

_TOO_DEEP = "nesting depth"
_MEANINGS = (
    ("mapping values are not allowed", "a second `:` stands where a value was expected", "quote the value"),
    ("could not find expected ':'", "a `:` is missing after this key", "write `key: value`"),
    ("did not find expected key", "the indentation or a quote does not fit what stands above", ""),
    ("did not find expected '-' indicator", "a list entry is missing here, or the indentation is off", ""),
    ("did not find expected ',' or ']'", "a `,` or the closing `]` is missing", ""),
    ("did not find expected ',' or '}'", "a `,` or the closing `}` is missing", ""),
    ("found unexpected end of stream", "a quote is not closed", ""),
    ("found unknown escape character", "an unknown escape stands in double quotes", "use single quotes"),
    ("block sequence entries are not allowed", "a list entry `-` may not stand here", "begin it on a line of its own"),
    ("found undefined tag handle", "tags are not allowed", "drop the tag"),
    ("did not find expected <document start>", "text follows the end of the document", "separate with a line `---`"),
    ("found character that cannot start any token", "a value cannot begin with this character", "quote the value"),
    ("did not find expected node content", "a value is missing here, or stands out of place", ""),
    ("found incompatible YAML document", "declares an unknown version of YAML", "drop the %YAML line"),
)


def _syntax(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    found = error.problem or error.context or "the text cannot be read"
    begun = error.context_mark
    if "unexpected end of stream" in found and begun:
        line, column = begun.line + 1, begun.column + 1
    elif mark and _tabbed(text, mark.line):
        return Problem(file, line, column, "", "a tab indents this line", "use spaces", "syntax")
    if _TOO_DEEP in found:
        return Problem(file, line, column, "", f"is nested deeper than {MAX_DEPTH} levels", code="too-deep")
    for marker, message, hint in _MEANINGS:
        if marker in found:
            return Problem(file, line, column, "", message, hint, "syntax")
    return Problem(file, line, column, "", f"is not YAML: {found}", code="syntax")


def _tabbed(text: str, line: int) -> bool:
    lines = text.split("\n")
    indentation = re.match(r"\s*", lines[line]) if line < len(lines) else None
    return indentation is not None and "\t" in indentation[0]
