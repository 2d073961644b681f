"""The valid name that a misspelt one is closest to."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 64


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The closest name, capitals aside; None if nothing is close."""
    if len(word) > _LONGEST:
        return None
    by_lower = {name.lower(): name for name in sorted(names, reverse=True)}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def suggestion(word: str, names: Iterable[str], *, known: str = "known") -> str:
    """A hint: the closest name, or what there is to choose from."""
    choices = sorted(names)
    if close := nearest(word, choices):
        return f"did you mean {close!r}?"
    if not choices:
        return ""
    shown = ", ".join(choices[:8]) + (", ..." if len(choices) > 8 else "")
    return f"{known}: {shown}"
