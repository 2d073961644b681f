"""Blind review: which pairs people are asked about, what they said, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from releasectl.domain.sampled import KeptPair

Drawn = Literal["random", "disagreement", "uncertain"]
"""Why a pair is asked about. What was drawn at random stands for all pairs, the others for their own kind."""

Right = Literal["stable", "tried", "both", "neither"]
"""Which of the two answers a person found right."""
RIGHTS: tuple[Right, ...] = ("stable", "tried", "both", "neither")


@dataclass(frozen=True)
class Question:
    """A pair that somebody is asked about. ``id`` is a keyed hash, so that it tells nothing of the pair."""

    id: str
    pair: KeptPair
    drawn: Drawn

    @property
    def stable_first(self) -> bool:
        """Whether stable's answer is shown as A; by the toss of the keyed hash."""
        return int(self.id[-1], 16) % 2 == 0


@dataclass(frozen=True)
class Label:
    """What one person said of one pair."""

    item: str
    reviewer: str
    variant: str
    kind: str
    segment: str
    drawn: Drawn
    right: Right

    @property
    def difference(self) -> int:
        """1 where only the candidate was right, -1 where only stable was."""
        return {"tried": 1, "stable": -1}.get(self.right, 0)


@dataclass(frozen=True)
class Taken:
    """Who has been asked about a pair: those who have answered, and those who still may."""

    by: Mapping[str, frozenset[str]]
    """Item -> names."""

    def of(self, item: str) -> frozenset[str]:
        return self.by.get(item, frozenset())
