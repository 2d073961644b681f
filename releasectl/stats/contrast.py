"""What is asked about two arms, and what one tick says about it.

A contrast is a null hypothesis with its direction and margin; an increment is a tick's signed, weighted
difference from the edge of that null. Rules that only need increments serve proportions, means and ratios
alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from releasectl.stats.determinism import Floats

Claim = Literal["worse", "better"]
Worse = Literal["lower", "higher"]
MarginKind = Literal["relative", "absolute"]


@dataclass(frozen=True)
class Contrast:
    """A claim to gather evidence for.

    ``worse`` says which way is harm. The edge lies ``margin`` on the harmful side of the baseline: at
    (1 - margin) m_b or m_b - margin when lower is worse, (1 + margin) m_b or m_b + margin when higher is.
    ``claim="worse"``: the canary is beyond the edge (harm). ``claim="better"``: it is on the good side of
    the edge (margin 0: superiority; above 0: non-inferiority). The null is that it is not so.
    """

    claim: Claim = "worse"
    margin: float = 0.0
    margin_kind: MarginKind = "relative"
    worse: Worse = "lower"

    @property
    def ratio(self) -> float:
        """The edge is ratio m_b + offset."""
        return 1.0 + self._step if self.margin_kind == "relative" else 1.0

    @property
    def offset(self) -> float:
        """The edge is ratio m_b + offset."""
        return self._step if self.margin_kind == "absolute" else 0.0

    @property
    def sign(self) -> float:
        """Times (edge - m_c) it is positive when that supports the claim."""
        return 1.0 if (self.claim == "worse") == (self.worse == "lower") else -1.0

    @property
    def _step(self) -> float:
        return -self.margin if self.worse == "lower" else self.margin


@dataclass(frozen=True)
class Increments:
    """Of each tick, shape (..., ticks): ``s`` = sign w (edge - m_c), its variance ``v`` and third central
    moment ``k3`` at the edge of the null, and the weight w = n_b n_c / (n_b + n_c). All 0 in a tick that
    says nothing.

    ``given`` tells whether v is fixed by things that say nothing of s under the null, as sizes and the total
    of outcomes do. A variance estimated from the tick's own values is not: where values are skewed it is
    small just when s is large.
    """

    s: Floats
    v: Floats
    k3: Floats
    w: Floats
    given: bool


class Comparable(Protocol):
    """A block of ticks that can be held against a contrast."""

    @property
    def ticks(self) -> int:
        """Number of ticks."""
        ...

    def increments(self, contrast: Contrast) -> Increments:
        """What each tick says."""
        ...
