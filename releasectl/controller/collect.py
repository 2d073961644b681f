"""Metrics read, once for all releases of a site, and turned into blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from releasectl.controller.site import Site, is_served
from releasectl.domain.decision import EffectiveState
from releasectl.domain.metric import Metric
from releasectl.domain.observation import NEW_UNITS, Block, Counts, ReadState
from releasectl.domain.parts import LONGEST_VALUE, MOST_VALUES, OTHER, Part, lumped, part_name, split_name
from releasectl.ports import EvidenceStore, Increment, MetricSource, Served, SourceReading, UnitSource

Key = tuple[str, str]
"""Release and metric, or a part of one (``domain.parts``)."""
_PARTS = "parts"


@dataclass
class Collected:
    """New blocks and how each read ended."""

    blocks: dict[Key, list[Block]] = field(default_factory=dict)
    states: dict[str, tuple[ReadState, str]] = field(default_factory=dict)
    """By metric, for all releases."""
    faults: dict[Key, tuple[ReadState, str]] = field(default_factory=dict)
    """By release and metric, where one release's own data are at fault."""

    @cached_property
    def counted(self) -> Mapping[str, Sequence[str]]:
        """Release -> what anything was counted of. Asked once all is collected: it is not made anew."""
        found: dict[str, list[str]] = {}
        for release, name in self.blocks:
            found.setdefault(release, []).append(name)
        return found

    def state(self, release: str, metric: str) -> tuple[ReadState, str]:
        """How reading this metric, or the one that this is a part of, ended for this release."""
        metric, part = split_name(metric)
        never = (ReadState.PROVIDER_ERROR, f"no provider of this environment answers {metric}")
        state, detail = self.faults.get((release, metric)) or self.states.get(metric, never)
        return state, detail or (lumped(part) if part else "")


class Collector:
    """Reads a site's metrics; cursors move only together with the blocks they yielded."""

    def __init__(self, site: Site, store: EvidenceStore) -> None:
        self._site = site
        self._store = store
        self._read_at: dict[str, datetime] = {}
        self._in_force: dict[str, tuple[int, datetime]] = {}
        self._values: dict[str, tuple[int, dict[str, list[str]]]] = {}

    async def collect(
        self,
        metrics: Mapping[str, Metric],
        on_trial: Mapping[str, EffectiveState],
        served: Mapping[str, Served],
        now: datetime,
    ) -> Collected:
        """Read every metric once. Only releases on trial get blocks, the cursors of the others move on too.

        ``served`` is what the router was seen to serve just before.
        """
        self._watch(on_trial, served, now)
        collected = Collected()
        for source, asked in self._by_source(metrics.values()):
            name = f"{self._site.environment.name}/{source.kind}"
            cursors = dict(self._store.cursors(name))
            readings = await source.read(asked, cursors, now)
            blocks: dict[Key, list[Block]] = {}
            for metric in asked:
                reading = readings[metric.name]
                collected.states[metric.name] = (reading.state, reading.detail)
                for release, fault in reading.faults.items():
                    collected.faults[release, metric.name] = fault
                blocks |= self._blocks(metric.name, reading, on_trial, now)
                if reading.state in (ReadState.OK, ReadState.NO_DATA, ReadState.STALE) and reading.cursor is not None:
                    cursors[metric.name] = reading.cursor
                    self._read_at[metric.name] = now
            self._store.append(name, cursors, blocks)
            collected.blocks |= blocks
        await self._count_units(on_trial, collected, now)
        return collected

    async def _count_units(self, on_trial: Mapping[str, EffectiveState], collected: Collected, now: datetime) -> None:
        """Units seen for the first time, of releases that keep them on their variant: these must follow the shares."""
        since = {
            release: state.progress.first_epoch
            for release, state in on_trial.items()
            if state.progress and state.route.sticky is not None
        }
        if not since:
            return
        source = next((source for source in self._site.sources if isinstance(source, UnitSource)), None)
        if source is None:
            why = f"the environment {self._site.environment.name} has no log of predictions to count units in"
            collected.states[NEW_UNITS] = (ReadState.NO_DATA, why)
            return
        name = f"{self._site.environment.name}/units"
        reading = await source.new_units(since, self._store.cursors(name).get(NEW_UNITS))
        collected.states[NEW_UNITS] = (reading.state, reading.detail)
        blocks = self._blocks(NEW_UNITS, reading, on_trial, now)
        if reading.cursor is not None:
            self._store.append(name, {NEW_UNITS: reading.cursor}, blocks)
            self._read_at[NEW_UNITS] = now
            collected.blocks |= blocks

    def _by_source(self, metrics: Iterable[Metric]) -> list[tuple[MetricSource, list[Metric]]]:
        asked: dict[int, tuple[MetricSource, list[Metric]]] = {}
        for metric in metrics:
            source = self._site.source_of(metric)
            if source is not None:
                asked.setdefault(id(source), (source, []))[1].append(metric)
        return list(asked.values())

    def _blocks(
        self, metric: str, reading: SourceReading, on_trial: Mapping[str, EffectiveState], now: datetime
    ) -> dict[Key, list[Block]]:
        arms: dict[tuple[str, str, int], dict[str, Counts]] = {}
        for increment in reading.increments:
            state = on_trial.get(increment.release)
            if state is None or not _belongs(increment, state):
                continue
            epoch = state.epoch if increment.epoch is None else increment.epoch
            name = self._name(metric, increment, state)
            found = arms.setdefault((increment.release, name, epoch), {})
            found[increment.variant] = found.get(increment.variant, Counts()) + increment.counts
        since = self._read_at.get(metric, now)
        blocks: dict[Key, list[Block]] = {}
        for (release, name, epoch), counts in sorted(arms.items()):
            if any(arm.trials for arm in counts.values()):
                # What a part gets of the requests is chance of another kind: only the whole must follow the shares.
                whole = reading.exposures and name == metric
                shares = self._shares(on_trial[release], epoch, metric) if whole else None
                block = Block(start_at=since, end_at=now, epoch=epoch, arms=dict(sorted(counts.items())), shares=shares)
                blocks.setdefault((release, name), []).append(block)
        return blocks

    def _name(self, metric: str, increment: Increment, state: EffectiveState) -> str:
        """The reading that these counts belong to: the metric, or the part that they are of."""
        if not increment.part:
            return metric
        part = Part.parse(increment.part)
        values = self._values_of(state).setdefault(f"{metric}/{part.dimension}", [])
        if part.value not in values:
            if len(values) >= MOST_VALUES or len(part.value) > LONGEST_VALUE:
                return part_name(metric, part._replace(value=OTHER))
            values.append(part.value)
            trial, known = self._values[increment.release]
            self._store.note(increment.release, _PARTS, {"trial": trial, "values": known})
        return part_name(metric, part)

    def _values_of(self, state: EffectiveState) -> dict[str, list[str]]:
        """Values that are counted apart in this trial, by metric and dimension, in the order they turned up.

        They are kept over restarts, so that a value stays what it began as.
        """
        trial = state.progress.first_epoch if state.progress else 0
        known = self._values.get(state.release)
        if known is None or known[0] != trial:
            noted = self._store.noted(state.release, _PARTS)
            values = noted["values"] if noted and noted["trial"] == trial else {}
            self._values[state.release] = known = (trial, values)
        return known[1]

    def _watch(self, on_trial: Mapping[str, EffectiveState], served: Mapping[str, Served], now: datetime) -> None:
        """Keep since when each release's shares have been served without a break, as far as that was seen."""
        kept = {}
        for release, state in on_trial.items():
            seen = served.get(release)
            if seen is None or not is_served(state, seen):
                continue
            known = self._in_force.get(release)
            kept[release] = known if known and known[0] == state.epoch else (state.epoch, now)
        self._in_force = kept

    def _shares(self, state: EffectiveState, epoch: int, metric: str) -> Mapping[str, int] | None:
        """The shares that everything counted now was assigned under, or None where that is not sure.

        Requests are counted when they end: those that began under the shares before are let pass first. With
        sticky units the requests of one are not independent, so their number need not follow the shares; that of
        the units must, and each was told under which it came.
        """
        if metric == NEW_UNITS:
            return state.allocation.shares if epoch == state.epoch else None
        began, known = self._read_at.get(metric), self._in_force.get(state.release)
        if began is None or known is None or known[0] != epoch or state.route.sticky is not None:
            return None
        return state.allocation.shares if began >= known[1] + state.route.timeout else None


def _belongs(increment: Increment, state: EffectiveState) -> bool:
    """Whether the counts are of this trial: its variants, with its versions, exposed since it began."""
    variant = state.variants.get(increment.variant)
    if variant is None or state.progress is None:
        return False
    if increment.tag is not None and increment.tag != variant.tag:
        return False
    return increment.epoch is None or increment.epoch >= state.progress.first_epoch
