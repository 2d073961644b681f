"""``Key: value`` lines at the end of a commit message, read exactly as ``git interpret-trailers --parse`` does.

Written in Python because a history of thousands of commits is read at once. The keys of ours are here, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

DECISION = "Releasectl-Decision"
RELEASE = "Releasectl-Release"
VARIANT = "Releasectl-Variant"
REASON = "Releasectl-Reason"
POLICY = "Releasectl-Policy"
OBSERVED = "Releasectl-Observed"
EVIDENCE = "Releasectl-Evidence"
DECISION_ID = "Releasectl-Decision-Id"

_SPACES = " \t\r\n"
_SEPARATED = re.compile(r"[A-Za-z0-9-]+[ \t]*:")
_GENERATED = ("Signed-off-by: ", "(cherry picked from commit ")
_SCISSORS = re.compile(r"^# -{24} >8 -{24}$", re.M)
_DIVIDER = re.compile(r"^---(?=\s|$)", re.M)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\x85\u2028\u2029]+")


def append_trailers(message: str, trailers: Iterable[tuple[str, str]]) -> str:
    """The message with these lines as its one and last block of trailers; call it once.

    A value is made one line. Nothing in the message or in a value can add a trailer of its own: the block
    stands apart even if the message ends with lines that read like trailers.
    """
    lines = []
    for key, value in trailers:
        if not re.fullmatch(r"[A-Za-z0-9-]+", key):
            raise ValueError(f"{key!r} cannot be the key of a trailer")
        lines.append(f"{key}: {_UNPRINTABLE.sub(' ', value).strip()}\n")
    # A line of three dashes would end the message for tools that read mails.
    body = _DIVIDER.sub(" ---", message.replace("\x00", "").rstrip())
    return f"{body}\n\n{''.join(lines)}" if lines else f"{body}\n"


def read_trailers(message: str) -> tuple[tuple[str, str], ...]:
    """Trailers in order, values unfolded to one line; a line of three dashes ends nothing."""
    lines = _lines(message[: _end(message)])
    found: list[list[str]] = []
    open_line = False
    for line in lines[_start(lines) :]:
        if open_line and line[0] in _SPACES:
            found[-1][0] += line
            continue
        open_line = _SEPARATED.match(line) is not None
        if open_line:
            found.append([line])
    return tuple(_split(text) for (text,) in found)


def _lines(text: str) -> list[str]:
    return [piece for piece in re.split(r"(?<=\n)", text) if piece]


def _split(text: str) -> tuple[str, str]:
    key, _, value = text.partition(":")
    return key.strip(_SPACES), re.sub(rf"\n[{_SPACES}]*", " ", value.strip(_SPACES)).strip(_SPACES)


def _end(message: str) -> int:
    """Where the message ends: before comments, blank lines and an old list of conflicts at its tail."""
    scissors = _SCISSORS.search(message)
    cut = scissors.start() if scissors else len(message)
    tail: int | None = None
    conflicts = False
    at = 0
    for line in _lines(message[:cut]):
        if line[0] in "#\n":
            tail = at if tail is None else tail
        elif line == "Conflicts:\n":
            conflicts = True
            tail = at if tail is None else tail
        elif not (conflicts and line[0] == "\t"):
            tail, conflicts = None, False
        at += len(line)
    return cut if tail is None else tail


def _start(lines: list[str]) -> int:
    """Index of the first line of the block; ``len(lines)`` without one. The first paragraph is never one."""
    title = next((n for n, line in enumerate(lines) if line[0] != "#" and not line.strip(_SPACES)), len(lines))
    trailers = others = folded = 0
    generated, blank_so_far = False, True
    for index in range(len(lines) - 1, title - 1, -1):
        line = lines[index]
        if line[0] == "#":
            others, folded = others + folded, 0
        elif not line.strip(_SPACES):
            if blank_so_far:
                continue
            others += folded
            enough = (generated and trailers * 3 >= others) or (trailers and not others)
            return index + 1 if enough else len(lines)
        else:
            blank_so_far = False
            if line.startswith(_GENERATED):
                trailers, folded, generated = trailers + 1, 0, True
            elif _SEPARATED.match(line):
                trailers, folded = trailers + 1, 0
            elif line[0] in _SPACES:
                folded += 1
            else:
                others, folded = others + 1 + folded, 0
    return len(lines)
