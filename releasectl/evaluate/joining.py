"""Looks that are joined until both arms have enough to be compared.

Arms are compared inside one look, and at little traffic hardly any look has requests of both: by itself none of them
says anything. So counts wait until each arm has enough, and are compared as those of one look then. Looks are joined
only within one decision, whose shares were the same all along; under other shares, how many there are of each arm
says when they came, and a rate that drifts would pass for a difference.

Where a joined look ends depends on how many trials each arm has had and never on how they went. The proofs behind the
e-processes ask for no more: sizes of a look may be chosen by the past in any way that its own outcomes have no part in
(Turner & Grunwald 2023). The common rate may be another one in each joined look; inside one it is taken as the same for
both arms, as it is inside a look that stands alone.

Counts are integers until they are compared, so looks come in any split to the same bits. ``joined`` serves one
comparison, ``joined_runs`` as many simulated ones as there are rows; a test holds them against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

MOST_WAITING = 20
"""Decisions whose counts may wait for more; of older ones the few that are left are let go."""

Pair = list[list[int]]
"""Sums of stable and of the candidate, trials first."""


def joined(
    waiting: Mapping[str, Sequence[Sequence[int]]], looks: Iterable[tuple[int, Pair]], least: int
) -> tuple[list[Pair | None], dict[str, Pair]]:
    """Of each look what there is to compare after it, if both arms have ``least`` trials now; and what waits on.

    A look comes with the decision that its counts were exposed under. What waits is kept by decision, as JSON has it,
    because late outcomes of one may come after those of the next.
    """
    held: dict[str, Pair] = {epoch: [list(arm) for arm in pair] for epoch, pair in waiting.items()}
    whole: list[Pair | None] = []
    for number, counted in looks:
        epoch = str(number)
        sums = _added(held.pop(epoch), counted) if epoch in held else counted
        is_whole = min(arm[0] for arm in sums) >= least
        whole.append(sums if is_whole else None)
        if is_whole:
            continue
        held[epoch] = sums
        if len(held) > MOST_WAITING:
            del held[min(held, key=int)]
    return whole, {epoch: held[epoch] for epoch in sorted(held, key=int)}


def _added(one: Pair, other: Pair) -> Pair:
    return [[a + b for a, b in zip(*arms, strict=True)] for arms in zip(one, other, strict=True)]


class WaitingRuns(NamedTuple):
    """What waits in each of many runs."""

    sums: NDArray[Any]
    """Of both arms, trials first, shape (runs, 2, sums)."""
    epoch: NDArray[int64]
    """The decision that they are of, by run."""


def joined_runs(
    waiting: WaitingRuns, sums: NDArray[Any], epoch: NDArray[int64], least: int
) -> tuple[NDArray[Any], WaitingRuns]:
    """``joined`` for one look of each run: all 0 where there is nothing to compare yet, which says nothing.

    Counts must come in the order of their decisions, so that one place to wait in is enough.
    """
    import numpy as np

    held = np.where((waiting.epoch == epoch)[:, None, None], waiting.sums, 0) + sums
    whole = (held[:, :, 0].min(axis=1) >= least)[:, None, None]
    return np.where(whole, held, 0), WaitingRuns(np.where(whole, 0, held), epoch.copy())
