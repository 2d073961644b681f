"""Outcomes that name whose answer they are about: how answers to copies get outcomes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.domain.metric import LogQuery, Metric, Queries
from releasectl.ports import Outcome, Prediction

AT = datetime(2026, 1, 1, tzinfo=UTC)
RIGHT = Metric(name="right", direction="higher", query=Queries(log=LogQuery(outcome="right")))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.sqlite")
    yield log
    log.close()


def answer(variant: str, request: str = "1") -> Prediction:
    return Prediction(request, "shop", variant, AT, component="app", mirrored=variant != "stable", allocation_id=3)


def outcome(variant: str | None, value: float, request: str = "1", later: int = 0) -> Outcome:
    return Outcome("right", value, AT + timedelta(seconds=later), request_id=request, variant=variant)


async def counted(log: EventLog, cursors: dict[str, Any]) -> dict[str, tuple[int, int]]:
    reading = (await LogSource(log).read([RIGHT], cursors, AT))["right"]
    cursors["right"] = reading.cursor
    return {one.variant: (one.counts.trials, one.counts.events) for one in reading.increments}


@pytest.mark.parametrize("answers_first", [True, False])
async def test_each_variant_of_a_request_has_its_own_outcome(log: EventLog, answers_first: bool) -> None:
    cursors: dict[str, Any] = {}
    await counted(log, cursors)
    halves = ([answer("stable"), answer("next")], []), ([], [outcome("stable", 1), outcome("next", 0)])
    for predictions, outcomes in halves if answers_first else halves[::-1]:
        log.append(predictions, outcomes)
    assert await counted(log, cursors) == {"stable": (1, 1), "next": (1, 0)}
    assert await counted(log, cursors) == {}


async def test_an_outcome_that_names_no_variant_is_never_a_copys(log: EventLog) -> None:
    cursors: dict[str, Any] = {}
    await counted(log, cursors)
    log.append([answer("next"), answer("stable")], [outcome(None, 1)])
    assert await counted(log, cursors) == {"stable": (1, 1)}


async def test_two_people_about_one_answer_are_one_outcome_and_the_later_word_counts(log: EventLog) -> None:
    cursors: dict[str, Any] = {}
    await counted(log, cursors)
    log.append([answer("stable"), answer("next")], [outcome("next", 1), outcome("next", 0, later=9)])
    assert await counted(log, cursors) == {"next": (1, 0)}


async def test_a_log_of_an_earlier_version_is_taken_over_whole(tmp_path: Path, log: EventLog) -> None:
    log.append([answer("stable")], [outcome(None, 1)])
    log.close()
    db = sqlite3.connect(log.path)
    db.executescript("""
        CREATE TABLE old (
            id INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, by_unit INTEGER NOT NULL, metric TEXT NOT NULL,
            observed_at INTEGER NOT NULL, value REAL NOT NULL, release TEXT NOT NULL, source TEXT NOT NULL,
            received_at INTEGER NOT NULL,
            UNIQUE (subject, by_unit, metric, observed_at, value, release, source));
        INSERT INTO old SELECT
            id, subject, by_unit, metric, observed_at, value, release, source, received_at FROM outcome;
        DROP TABLE outcome;
        ALTER TABLE old RENAME TO outcome;
        UPDATE sqlite_sequence SET seq = 41 WHERE name = 'outcome';
    """)
    db.close()
    for _ in range(2):
        renewed = EventLog(log.path)
        renewed.close()
    renewed = EventLog(log.path)
    assert renewed.append([], [outcome(None, 1), outcome("stable", 0)]) == 1
    with renewed.reading() as reading:
        ids = [row[0] for row in reading.execute("SELECT id FROM outcome ORDER BY id")]
    # Ids go on from where they were, although the rows that had them may be gone: they are cursors.
    assert ids[0] == 1
    assert ids[1] > 41
    renewed.close()
