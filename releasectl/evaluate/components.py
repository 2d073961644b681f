"""What each component of a graph did by itself, counted block by block. Pure.

A failure deep in the graph shows in every component above it. What a component did by itself are its bad answers
less those of the components that it asks, in each block and never below 0: exact where failures are passed on as
they are, and too little for a component that hides those of others. A slow answer is passed on in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from releasectl import stats
from releasectl.domain.decision import EffectiveState
from releasectl.domain.metric import Metric
from releasectl.domain.observation import Block, Counts, Reading
from releasectl.domain.parts import COMPONENT, split_name
from releasectl.domain.release import STABLE, Variant

Folds = Mapping[str, Mapping[str, Any]]
State = Mapping[str, Any]
When = tuple[Any, Any, int]


@dataclass(frozen=True)
class Graph:
    """The variants of a trial and the edges between their components."""

    entry: str
    edges: Mapping[str, tuple[str, ...]]
    """Component -> components whose answers it needs."""
    variants: Mapping[str, Variant]

    @classmethod
    def of(cls, state: EffectiveState) -> Graph:
        """As it serves now."""
        return cls(state.entry, state.edges, state.variants)

    @property
    def components(self) -> tuple[str, ...]:
        """As in the manifest."""
        return tuple(self.variants[STABLE].versions)

    @property
    def candidates(self) -> tuple[str, ...]:
        return tuple(name for name in self.variants if name != STABLE)

    def changed(self, candidate: str) -> tuple[str, ...]:
        """Components of which a candidate brings another version."""
        before, after = self.variants[STABLE].versions, self.variants[candidate].versions
        return tuple(name for name in self.components if before[name].identity != after[name].identity)

    def reached_from(self, component: str) -> set[str]:
        """Components that one asks, directly or through others."""
        found: set[str] = set()
        ahead = [component]
        while ahead:
            new = set(self.edges.get(ahead.pop(), ())) - found
            found |= new
            ahead += new
        return found


def fold_key(metric: str, component: str, candidate: str) -> str:
    """Where a component's state stands among the folds."""
    return f"{COMPONENT}/{metric}/{component}/{candidate}"


def fold_components(
    folds: Folds, readings: Mapping[str, Reading], metric: Metric, graph: Graph
) -> dict[str, Mapping[str, Any]]:
    """The states of every component and candidate, with the new blocks of a metric and of its parts by component.

    Nothing for a metric without such parts. Folding in any split gives the same states to the bit.
    """
    keys = [fold_key(metric.name, component, name) for component in graph.components for name in graph.candidates]
    after = {key: folds[key] for key in keys if key in folds}
    parts = _parts(readings, metric.name)
    if not parts or metric.kind != "proportion":
        return after
    whole = readings.get(metric.name)
    counted = _Counted(
        {**parts, graph.entry: _by_time(whole.blocks if whole else ())}, graph.edges, metric.direction == "lower"
    )
    # The whole is there in blocks in which no part was counted: what is left out must not depend on the split.
    times = sorted({when for blocks in parts.values() for when in blocks})
    for component in counted.blocks:
        for candidate in graph.candidates:
            key = fold_key(metric.name, component, candidate)
            stable = [counted.own(component, STABLE, when) for when in times]
            tried = [counted.own(component, candidate, when) for when in times]
            after[key] = _folded(after.get(key), stable, tried)
    return after


class _Own(NamedTuple):
    bad: int
    trials: int


@dataclass(frozen=True)
class _Counted:
    blocks: Mapping[str, Mapping[When, Mapping[str, Counts]]]
    """Component -> time -> variant -> counts."""
    edges: Mapping[str, tuple[str, ...]]
    events_are_bad: bool

    def own(self, component: str, variant: str, when: When) -> _Own:
        """Bad answers of a component that it did not pass on, and all its answers."""
        passed_on = sum(self._bad(name, variant, when) for name in self.edges.get(component, ()))
        trials = self._counts(component, variant, when).trials
        return _Own(max(0, self._bad(component, variant, when) - passed_on), trials)

    def _bad(self, component: str, variant: str, when: When) -> int:
        counts = self._counts(component, variant, when)
        return counts.events if self.events_are_bad else counts.trials - counts.events

    def _counts(self, component: str, variant: str, when: When) -> Counts:
        return self.blocks.get(component, {}).get(when, {}).get(variant, Counts())


def _parts(readings: Mapping[str, Reading], metric: str) -> dict[str, Mapping[When, Mapping[str, Counts]]]:
    found: dict[str, Mapping[When, Mapping[str, Counts]]] = {}
    for name, reading in sorted(readings.items()):
        whole, part = split_name(name)
        if whole == metric and part is not None and part.dimension == COMPONENT and reading.blocks:
            found[part.value] = _by_time(reading.blocks)
    return found


def _by_time(blocks: Iterable[Block]) -> dict[When, Mapping[str, Counts]]:
    """One read of a metric makes one block of the whole and one of each part, over the same time."""
    return {(block.end_at, block.start_at, block.epoch): block.arms for block in blocks}


def _folded(state: State | None, stable: Sequence[_Own], tried: Sequence[_Own]) -> State:
    state = state or {"diff": stats.difference_init().to_json(), "stable": [0, 0], "tried": [0, 0]}
    block = stats.Trials.of_good(
        x_b=[one.trials - one.bad for one in stable],
        n_b=[one.trials for one in stable],
        x_c=[one.trials - one.bad for one in tried],
        n_c=[one.trials for one in tried],
    )
    diff = stats.difference_step(stats.DifferenceState.from_json(dict(state["diff"])), block)
    return {
        "diff": diff.to_json(),
        "stable": _added(state["stable"], stable),
        "tried": _added(state["tried"], tried),
    }


def _added(sums: Sequence[int], ticks: Sequence[_Own]) -> list[int]:
    return [sums[0] + sum(one.bad for one in ticks), sums[1] + sum(one.trials for one in ticks)]
