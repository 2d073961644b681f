"""Problems as people and machines want them: a table with excerpts, published JSON, GitHub annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from releasectl.errors import Problem

ReadLine = Callable[[str, int], str | None]
"""The text of a line of a file, None if there is none to show."""


def as_table(problems: Sequence[Problem], read_line: ReadLine) -> str:
    """One problem after the other, each with the line that it is about."""
    return "\n".join(_with_excerpt(problem, read_line(problem.file, problem.line)) for problem in problems)


def _with_excerpt(problem: Problem, line: str | None) -> str:
    prefix = "warning: " if problem.severity == "warning" else ""
    head = f"{prefix}{problem}"
    if line is None:
        return head
    number, at = str(problem.line), max(problem.column - 1, 0)
    # Of a long line the part that it is about.
    start = at - _WIDTH // 2 if at >= _WIDTH else 0
    shown = ("…" if start else "") + line.replace("\t", " ")[start : start + _WIDTH]
    caret = " " * (at - start + bool(start)) + "^"
    return f"{head}\n  {number} | {shown}\n  {' ' * len(number)} | {caret}".rstrip()


_WIDTH = 160


def as_json(problems: Sequence[Problem], *, files: int, documents: int) -> str:
    """The published shape: fields are added, never renamed."""
    data = {
        "valid": not any(problem.severity == "error" for problem in problems),
        "files": files,
        "documents": documents,
        "problems": [_fields(problem) for problem in problems],
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def _fields(problem: Problem) -> Mapping[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
    }


def as_github(problems: Sequence[Problem]) -> str:
    """Workflow commands that GitHub turns into annotations of a pull request's lines."""
    return "\n".join(_annotation(problem) for problem in problems)


def _annotation(problem: Problem) -> str:
    where = {"file": problem.file, "title": problem.path or problem.code}
    if problem.line:
        where = {"file": problem.file, "line": str(problem.line), "col": str(problem.column), "title": where["title"]}
    properties = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in where.items())
    text = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    return f"::{problem.severity} {properties}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
