"""Texts as every forge takes them, and the errors that all adapters raise in the same words."""

from __future__ import annotations

from releasectl.errors import Conflict, Denied

LONGEST_BODY = 60_000
"""Characters; GitHub's limit is 65,536, the others allow more."""
LONGEST_TITLE = 240
LONGEST_DESCRIPTION = 140
"""Characters of a status' description: GitHub's limit."""
_CUT = "\n\n… (cut: the whole is in the repository)"


def body_of(text: str) -> str:
    """A body or comment, cut where it is longer than forges take."""
    return _cut(text, LONGEST_BODY)


def with_marker(body: str, marker: str) -> str:
    """A comment that can be found again; the marker is in it even where the text was cut."""
    end = f"\n\n{marker}"
    text = _cut(body, LONGEST_BODY - len(end))
    return text if marker in text else text + end


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT


def line_of(text: str, longest: int) -> str:
    """One line, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def not_there(host: str, project: str) -> Denied:
    """The project cannot be seen; hosts say the same where it does not exist."""
    return Denied(
        f"{host} knows no project {project} that this account may see",
        hint="check the project and what the token may do",
    )


def not_merged(number: int, host: str, why: str) -> Conflict:
    """The forge does not merge it, now or ever; its words say which."""
    return Conflict(f"{host} does not merge pull request {number}: {why}", hint="it is tried again")
