"""The alpha ledger: which part of an error budget was given to which rule, fixed before the first tick.

By the union bound the chance that any rule errs is at most the sum of what they were given. The ledger only
refuses to give more than there is, and says what went where.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from releasectl.stats.determinism import DEAD_BAND


@dataclass(frozen=True)
class Entry:
    """What one rule may spend."""

    name: str
    alpha: float


@dataclass(frozen=True)
class Ledger:
    """A budget and the entries against it, in the order they were made."""

    budget: float
    entries: tuple[Entry, ...] = ()

    @property
    def spent(self) -> float:
        """Sum of the entries."""
        return math.fsum(entry.alpha for entry in self.entries)

    @property
    def left(self) -> float:
        """What can still be given."""
        return max(0.0, self.budget - self.spent)

    def spend(self, name: str, alpha: float) -> Ledger:
        """The ledger with one more entry; ValueError when the name is taken or too little is left."""
        if any(entry.name == name for entry in self.entries):
            raise ValueError(f"{name!r} has its part already")
        if not 0 < alpha <= self.left + DEAD_BAND:
            raise ValueError(f"{name!r} asks for {alpha:g}, {self.left:g} of {self.budget:g} is left")
        return Ledger(self.budget, (*self.entries, Entry(name, alpha)))

    def of(self, name: str) -> float:
        """What this name was given; KeyError when nothing."""
        for entry in self.entries:
            if entry.name == name:
                return entry.alpha
        raise KeyError(name)

    @classmethod
    def split(cls, budget: float, weights: Mapping[str, float]) -> Ledger:
        """The whole budget in proportion to positive weights."""
        total = math.fsum(weights.values())
        if not weights or min(weights.values()) <= 0:
            raise ValueError("a budget is split over positive weights")
        return cls(budget, tuple(Entry(name, budget * w / total) for name, w in weights.items()))
