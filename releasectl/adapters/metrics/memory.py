"""A metric source that says what it is told to say, by the same rules as the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from releasectl.domain.metric import Metric
from releasectl.domain.observation import Counts, ReadState
from releasectl.ports import Increment, SourceReading


class MemorySource:
    """Counts that are put in by ``add``; faults that are set and lifted.

    ``before_read`` is called with this source and the time before each read: the place for a script, tick by tick.
    Counts are kept in order and cursors are places in it, so a read whose result was lost can be asked again.
    """

    def __init__(
        self, kind: str = "envoy", *, before_read: Callable[[MemorySource, datetime], None] | None = None
    ) -> None:
        self.kind = kind
        self.outage: str | None = None
        """While set, every metric is a provider error with this detail."""
        self.faults: dict[tuple[str, str], tuple[ReadState, str]] = {}
        """(metric, release) -> what is wrong with its data; nothing of it is counted meanwhile."""
        self._before_read = before_read
        self._added: dict[str, list[Increment]] = {}

    def add(
        self,
        metric: str,
        release: str,
        variant: str,
        trials: int,
        events: int,
        *,
        tag: str | None = None,
        epoch: int | None = None,
        part: str = "",
    ) -> None:
        """Count trials, and the events among them, for one arm, or for a part of it."""
        counts = Counts(trials=trials, events=events)
        self._added.setdefault(metric, []).append(Increment(release, variant, counts, tag=tag, epoch=epoch, part=part))

    async def read(
        self, metrics: Sequence[Metric], cursors: Mapping[str, Any], now: datetime
    ) -> Mapping[str, SourceReading]:
        """See the port."""
        if self._before_read is not None:
            self._before_read(self, now)
        asked = [metric.name for metric in metrics if getattr(metric.query, self.kind) is not None]
        return {name: self._reading(name, cursors.get(name)) for name in asked}

    def _reading(self, name: str, cursor: Any) -> SourceReading:
        if self.outage is not None:
            return SourceReading(ReadState.PROVIDER_ERROR, self.outage, cursor=cursor)
        if not (isinstance(cursor, dict) and "began" in cursor):
            cursor = None
        added = self._added.get(name, [])
        faults = {release: fault for (metric, release), fault in self.faults.items() if metric == name}
        # Per release, because the counts of one that is unwell stay where they are until it is well.
        start = {} if cursor is None else cursor["counted"]
        first = len(added) if cursor is None else cursor["began"]
        counted = {release: start.get(release, first) for release in faults}
        increments = [
            increment
            for place, increment in enumerate(added)
            if cursor is not None
            and increment.release not in faults
            and place >= start.get(increment.release, cursor["began"])
        ]
        counted |= {increment.release: len(added) for increment in added if increment.release not in faults}
        return SourceReading(
            state=ReadState.OK if added or faults else ReadState.NO_DATA,
            detail="" if added or faults else "nothing was counted yet",
            increments=tuple(_summed(increments)),
            cursor={"began": first, "counted": counted},
            faults=faults,
        )


def _summed(increments: Sequence[Increment]) -> list[Increment]:
    sums: dict[tuple[str, str, str | None, int | None, str], Counts] = {}
    for each in increments:
        key = (each.release, each.variant, each.tag, each.epoch, each.part)
        sums[key] = sums.get(key, Counts()) + each.counts
    return [
        Increment(release, variant, counts, tag=tag, epoch=epoch, part=part)
        for (release, variant, tag, epoch, part), counts in sums.items()
    ]
