"""Questions that people were asked about pairs, and their labels, beside the events they are about.

They are kept as long as the event log keeps what they are about. A label also becomes an outcome of each of the two
answers; that is up to whoever stores it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from releasectl.adapters.metrics.event_log import EventLog, milliseconds
from releasectl.domain.review import Label, Question, Right, Taken

ANSWER_WITHIN = timedelta(hours=1)
"""A question without an answer may be put to somebody else after this."""


class Labels:
    """Of one event log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def identify(self, release: str, variant: str, tag: str, request_id: str) -> str:
        """The name under which people are asked about a pair: a keyed hash."""
        return self._log.hashed(f"review/{release}/{variant}/{tag}/{request_id}")[:16]

    def taken(self, release: str, now: datetime) -> Taken:
        """Who has answered, or was asked so lately that an answer may still come."""
        sql = "SELECT item, reviewer FROM review_question WHERE release = ? AND (said IS NOT NULL OR asked_at > ?)"
        found: dict[str, set[str]] = defaultdict(set)
        with self._log.reading() as db:
            for item, reviewer in db.execute(sql, (release, milliseconds(now - ANSWER_WITHIN))):
                found[item].add(reviewer)
        return Taken({item: frozenset(names) for item, names in found.items()})

    def unanswered(self, release: str, reviewer: str) -> Mapping[str, str]:
        """Questions that one person has been asked and has not answered: item and how it was drawn."""
        sql = "SELECT item, drawn FROM review_question WHERE (release, reviewer) = (?, ?) AND said IS NULL"
        with self._log.reading() as db:
            return dict(db.execute(sql, (release, reviewer)))

    def ask(
        self, release: str, reviewer: str, questions: Iterable[Question], tags: Mapping[str, str], now: datetime
    ) -> None:
        """Note that somebody is asked; asked again, the time is that of the last."""
        rows = [
            (
                question.id,
                reviewer,
                release,
                question.pair.variant,
                tags[question.pair.variant],
                question.pair.request_id,
                question.pair.kind,
                question.pair.segment,
                question.drawn,
                milliseconds(now),
            )
            for question in questions
        ]
        with self._log.writing() as db:
            db.executemany(
                "INSERT INTO review_question VALUES (?,?,?,?,?, ?,?,?,?,?, NULL)"
                " ON CONFLICT DO UPDATE SET asked_at = excluded.asked_at",
                rows,
            )

    def asked(self, release: str, reviewer: str, items: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """What these questions are about, of those that this person was asked."""
        names = ("variant", "request_id", "drawn", "said")
        sql = (
            "SELECT item, variant, request_id, drawn, said FROM review_question"
            " WHERE (release, reviewer, item) = (?, ?, ?)"
        )
        with self._log.reading() as db:
            rows = [row for item in items for row in db.execute(sql, (release, reviewer, item))]
        return {item: dict(zip(names, rest, strict=True)) for item, *rest in rows}

    def say(self, release: str, reviewer: str, said: Mapping[str, Right]) -> None:
        """Keep what a person said; a later word replaces an earlier one."""
        rows = [(right, release, reviewer, item) for item, right in said.items()]
        with self._log.writing() as db:
            db.executemany(
                "UPDATE review_question SET said = ? WHERE (release, reviewer, item) = (?, ?, ?)",
                rows,
            )

    def labels(self, release: str, tags: Mapping[str, str]) -> tuple[Label, ...]:
        """All that was said of a trial's candidates, by item and person."""
        sql = (
            "SELECT item, reviewer, variant, kind, segment, drawn, said, tag FROM review_question"
            " WHERE release = ? AND said IS NOT NULL ORDER BY item, reviewer"
        )
        with self._log.reading() as db:
            rows = db.execute(sql, (release,)).fetchall()
        return tuple(Label(*row) for *row, tag in rows if tags.get(row[2]) == tag)
