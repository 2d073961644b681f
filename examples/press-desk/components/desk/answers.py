"""What a sentiment model answers."""

from __future__ import annotations

from typing import NamedTuple


class Scored(NamedTuple):
    """``critical``, ``favourable`` or ``neutral``, and how strongly: -1 to 1."""

    label: str
    score: float
