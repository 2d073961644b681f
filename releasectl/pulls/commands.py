"""Commands in comments: lines that begin with ``/releasectl``.

A line in a quotation, a code block or an HTML comment is something shown, not something asked. Who says more than
the verb names the release: were the first word of a reason taken for one that is left out, a misspelt name would
command another release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

from releasectl.domain.roles import Right

Verb = Literal["plan", "status"] | Right
VERBS: tuple[str, ...] = ("plan", "status", *get_args(Right))
MOST = 5
"""Commands of one comment; what comes after them is not heeded."""
LONGEST_REASON = 500

_CALL = "/releasectl"
_GAP = re.compile(r"[ \t]+")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)|<pre\b.*?(?:</pre>|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Command:
    """One line. ``verb`` may be none of ours: that is answered, too."""

    verb: str
    release: str | None = None
    reason: str = ""

    @property
    def is_known(self) -> bool:
        return self.verb in VERBS


def commands_in(body: str) -> tuple[Command, ...]:
    """The commands of a comment, in order."""
    lines = _spoken(_HIDDEN.sub("", body.replace("\r\n", "\n")))
    return tuple(islice((command for line in lines if (command := _command(line))), MOST))


def _command(line: str) -> Command | None:
    """Read in one go from left to right: anybody may write a line of a million blanks."""
    if not line.startswith(_CALL):
        return None
    called, verb, release, reason = (*_GAP.split(line.rstrip(" \t"), maxsplit=3), "", "", "")[:4]
    if called != _CALL or any(character.isspace() for character in verb + release):
        return None
    return Command(verb[:40], release or None, " ".join(reason.split())[:LONGEST_REASON])


def _spoken(body: str) -> Iterator[str]:
    """Lines that stand in no code block. Those of a quotation, or indented, do not begin with a slash anyway."""
    fence = ""
    for line in body.split("\n"):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        else:
            yield line
