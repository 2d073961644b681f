"""Outcomes of predictions, counted for the variant at exposure, whatever the allocation is by then.

An exposure becomes countable once, at a point that two numbers fix: how far the joins were read, and up to when
exposures are mature. What a read adds is what is countable at its point and was not at the cursor's. Nothing is
marked, so a read whose result was lost is asked again and answers the same.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from releasectl.adapters.metrics.event_log import EventLog, milliseconds
from releasectl.domain.metric import Clip, Covariate, LogQuery, Metric
from releasectl.domain.observation import Counts, ReadState, Values
from releasectl.domain.parts import Part
from releasectl.errors import Unavailable
from releasectl.ports import Increment, SourceReading

_EVER = 2**60
"""Milliseconds that no event reaches."""

_COUNTED = """
WITH fresh (exposure) AS (
    SELECT exposure FROM joined WHERE metric = :metric AND id > :old_join AND id <= :new_join
    UNION
    SELECT j.exposure FROM prediction p JOIN joined j ON j.exposure = p.id AND j.metric = :metric
    WHERE p.ts > :old_mature AND p.ts <= :new_mature
),
counted (release, variant, allocation_id, tag, before, part, value) AS (
    SELECT p.release, p.variant, p.allocation_id, p.tag, CASE WHEN :before IS NOT NULL THEN (
        SELECT json_extract(q.features, :before) FROM prediction q
        WHERE q.request_id = p.request_id AND q.release = p.release AND q.variant = p.variant
            AND q.mirrored = p.mirrored AND json_extract(q.features, :before) IS NOT NULL
        ORDER BY q.id LIMIT 1) END, CASE WHEN :by IS NOT NULL THEN (
        SELECT json_extract(q.segment, :by) FROM prediction q
        WHERE q.request_id = p.request_id AND q.release = p.release AND q.variant = p.variant
            AND q.mirrored = p.mirrored AND json_extract(q.segment, :by) IS NOT NULL
        ORDER BY q.id LIMIT 1) END, (
        SELECT o.value FROM joined j JOIN outcome o ON o.id = j.outcome
        WHERE j.exposure = p.id AND j.metric = :metric AND j.id <= :new_join AND o.observed_at <= p.ts + :span
        ORDER BY o.observed_at DESC, o.id DESC LIMIT 1)
    FROM fresh JOIN prediction p ON p.id = fresh.exposure
    WHERE p.ts <= :new_mature AND NOT (p.ts <= :old_mature AND EXISTS (
        SELECT 1 FROM joined j JOIN outcome o ON o.id = j.outcome
        WHERE j.exposure = p.id AND j.metric = :metric AND j.id <= :old_join AND o.observed_at <= p.ts + :span))
)
"""
_EVENTS = (
    _COUNTED
    + """
SELECT release, variant, allocation_id, tag, part, COUNT(*), SUM(value >= :threshold) FROM counted
WHERE value IS NOT NULL GROUP BY release, variant, allocation_id, tag, part
ORDER BY release, variant, allocation_id, tag, part
"""
)
# Equal values together: their sums are taken in whole numbers of any size, which SQL has none of.
_VALUES = (
    _COUNTED
    + """
SELECT release, variant, allocation_id, tag, part, value, before, COUNT(*) FROM counted
WHERE value IS NOT NULL GROUP BY release, variant, allocation_id, tag, part, value, before
ORDER BY release, variant, allocation_id, tag, part
"""
)
# Whether a unit is new is told by what arrived before it, so no later arrival changes what was counted.
_NEW_UNITS = """
SELECT p.variant, p.allocation_id, p.tag, COUNT(*) FROM prediction p
WHERE p.id > :old AND p.id <= :new AND p.mirrored = 0 AND p.unit IS NOT NULL AND p.release = :release
    AND p.allocation_id >= :since AND NOT EXISTS (
        SELECT 1 FROM prediction q WHERE q.unit = p.unit AND q.id < p.id AND q.mirrored = 0
            AND q.release = p.release AND q.allocation_id >= :since)
GROUP BY p.variant, p.allocation_id, p.tag ORDER BY p.variant, p.allocation_id, p.tag
"""


class LogSource:
    """Reads the event log.

    With maturity 0 an exposure counts when its first outcome of the name is there, with the latest value known by
    then. With a maturity it counts once it is older than that, for every variant alike, and outcomes observed later
    than that after the exposure are ignored; one that was observed in time and arrives late counts on arrival.
    Answers to copies count where an outcome names their variant, and only there.
    """

    kind = "log"

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def read(
        self, metrics: Sequence[Metric], cursors: Mapping[str, Any], now: datetime
    ) -> Mapping[str, SourceReading]:
        """See the port. A log that cannot be read is a provider error of every metric."""
        asked = {
            metric.name: _Question(metric.query.log, metric.maturity, metric.clip, metric.covariate)
            for metric in metrics
            if metric.query.log is not None
        }
        self._log.keep_numbers({one.covariate.feature for one in asked.values() if one.covariate}, reader=self)
        return await asyncio.to_thread(self._read, asked, cursors, now) if asked else {}

    async def new_units(self, since: Mapping[str, int], cursor: Any) -> SourceReading:
        """See the port. A unit's first exposure is the one that arrived first; copies are none."""
        return await asyncio.to_thread(self._new_units, since, cursor)

    def _new_units(self, since: Mapping[str, int], cursor: Any) -> SourceReading:
        try:
            with self._log.reading() as db:
                newest = int(db.execute("SELECT COALESCE(MAX(id), 0) FROM prediction").fetchone()[0])
                old = cursor if isinstance(cursor, int) else newest
                increments = [
                    Increment(release, variant, Counts(trials=units), tag=tag, epoch=epoch)
                    for release, epoch in since.items()
                    for variant, epoch, tag, units in db.execute(
                        _NEW_UNITS, {"release": release, "since": epoch, "old": old, "new": newest}
                    )
                ]
        except Unavailable as error:
            return SourceReading(ReadState.PROVIDER_ERROR, error.message, cursor=cursor)
        # Pruning may leave fewer rows than were read; the point only moves on.
        return SourceReading(ReadState.OK, increments=tuple(increments), cursor=max(old, newest), exposures=True)

    def _read(
        self, asked: Mapping[str, _Question], cursors: Mapping[str, Any], now: datetime
    ) -> dict[str, SourceReading]:
        try:
            with self._log.reading() as db:
                here = _Point(_newest_join(db), milliseconds(now))
                return {name: _reading(db, question, cursors.get(name), here) for name, question in asked.items()}
        except Unavailable as error:
            return {
                name: SourceReading(ReadState.PROVIDER_ERROR, error.message, cursor=cursors.get(name)) for name in asked
            }


class _Point(NamedTuple):
    """How far a metric was read."""

    join: int
    at: int


@dataclass(frozen=True)
class _Question:
    """A metric's query as the database needs it."""

    query: LogQuery
    maturity: timedelta
    clip: Clip | None = None
    covariate: Covariate | None = None

    def spelled(self) -> dict[str, Any]:
        of_a_mean = {"clip": self.clip, "covariate": self.covariate}
        return {
            **self.query.model_dump(mode="json", exclude_none=True),
            "maturity": self.maturity.total_seconds(),
            **{name: one.to_data() for name, one in of_a_mean.items() if one is not None},
        }

    def parameters(self, old: _Point, new: _Point) -> dict[str, Any]:
        span = round(self.maturity.total_seconds() * 1000)
        return {
            "metric": self.query.outcome,
            "threshold": self.query.threshold,
            "by": None if self.query.by is None else f'$."{self.query.by}"',
            "before": None if self.covariate is None else f'$."{self.covariate.feature}"',
            "old_join": old.join,
            "new_join": new.join,
            # Without a maturity every exposure always was old enough.
            "old_mature": old.at - span if span else _EVER,
            "new_mature": new.at - span if span else _EVER,
            "span": span or _EVER,
        }


def _newest_join(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT COALESCE(MAX(id), 0) FROM joined").fetchone()[0])


def _reading(db: sqlite3.Connection, question: _Question, cursor: Any, here: _Point) -> SourceReading:
    known = isinstance(cursor, dict) and cursor.get("query") == question.spelled()
    old = _Point(cursor["join"], cursor["at"]) if known else here
    # Pruning may leave fewer rows than were read, and a clock may be set back; the point only moves on.
    new = _Point(max(old.join, here.join), max(old.at, here.at))
    increments = tuple(_increments(db, question, question.parameters(old, new))) if known else ()
    seen = db.execute("SELECT 1 FROM joined WHERE metric = ? LIMIT 1", (question.query.outcome,)).fetchone()
    return SourceReading(
        state=ReadState.OK if seen else ReadState.NO_DATA,
        detail="" if seen else f"no prediction has an outcome {question.query.outcome!r} yet",
        increments=increments,
        cursor={"query": question.spelled(), "join": new.join, "at": new.at},
    )


def _increments(db: sqlite3.Connection, question: _Question, parameters: Mapping[str, Any]) -> Iterator[Increment]:
    """Each arm as a whole, and after it the parts that are counted apart; who is of no part counts in the whole."""
    rows = db.execute(_EVENTS if question.clip is None else _VALUES, parameters)
    for (release, variant, epoch, tag), of_arm in groupby(rows, key=lambda row: tuple(row[:4])):
        parts = {value: _counts(some, question) for value, some in groupby(of_arm, key=lambda row: row[4])}
        whole = sum(parts.values(), Counts())
        yield Increment(release, variant, whole, tag=tag, epoch=epoch)
        for value, counts in parts.items():
            if value is not None:
                part = str(Part(question.query.by or "", str(value)))
                yield Increment(release, variant, counts, tag=tag, epoch=epoch, part=part)


def _counts(rows: Iterable[Sequence[Any]], question: _Question) -> Counts:
    if question.clip is not None:
        return _summed(rows, question.clip, question.covariate)
    [(*_, trials, events)] = rows
    return Counts(trials=trials, events=events)


def _summed(rows: Iterable[Sequence[Any]], clip: Clip, covariate: Covariate | None) -> Counts:
    """Rows end with a value, what its request said of the covariate, and how many there are of these."""
    trials = total = squares = before = before_squares = products = 0
    for *_, value, known, count in rows:
        y = clip.steps(value)
        x = covariate.clip.steps(_number(known, covariate.missing)) if covariate else 0
        trials += count
        total += count * y
        squares += count * y * y
        before += count * x
        before_squares += count * x * x
        products += count * x * y
    values = Values(total=total, squares=squares, before=before, before_squares=before_squares, products=products)
    return Counts(trials=trials, values=values)


def _number(known: object, missing: float) -> float:
    """What is no finite number counts as missing."""
    return float(known) if isinstance(known, int | float) and math.isfinite(known) else missing
