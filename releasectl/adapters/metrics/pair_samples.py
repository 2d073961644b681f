"""A bounded part of all compared pairs, kept for people beside the events they come from.

Each pair has a rank, a keyed hash of its request, and of every stratum (how the two answers differ, in which segment)
those with the lowest ranks are kept: a bottom-k sample (Cohen & Kaplan, Summarizing data using bottom-k sketches,
2007). Which ones these are does not depend on when or in which order pairs were read, and all pairs of a stratum below
its highest kept rank are a simple random sample of it. The answers themselves stay where they are, in the event log;
they hold users' data, are never in git, and go when the log is pruned.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.paired import Answer, agrees, is_number
from releasectl.domain.metric import Metric, PairedQuery
from releasectl.domain.release import STABLE
from releasectl.domain.sampled import AGREES, RANKS, ComparedTrial, KeptPair, Stratum, Sums

KEPT = 100
"""Pairs kept of each stratum."""
MOST_STRATA = 64
"""Of one candidate; what goes beyond is kept together, as ``other``."""
MOST_SEGMENTS = 32
_LONGEST = 40
OTHER = "other"

_PAIRS = """
SELECT m.release, m.variant, COALESCE(m.tag, ''), COALESCE(m.allocation_id, 0), n.request_id, s.id, m.id,
    n.received_at, COALESCE(m.segment, s.segment),
    s.output, s.status, s.latency_ms, m.output, m.status, m.latency_ms
FROM prediction n
JOIN prediction o ON o.request_id = n.request_id AND o.release = n.release AND o.component = n.component
    AND o.id < n.id AND o.mirrored <> n.mirrored
JOIN prediction m ON m.id = CASE n.mirrored WHEN 1 THEN n.id ELSE o.id END
JOIN prediction s ON s.id = CASE n.mirrored WHEN 1 THEN o.id ELSE n.id END
WHERE n.id > :old AND n.id <= :new AND n.component = :component AND s.variant = :stable
ORDER BY n.id, o.id
"""


class PairSamples:
    """Keeps and tells. One that reads the same pairs twice counts them once: how far it has read is kept with them."""

    def __init__(self, log: EventLog, *, at_most: int = 5_000) -> None:
        """``at_most`` predictions are gone through in one call, so that nobody waits long to write; others follow."""
        self._log, self._at_most = log, at_most

    def update(self, metrics: Sequence[Metric]) -> None:
        """Take in the pairs that are new since the last call, by those metrics that compare answers."""
        asked = {
            metric.name: metric.query.paired
            for metric in metrics
            if metric.query.paired is not None and metric.query.paired.measure == "agreement"
        }
        if not asked:
            return
        with self._log.writing() as db:
            here = int(db.execute("SELECT COALESCE(MAX(id), 0) FROM prediction").fetchone()[0])
            for question, query in asked.items():
                known = db.execute("SELECT upto FROM pair_read WHERE question = ?", (question,)).fetchone()
                upto = here if known is None else max(known[0], min(here, known[0] + self._at_most))
                db.execute("INSERT OR REPLACE INTO pair_read VALUES (?, ?)", (question, upto))
                if known is not None and known[0] < upto:
                    self._take(db, question, query, (known[0], upto))

    def question(self, release: str, *, first_epoch: int) -> str | None:
        """The metric by which pairs of a trial were compared last; None if none were."""
        sql = """
        SELECT question FROM pair_stratum WHERE release = ? AND epoch >= ? ORDER BY seen_at DESC, epoch DESC LIMIT 1
        """
        with self._log.reading() as db:
            found = db.execute(sql, (release, first_epoch)).fetchone()
        return found[0] if found else None

    def strata(self, trial: ComparedTrial) -> tuple[Stratum, ...]:
        """How many pairs of each kind there were."""
        sql = """
        SELECT variant, kind, segment, SUM(pairs), MIN(below), tag FROM pair_stratum
        WHERE question = ? AND release = ? AND epoch >= ? GROUP BY variant, tag, kind, segment
        ORDER BY variant, kind, segment
        """
        with self._log.reading() as db:
            rows = db.execute(sql, (trial.question, trial.release, trial.first_epoch)).fetchall()
        return tuple(Stratum(*row) for *row, tag in rows if _is_of(trial, row[0], tag))

    def sums(self, trial: ComparedTrial) -> tuple[Sums, ...]:
        """By how much they differed."""
        sql = """
        SELECT variant, measure, segment, SUM(count), SUM(total), SUM(squares), SUM(absolute), MAX(largest), tag
        FROM pair_sums WHERE question = ? AND release = ? AND epoch >= ? GROUP BY variant, tag, measure, segment
        ORDER BY variant, measure, segment
        """
        with self._log.reading() as db:
            rows = db.execute(sql, (trial.question, trial.release, trial.first_epoch)).fetchall()
        return tuple(Sums(*row) for *row, tag in rows if _is_of(trial, row[0], tag))

    def pairs(self, trial: ComparedTrial) -> tuple[KeptPair, ...]:
        """The pairs kept, by rank: of each stratum a simple random sample."""
        sql = """
        SELECT s.request_id, k.variant, k.kind, k.segment, k.rank, s.output, m.output,
            COALESCE(s.features, m.features), k.tag
        FROM pair_kept k JOIN prediction s ON s.id = k.stable JOIN prediction m ON m.id = k.tried
        WHERE k.question = ? AND k.release = ? AND k.epoch >= ? ORDER BY k.rank, k.variant
        """
        below = {(one.variant, one.kind, one.segment): one.below for one in self.strata(trial)}
        with self._log.reading() as db:
            rows = db.execute(sql, (trial.question, trial.release, trial.first_epoch)).fetchall()
        found = (
            KeptPair(*row[:5], *(None if text is None else json.loads(text) for text in row[5:]))
            for *row, tag in rows
            if _is_of(trial, row[1], tag)
        )
        return tuple(one for one in found if one.rank < below.get((one.variant, one.kind, one.segment), 0))

    def _take(self, db: sqlite3.Connection, question: str, query: PairedQuery, span: tuple[int, int]) -> None:
        news: dict[_Trial, _News] = defaultdict(_News)
        given = {"old": span[0], "new": span[1], "component": query.component, "stable": STABLE}
        for release, variant, tag, epoch, request, stable, tried, at, segment, *both in db.execute(_PAIRS, given):
            trial = _Trial(question, release, variant, tag, epoch)
            if trial not in news:
                news[trial] = _News.of(db, trial)
            rank = int(self._log.hashed(request)[:15], 16)
            compared = _Compared(Answer(*both[:3]), Answer(*both[3:]), query)
            news[trial].add(compared, _Place(rank, stable, tried), _segment(segment), at)
        for trial, one in news.items():
            one.write(db, trial)


class _Trial(NamedTuple):
    question: str
    release: str
    variant: str
    tag: str
    epoch: int


class _Place(NamedTuple):
    rank: int
    stable: int
    tried: int


@dataclass
class _News:
    """New pairs of one candidate under one allocation."""

    strata: set[tuple[str, str]] = field(default_factory=set)
    """Kinds and segments that there are."""
    places: dict[tuple[str, str], list[_Place]] = field(default_factory=lambda: defaultdict(list))
    differences: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    at: int = 0

    @classmethod
    def of(cls, db: sqlite3.Connection, trial: _Trial) -> _News:
        """Knowing which strata there are already."""
        sql = "SELECT kind, segment FROM pair_stratum WHERE (question, release, variant, tag, epoch) = (?,?,?,?,?)"
        return cls(strata=set(db.execute(sql, trial)))

    def add(self, pair: _Compared, place: _Place, segment: str, at: int) -> None:
        self.at = max(self.at, at)
        segments = {known for _, known in self.strata}
        if segment not in segments and len(segments) >= MOST_SEGMENTS:
            segment = OTHER
        for measure, difference in pair.differences():
            self.differences[measure, segment].append(difference)
        if pair.stable.failed:
            return
        stratum = (pair.kind(), segment)
        if stratum not in self.strata and len(self.strata) >= MOST_STRATA:
            stratum = (AGREES if stratum[0] == AGREES else OTHER, OTHER)
        self.strata.add(stratum)
        self.places[stratum].append(place)

    def write(self, db: sqlite3.Connection, trial: _Trial) -> None:
        for stratum, places in self.places.items():
            key = (*trial, *stratum)
            db.execute(_ADD_STRATUM, (*key, len(places), RANKS, self.at))
            db.executemany(
                "INSERT OR IGNORE INTO pair_kept VALUES (?,?,?,?,?, ?,?,?, ?,?)",
                [(*key, *place) for place in sorted(places)[: KEPT + 1]],
            )
            first_left = db.execute(_FIRST_LEFT, (*key, KEPT)).fetchone()
            if first_left:
                db.execute(_LEAVE, (*key, *first_left))
                # What was left out once stays out: from there on the sample is not whole.
                db.execute(_LEFT, (*key, *first_left))
        for (measure, segment), numbers in self.differences.items():
            sizes = [abs(one) for one in numbers]
            row = (len(numbers), sum(numbers), sum(one * one for one in numbers), sum(sizes), max(sizes), self.at)
            db.execute(_ADD_SUMS, (*trial, measure, segment, *row))


_FIRST_LEFT = """
SELECT rank FROM pair_kept WHERE (question, release, variant, tag, epoch, kind, segment) = (?,?,?,?,?,?,?)
ORDER BY rank LIMIT 1 OFFSET ?
"""
_LEAVE = """
DELETE FROM pair_kept WHERE (question, release, variant, tag, epoch, kind, segment) = (?,?,?,?,?,?,?) AND rank >= ?
"""
_LEFT = """
UPDATE pair_stratum SET below = MIN(below, ?8)
WHERE (question, release, variant, tag, epoch, kind, segment) = (?1,?2,?3,?4,?5,?6,?7)
"""
_ADD_STRATUM = """
INSERT INTO pair_stratum VALUES (?,?,?,?,?, ?,?, ?,?,?) ON CONFLICT DO UPDATE SET
    pairs = pairs + excluded.pairs, seen_at = MAX(seen_at, excluded.seen_at)
"""
_ADD_SUMS = """
INSERT INTO pair_sums VALUES (?,?,?,?,?, ?,?, ?,?,?,?,?, ?) ON CONFLICT DO UPDATE SET
    count = count + excluded.count, total = total + excluded.total, squares = squares + excluded.squares,
    absolute = absolute + excluded.absolute, largest = MAX(largest, excluded.largest),
    seen_at = MAX(seen_at, excluded.seen_at)
"""


class _Compared(NamedTuple):
    stable: Answer
    tried: Answer
    query: PairedQuery

    def kind(self) -> str:
        """How the candidate's answer differs from stable's."""
        if self.tried.failed:
            return "failed"
        one, other = self._outputs()
        if agrees(one, other, self.query):
            return AGREES
        one, other = self._values()
        if is_number(one) and is_number(other) and not self._are_classes(one, other):
            return "higher" if other > one else "lower"
        if isinstance(one, str | int | None) and isinstance(other, str | int | None):
            return f"{_label(one)} -> {_label(other)}"
        return "differs"

    def differences(self) -> Iterator[tuple[str, float]]:
        yield "errors", float(self.tried.failed - self.stable.failed)
        if self.stable.latency_ms is not None and self.tried.latency_ms is not None:
            yield "latency", self.tried.latency_ms - self.stable.latency_ms
        if self.stable.failed or self.tried.failed:
            return
        one, other = self._values()
        if is_number(one) and is_number(other):
            yield "value", float(other - one)

    def _outputs(self) -> tuple[Any, Any]:
        return json.loads(self.stable.output or "null"), json.loads(self.tried.output or "null")

    def _values(self) -> tuple[Any, Any]:
        """What is compared of the outputs."""
        one, other = self._outputs()
        if self.query.field is None:
            return one, other
        return _field(one, self.query.field), _field(other, self.query.field)

    def _are_classes(self, one: Any, other: Any) -> bool:
        return self.query.tolerance == 0 and isinstance(one, int) and isinstance(other, int)


def _field(output: Any, name: str) -> Any:
    return output.get(name) if isinstance(output, dict) else output


def _label(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _segment(text: str | None) -> str:
    """``country=es, device=phone``; empty where there is none."""
    found = json.loads(text) if text else {}
    shown = ", ".join(f"{name}={value}" for name, value in sorted(found.items()))
    return shown if len(shown) <= 2 * _LONGEST else shown[: 2 * _LONGEST - 1] + "…"


def _is_of(trial: ComparedTrial, variant: str, tag: str) -> bool:
    return variant in trial.tags and tag in ("", trial.tags[variant])
