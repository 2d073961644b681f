"""Answers of stable and of a mirrored candidate to the same request, compared as soon as both are in the event log.

A pair is there when the later of its two predictions is: whoever remembers the highest id it has read knows which
pairs it has counted, in whatever order they arrive.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.domain.metric import Metric, PairedQuery
from releasectl.domain.observation import Counts, ReadState
from releasectl.domain.parts import Part
from releasectl.domain.release import STABLE
from releasectl.errors import Unavailable
from releasectl.ports import Increment, SourceReading

_FAILED = 500

_PAIRS = """
SELECT m.release, m.variant, m.allocation_id, m.tag,
    COALESCE(m.segment, s.segment), s.output, s.status, s.latency_ms, m.output, m.status, m.latency_ms
FROM prediction n
JOIN prediction o ON o.request_id = n.request_id AND o.release = n.release AND o.component = n.component
    AND o.id < n.id AND o.mirrored <> n.mirrored
JOIN prediction m ON m.id = CASE n.mirrored WHEN 1 THEN n.id ELSE o.id END
JOIN prediction s ON s.id = CASE n.mirrored WHEN 1 THEN o.id ELSE n.id END
WHERE n.id > :old AND n.id <= :new AND n.component = :component AND s.variant = :stable
ORDER BY n.id, o.id
"""


class PairedSource:
    """Counts pairs and, as events, those in which what is asked for is so.

    Agreement: equal JSON agrees, numbers within the tolerance. A candidate that answers with an error disagrees;
    where stable gave no answer there is nothing to compare with, and the pair does not count. Errors: the candidate
    failed and stable did not, and the opposite. Slower: by more than the query's margin, of pairs with both times.
    """

    kind = "paired"

    def __init__(self, log: EventLog, keep: Callable[[Sequence[Metric]], None] | None = None) -> None:
        """``keep`` is told the metrics after each read; it takes samples of what was compared, for people."""
        self._log = log
        self._keep = keep

    async def read(
        self, metrics: Sequence[Metric], cursors: Mapping[str, Any], now: datetime
    ) -> Mapping[str, SourceReading]:
        """See the port. A log that cannot be read is a provider error of every metric."""
        asked = [metric for metric in metrics if metric.query.paired is not None]
        return await asyncio.to_thread(self._read, asked, cursors) if asked else {}

    def _read(self, metrics: Sequence[Metric], cursors: Mapping[str, Any]) -> dict[str, SourceReading]:
        asked = {metric.name: metric.query.paired for metric in metrics if metric.query.paired is not None}
        try:
            with self._log.reading() as db:
                here = int(db.execute("SELECT COALESCE(MAX(id), 0) FROM prediction").fetchone()[0])
                found = {name: _reading(db, query, cursors.get(name), here) for name, query in asked.items()}
        except Unavailable as error:
            return {
                name: SourceReading(ReadState.PROVIDER_ERROR, error.message, cursor=cursors.get(name)) for name in asked
            }
        if self._keep is not None:
            # Nothing is decided by the samples: while the log is busy they wait for the next read.
            with suppress(Unavailable):
                self._keep(metrics)
        return found


class _Key(NamedTuple):
    release: str
    variant: str
    epoch: int | None
    tag: str | None
    part: str = ""


def _reading(db: sqlite3.Connection, query: PairedQuery, cursor: Any, here: int) -> SourceReading:
    known = isinstance(cursor, int)
    old = cursor if known else here
    # Pruning may leave fewer rows than were read; the cursor only moves on.
    new = max(old, here)
    increments = tuple(_increments(db, query, old, new)) if known else ()
    mirrored = "SELECT 1 FROM prediction WHERE mirrored = 1 AND component = ? LIMIT 1"
    seen = db.execute(mirrored, (query.component,)).fetchone()
    return SourceReading(
        state=ReadState.OK if seen else ReadState.NO_DATA,
        detail="" if seen else f"no mirrored answer of {query.component} is in the event log yet",
        increments=increments,
        cursor=new,
    )


def _increments(db: sqlite3.Connection, query: PairedQuery, old: int, new: int) -> Iterator[Increment]:
    trials: Counter[_Key] = Counter()
    events: Counter[_Key] = Counter()
    opposite: Counter[_Key] = Counter()
    parameters = {"old": old, "new": new, "component": query.component, "stable": STABLE}
    for release, variant, epoch, tag, segment, *both in db.execute(_PAIRS, parameters):
        found = _counted(Answer(*both[:3]), Answer(*both[3:]), query)
        if found is None:
            continue
        for part in _parts(segment, query.by):
            key = _Key(release, variant, epoch, tag, part)
            trials[key] += 1
            events[key] += found > 0
            opposite[key] += found < 0
    for key, count in sorted(trials.items(), key=repr):
        counts = Counts(trials=count, events=events[key], opposite=opposite[key])
        yield Increment(key.release, key.variant, counts, tag=key.tag, epoch=key.epoch, part=key.part)


def _parts(segment: str | None, by: str | None) -> tuple[str, ...]:
    """The whole, and the group that the pair is of if it tells of one."""
    value = json.loads(segment).get(by) if segment and by else None
    return ("",) if value is None else ("", str(Part(by or "", value)))


class Answer(NamedTuple):
    """One half of a pair as it was logged."""

    output: str | None
    """JSON."""
    status: int | None
    latency_ms: float | None

    @property
    def failed(self) -> bool:
        return self.output is None or (self.status or 0) >= _FAILED


def _counted(stable: Answer, tried: Answer, query: PairedQuery) -> int | None:
    """1 if the pair is an event, -1 if it is the opposite of one, 0 if neither, None if it tells nothing."""
    match query.measure:
        case "agreement":
            return None if stable.failed else int(same_answer(stable, tried, query))
        case "errors":
            return tried.failed - stable.failed
        case "slower":
            if stable.latency_ms is None or tried.latency_ms is None:
                return None
            return int(tried.latency_ms - stable.latency_ms > query.than_ms)


def same_answer(stable: Answer, tried: Answer, query: PairedQuery) -> bool:
    """Whether the candidate gave stable's answer, as far as the query looks."""
    if tried.output is None or stable.output is None or tried.failed:
        return False
    return agrees(json.loads(stable.output), json.loads(tried.output), query)


def agrees(one: Any, other: Any, query: PairedQuery) -> bool:
    """Whether two outputs are the same as far as the query looks."""
    if query.field is not None:
        one, other = (value.get(query.field) if isinstance(value, dict) else value for value in (one, other))
    return _same(one, other, query.tolerance)


def _same(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key], tolerance) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if is_number(one) and is_number(other):
        return bool(abs(one - other) <= tolerance)
    return bool(type(one) is type(other) and one == other)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
