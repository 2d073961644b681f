"""What is kept of compared pairs for people: how many there were of each kind, and a few of each to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

AGREES = "agrees"
"""The kind of pairs whose answers are the same; other kinds tell how they differ, such as ``yes -> no``."""
RANKS = 2**60
"""Ranks are keyed hashes of requests, evenly spread below this."""


@dataclass(frozen=True)
class ComparedTrial:
    """Pairs that belong together: of one trial, compared in one way."""

    question: str
    """Name of the metric that compares them."""
    release: str
    first_epoch: int
    """Of the trial's first allocation."""
    tags: Mapping[str, str]
    """Of the candidates, by name."""


@dataclass(frozen=True)
class Stratum:
    """Pairs of one kind in one segment. ``segment`` is empty where predictions tell of none."""

    variant: str
    kind: str
    segment: str
    pairs: int
    below: int
    """All pairs of the stratum with a rank below this are kept, so that they are a random sample of it."""


@dataclass(frozen=True)
class Sums:
    """Differences of pairs, the candidate's less stable's, in one segment.

    ``value``: of the compared numbers; ``latency``: in milliseconds; ``errors``: 1 where only the candidate failed, -1
    where only stable did.
    """

    variant: str
    measure: Literal["value", "latency", "errors"]
    segment: str
    count: int
    total: float
    squares: float
    absolute: float
    """Sum of the differences' sizes."""
    largest: float


@dataclass(frozen=True)
class KeptPair:
    """One pair as it was logged. ``rank`` places it in every sample of its stratum."""

    request_id: str
    variant: str
    kind: str
    segment: str
    rank: int
    stable: Any
    tried: Any
    features: Any = None
    """None unless the log keeps features."""
