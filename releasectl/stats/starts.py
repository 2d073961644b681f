"""Weights over the tick at which harm may begin.

An e-process that begins at tick k is 1 until then. Any average of such processes with weights fixed in
advance is again an e-process, so spreading weight over starts finds harm that begins late without
carrying the ballast of the healthy ticks before it, and the error rate stays that of the whole. (Shin,
Ramdas & Rinaldo, E-detectors, 2022, use the same family for monitors without an end.)
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Starts:
    """``weights[k-1]`` is the weight of starting at tick k; ``tail`` is spread over all later ticks.

    The tail's share of tick k > K = len(weights) is tail (K+1) / (k (k+1)). All weights add to 1 at most;
    what is missing stays a constant, which is valid and wasted.
    """

    weights: tuple[float, ...] = (1.0,)
    tail: float = 0.0

    def __post_init__(self) -> None:
        if min(self.weights, default=0.0) < 0 or self.tail < 0 or self.at_first + self.left_after(1) > 1 + 1e-9:
            raise ValueError("weights of start ticks must be positive and add to 1 at most")

    @property
    def at_first(self) -> float:
        """Weight of the first tick."""
        return self.weight(1)

    def weight(self, tick: int) -> float:
        """Weight of starting at ``tick`` (1 is the first)."""
        known = len(self.weights)
        if tick <= known:
            return self.weights[tick - 1]
        return self.tail * (known + 1) / (tick * (tick + 1))

    def left_after(self, tick: int) -> float:
        """Weight of all starts later than ``tick``."""
        known = len(self.weights)
        if tick < known:
            return sum(self.weights[tick:]) + self.tail
        return self.tail * (known + 1) / (tick + 1)


AT_FIRST = Starts()


def spread_starts(horizon: int, *, every: int = 5, first: float = 0.5, tail: float = 0.0) -> Starts:
    """``first`` at tick 1, ``tail`` beyond the horizon, the rest even over ticks 1+every, 1+2 every, ...

    ``horizon`` is the number of ticks a stage is expected to last at most.
    """
    later = [k for k in range(2, horizon + 1) if (k - 1) % every == 0]
    if not later:
        return Starts((first,), tail)
    share = (1.0 - first - tail) / len(later)
    return Starts((first, *(share if k in later else 0.0 for k in range(2, horizon + 1))), tail)
