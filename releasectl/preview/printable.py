"""Text that a terminal shows and does not obey.

Paths, names and texts of manifests are written by anybody who may open a pull request: a file name may move the
cursor, change the title, or turn the direction of reading.
"""

from __future__ import annotations

import json


def printable(line: str) -> str:
    """One line, whatever it is made of; what cannot be printed stands there as ``\\x1b`` does."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def printable_json(text: str) -> str:
    """The same for JSON over several lines: the same value, with escapes for what cannot be printed."""
    return "\n".join(
        line if line.isprintable() else "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)
        for line in text.split("\n")
    )
