"""From chances of being best to shares that may be served: integer basis points that add to 10,000.

In this order: an arm that is vetoed gets nothing; floors are mixed in, f_i + (1 - sum f) p_i; caps and the
step limit make a box around the present shares; the shares are projected onto the box; then rounded by
largest remainder. Floors are part of the box, so they hold *after* normalising. Limits that cannot all
hold give way, and the answer says which: the step grows to the smallest that fits; caps that add to less
than the whole are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

WHOLE = 10_000

Relaxed = Literal["step", "cap"]


@dataclass(frozen=True)
class Shares:
    """Basis points per arm, in the order of the arms, and the limits that had to give way."""

    basis_points: tuple[int, ...]
    relaxed: tuple[Relaxed, ...] = ()


def allocate(
    *,
    p_best: Sequence[float],
    floors: int | Sequence[int] = 0,
    caps: int | Sequence[int] = WHOLE,
    present: Sequence[int] | None = None,
    step: int | None = None,
    vetoed: Sequence[int] = (),
    fallback: int = 0,
    names: Sequence[str] | None = None,
) -> Shares:
    """Shares for arms with these weights (P(best), top-two or any other; not negative).

    floors, caps and step are basis points; floors and caps one for all arms or one for each. A step limit
    needs the present shares. ``vetoed`` arms, by position, get 0 at once, whatever their floor or the step
    limit. When no arm is left, all goes to ``fallback``. Ties in rounding go by name, else by position.
    Weights that are all zero are taken as equal. ValueError when floors add to more than the whole.
    """
    arms = len(p_best)
    live = [i not in set(vetoed) for i in range(arms)]
    if not any(live):
        return Shares(tuple(WHOLE if i == fallback else 0 for i in range(arms)))
    low = [f if on else 0 for f, on in zip(_each(floors, arms), live, strict=True)]
    cap = [c if on else 0 for c, on in zip(_each(caps, arms), live, strict=True)]
    _check(p_best, low, cap, arms)
    target = _mixed(p_best, low, live)
    lower, upper, relaxed = _box(low, cap, live, present, step)
    exact = _projected(target, lower, upper)
    order = sorted(range(arms), key=lambda i: (names[i] if names else "", i))
    return Shares(tuple(_rounded(exact, lower, upper, order)), relaxed)


def largest_remainder(shares: Sequence[float], *, names: Sequence[str] | None = None) -> tuple[int, ...]:
    """Basis points nearest to shares (any scale) that add to exactly 10,000 (Hamilton's method).

    Ties go by name, else by position. ValueError when all are zero.
    """
    total = math.fsum(shares)
    if not total > 0 or min(shares) < 0:
        raise ValueError("shares are not negative and not all zero")
    exact = [WHOLE * s / total for s in shares]
    order = sorted(range(len(exact)), key=lambda i: (names[i] if names else "", i))
    return tuple(_rounded(exact, [0] * len(exact), [WHOLE] * len(exact), order))


def _each(limit: int | Sequence[int], arms: int) -> list[int]:
    limits = [limit] * arms if isinstance(limit, int) else list(limit)
    if len(limits) != arms:
        raise ValueError("one limit for all arms, or one for each")
    return limits


def _check(p_best: Sequence[float], low: Sequence[int], cap: Sequence[int], arms: int) -> None:
    if any(not (math.isfinite(p) and p >= 0) for p in p_best):
        raise ValueError("weights are finite and not negative")
    if sum(low) > WHOLE or min(low) < 0:
        raise ValueError(f"floors of {sum(low)} basis points do not fit in {WHOLE}")
    if any(f > c for f, c in zip(low, cap, strict=True)):
        raise ValueError("a floor is above its cap")


def _mixed(p_best: Sequence[float], low: Sequence[int], live: Sequence[bool]) -> list[float]:
    weights = [p if on else 0.0 for p, on in zip(p_best, live, strict=True)]
    if not math.fsum(weights) > 0:
        weights = [1.0 if on else 0.0 for on in live]
    total, free = math.fsum(weights), WHOLE - sum(low)
    return [f + free * (w / total) for f, w in zip(low, weights, strict=True)]


def _box(
    low: Sequence[int], cap: Sequence[int], live: Sequence[bool], present: Sequence[int] | None, step: int | None
) -> tuple[list[int], list[int], tuple[Relaxed, ...]]:
    """Limits that some shares can meet, and what was given up for it."""
    if sum(cap) < WHOLE:
        lower, upper, relaxed = _box(low, [WHOLE if on else 0 for on in live], live, present, step)
        return lower, upper, (*relaxed, "cap")
    if step is None or present is None:
        return list(low), list(cap), ()
    shortest = _smallest_step(present, low, cap, step)
    lower, upper = _around(present, low, cap, step=shortest)
    return lower, upper, ("step",) if shortest > step else ()


def _smallest_step(present: Sequence[int], low: Sequence[int], cap: Sequence[int], step: int) -> int:
    """The step asked for, or the smallest above it that leaves anything possible; the whole always does."""
    first, last = step, max(step, WHOLE)
    while first < last:
        middle = first if first == step else (first + last) // 2
        lower, upper = _around(present, low, cap, step=middle)
        if sum(lower) <= WHOLE <= sum(upper):
            last = middle
        else:
            first = middle + 1
    return first


def _around(
    present: Sequence[int], low: Sequence[int], cap: Sequence[int], *, step: int
) -> tuple[list[int], list[int]]:
    """The box around present shares; floors come before the step, and a cap of 0 before everything."""
    lower = [max(f, min(now - step, c)) for f, c, now in zip(low, cap, present, strict=True)]
    upper = [max(f, min(now + step, c)) for f, c, now in zip(low, cap, present, strict=True)]
    return lower, upper


def _projected(target: Sequence[float], lower: Sequence[int], upper: Sequence[int]) -> list[float]:
    """The nearest point (Euclid) of the box that adds to the whole: target + shift, clipped.

    Arms beyond a limit are fixed there, on the side that oversteps more in all, until none is left: at
    most one pass for each arm. Sums are correctly rounded, so the order of the arms does not matter.
    """
    fixed: dict[int, float] = {}
    while True:
        free = [i for i in range(len(target)) if i not in fixed]
        shift = (WHOLE - math.fsum([*fixed.values(), *(target[i] for i in free)])) / max(len(free), 1)
        over = {i: target[i] + shift - upper[i] for i in free if target[i] + shift > upper[i]}
        under = {i: lower[i] - target[i] - shift for i in free if target[i] + shift < lower[i]}
        balance = math.fsum([*over.values(), *(-gap for gap in under.values())])
        if balance >= 0:
            fixed.update((i, float(upper[i])) for i in over)
        if balance <= 0:
            fixed.update((i, float(lower[i])) for i in under)
        if not over and not under:
            return [fixed.get(i, target[i] + shift) for i in range(len(target))]


def _rounded(exact: Sequence[float], lower: Sequence[int], upper: Sequence[int], order: Sequence[int]) -> list[int]:
    """Integers within the limits, by largest remainder; below a millionth of a point, remainders are equal."""
    points = [min(max(math.floor(x + 1e-6), lo), hi) for x, lo, hi in zip(exact, lower, upper, strict=True)]
    while sum(points) < WHOLE:
        with_room = [i for i in order if points[i] < upper[i]]
        points[max(with_room, key=lambda i: round(exact[i] - points[i], 6))] += 1
    return points
