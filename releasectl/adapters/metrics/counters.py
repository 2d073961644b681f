"""Exact increments of one counter from its raw samples.

A counter only grows, and starts again from 0 when its process does: a value below the one before is the count
since that restart. Which samples arrive in which read must not matter, so what was counted is kept as a mark,
the time and value of the last sample, and only later samples count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

ROUNDING = 1e-9
"""How far from an integer a value may be by the way floats are written; anything more is not a count."""

_EXACT = 2**53
"""Above it a float no longer holds every integer."""


class InvalidCount(ValueError):
    """A value that cannot be the count of anything."""


class Sample(NamedTuple):
    """One raw sample. ``value`` is None for a stale marker: the series ended there, for now."""

    at: float
    value: float | None


class Mark(NamedTuple):
    """Up to where a series is counted: the time and value of its last sample."""

    at: float
    value: int


class Advance(NamedTuple):
    """What later samples added, and the mark after them; None while no sample was ever seen."""

    increment: int
    mark: Mark | None


def whole(value: float) -> int:
    """The integer that a sample's value is. InvalidCount if it is not finite, negative or has a fraction."""
    if not math.isfinite(value):
        raise InvalidCount(f"{value} is not a number that can be counted")
    nearest = round(value)
    if abs(value - nearest) > ROUNDING:
        raise InvalidCount(f"{value} is not a whole number")
    if nearest < 0:
        raise InvalidCount(f"{value} is negative")
    if nearest > _EXACT:
        raise InvalidCount(f"{value} is too large to be exact")
    return nearest


def grown(before: int, now: int) -> int:
    """What was added between two values, one after the other; a value that fell is the count since a restart."""
    return now - before if now >= before else now


class Restart(NamedTuple):
    """A process began anew after one time and not after another: the samples between which a counter of it fell."""

    after: float
    by: float


def advance(
    mark: Mark | None,
    samples: Iterable[Sample],
    *,
    born: bool = False,
    until: float = math.inf,
    restarts: Sequence[Restart] = (),
) -> Advance:
    """Count the samples after ``mark`` and not after ``until``.

    Samples may come in any order and more than once; those at or before the mark were counted and are passed
    over. Without a mark the first sample sets it and counts nothing, unless the series was ``born`` while it was
    being watched: then it has grown from 0. Across one of its process's ``restarts`` it has grown from 0 too, even
    to more than it was. InvalidCount leaves nothing counted.
    """
    total = 0
    after = -math.inf if mark is None else mark.at
    for at, raw in sorted([(at, raw) for at, raw in samples if raw is not None and after < at <= until]):
        value = whole(raw)
        if mark is None:
            total += value if born else 0
        elif at == mark.at:
            continue
        elif any(mark.at <= restart.after and restart.by <= at for restart in restarts):
            total += value
        else:
            total += grown(mark.value, value)
        mark = Mark(at, value)
    return Advance(total, mark)


def falls(mark: Mark | None, samples: Iterable[Sample]) -> Iterator[Restart]:
    """Where the values after ``mark`` fall, in order; values that cannot be counted are passed over."""
    last: tuple[float, float] | None = mark
    for at, raw in sorted([(at, raw) for at, raw in samples if raw is not None and math.isfinite(raw)]):
        if last is not None and at <= last[0]:
            continue
        if last is not None and raw < last[1]:
            yield Restart(last[0], at)
        last = (at, raw)
