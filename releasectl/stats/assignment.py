"""Which arm a unit is given: the same answer in every process and language.

A unit's place on [0, 1) is HMAC-SHA-256 of its salt and name under a key: without the key nobody can
choose names that land in an arm, and another salt shuffles all units anew. Six bytes (48 bits) become the
place, which a double holds exactly, so Python, JavaScript and Lua agree to the bit. In JavaScript::

    const place = (key, salt, unit) => parseInt(require("crypto").createHmac("sha256", key)
      .update(salt + "\\0" + unit).digest("hex").slice(0, 12), 16) / 2 ** 48

Arms own ranges of basis points. When shares change, ``rearrange`` moves only the difference: an arm that
shrinks gives up what it got last, an arm that grows keeps all it had. A unit therefore changes arm only
when its own range changed hands, and while a candidate grows its units only increase.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

WHOLE = 10_000
_BITS = 48


@dataclass(frozen=True)
class Range:
    """Basis points [start, end) owned by an arm."""

    start: int
    end: int
    arm: str


@dataclass(frozen=True)
class Layout:
    """Ranges in the order in which they were handed out; together they cover [0, 10,000) once."""

    ranges: tuple[Range, ...]

    def arm_at(self, place: float) -> str:
        """The arm that owns a place in [0, 1)."""
        point = int(place * WHOLE)
        for owned in self.ranges:
            if owned.start <= point < owned.end:
                return owned.arm
        raise ValueError(f"{place} is outside [0, 1)")

    def shares(self) -> dict[str, int]:
        """Basis points by arm; arms without any are left out."""
        totals: dict[str, int] = {}
        for owned in self.ranges:
            totals[owned.arm] = totals.get(owned.arm, 0) + owned.end - owned.start
        return totals


def place(*, key: bytes, salt: str, unit: str) -> float:
    """Where a unit stands on [0, 1), in steps of 2^-48; text is UTF-8, NUL separates salt and unit."""
    digest = hmac.digest(key, f"{salt}\0{unit}".encode(), hashlib.sha256)
    return float(int.from_bytes(digest[:6], "big") / 2**_BITS)


def bucket(*, key: bytes, salt: str, unit: str, buckets: int = WHOLE) -> int:
    """The unit's place as one of 0 .. buckets - 1."""
    return int(place(key=key, salt=salt, unit=unit) * buckets)


def arrange(shares: Mapping[str, int]) -> Layout:
    """A first layout: ranges in the order of the arms, the first from 0."""
    _check(shares)
    ranges, start = [], 0
    for arm, points in shares.items():
        if points:
            ranges.append(Range(start, start + points, arm))
        start += points
    return Layout(tuple(ranges))


def rearrange(layout: Layout, shares: Mapping[str, int]) -> Layout:
    """The layout for new shares that moves the fewest units: half of the sum of all changes."""
    _check(shares)
    kept, freed = _shrunk(layout, shares)
    owned = Layout(tuple(kept)).shares()
    for arm, points in shares.items():
        missing = points - owned.get(arm, 0)
        while missing > 0:
            free = freed.pop(0)
            taken = min(missing, free.end - free.start)
            kept.append(Range(free.start, free.start + taken, arm))
            if free.start + taken < free.end:
                freed.insert(0, Range(free.start + taken, free.end, ""))
            missing -= taken
    return Layout(tuple(_joined(kept)))


def _shrunk(layout: Layout, shares: Mapping[str, int]) -> tuple[list[Range], list[Range]]:
    """What each arm keeps, oldest first, and what is free, lowest first."""
    kept, freed, room = [], [], dict(shares)
    for owned in layout.ranges:
        keep = min(owned.end - owned.start, room.get(owned.arm, 0))
        room[owned.arm] = room.get(owned.arm, 0) - keep
        if keep:
            kept.append(Range(owned.start, owned.start + keep, owned.arm))
        if owned.start + keep < owned.end:
            freed.append(Range(owned.start + keep, owned.end, ""))
    return kept, sorted(freed, key=lambda r: r.start)


def _joined(ranges: list[Range]) -> list[Range]:
    """Neighbours that were handed out one after the other to the same arm, as one."""
    joined: list[Range] = []
    for owned in ranges:
        if joined and joined[-1].arm == owned.arm and joined[-1].end == owned.start:
            joined[-1] = Range(joined[-1].start, owned.end, owned.arm)
        else:
            joined.append(owned)
    return joined


def _check(shares: Mapping[str, int]) -> None:
    if sum(shares.values()) != WHOLE or min(shares.values()) < 0:
        raise ValueError(f"shares are basis points that add to {WHOLE}, not {dict(shares)}")
