"""Runs of several worlds in one batch: what a look costs is shared by all that are looked at equally often.

Runs know nothing of each other, so each world comes to exactly what it comes to alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np

from releasectl.simulate.batch import CHUNK, Batch, Bools, run_batch
from releasectl.simulate.case import Case
from releasectl.simulate.summary import Runs, simulate
from releasectl.simulate.world import Arrivals, Counted, Ints, World, variants_of


def simulate_together(case: Case, worlds: Sequence[World], count: int, seed: int) -> tuple[Runs, ...]:
    """``count`` runs of each world, as ``simulate`` runs them; of worlds whose looks are equally far apart the one
    with more looks says how many both have. At most ``CHUNK`` runs, of metrics that are known equally late."""
    if count > CHUNK:
        raise ValueError(f"more than {CHUNK} runs of a world go in several batches")
    found: dict[int, Runs] = {}
    for every in dict.fromkeys(world.every for world in worlds):
        places = [place for place, world in enumerate(worlds) if world.every == every]
        looks = max(worlds[place].looks for place in places)
        group = [replace(worlds[place], looks=looks) for place in places]
        if case.is_batched:
            found |= zip(places, _in_one(case, group, every, count, seed), strict=True)
        else:
            found |= {place: simulate(case, world, count, seed) for place, world in zip(places, group, strict=True)}
    return tuple(found[place] for place in range(len(worlds)))


def _in_one(case: Case, worlds: Sequence[World], every: timedelta, count: int, seed: int) -> list[Runs]:
    total, variants = count * len(worlds), variants_of(case.candidates)
    requests = np.zeros((total, len(variants)), dtype=np.int64)
    arriving = _Arriving([Arrivals(world, variants, (seed, 0)) for world in worlds], count)

    def seen(rows: Ints, trials: Ints) -> None:
        requests[rows] += trials

    batch = Batch.begin(case, every, range(total))
    runs = run_batch(batch, worlds[0].looks, arriving.draw, arriving.keep, seen)
    parts = pairwise(range(0, total + 1, count))
    return [
        Runs(case, world, [runs[run] for run in range(first, end)], requests[first:end])
        for world, (first, end) in zip(worlds, parts, strict=True)
    ]


class _Arriving:
    """Arrivals of several worlds, one after the other by rows."""

    def __init__(self, arrivals: Sequence[Arrivals], count: int) -> None:
        self._parts = [(one, count) for one in arrivals]

    def draw(self, look: int, shares: Ints, epoch: Ints) -> tuple[Ints, Mapping[str, Counted]]:
        drawn = [one.draw(look, shares[rows], epoch[rows]) for one, rows in self._rows()]
        trials = np.concatenate([requests for requests, _ in drawn])
        known = {
            metric: Counted(
                *(np.concatenate(part) for part in zip(*(counts[metric] for _, counts in drawn), strict=True))
            )
            for metric in drawn[0][1]
        }
        return trials, known

    def keep(self, kept: Bools) -> None:
        left = []
        for one, rows in self._rows():
            one.keep(kept[rows])
            left.append((one, int(kept[rows].sum())))
        # A world whose runs have all ended draws nothing more.
        self._parts = [(one, count) for one, count in left if count]

    def _rows(self) -> list[tuple[Arrivals, slice]]:
        ends = np.cumsum([0, *(count for _, count in self._parts)]).tolist()
        return [(one, slice(*span)) for (one, _), span in zip(self._parts, pairwise(ends), strict=True)]
