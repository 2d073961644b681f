"""Outcomes by a field of the prediction's segment: exact, beside the whole, however they arrive."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.domain.metric import Clip, LogQuery, Metric, Queries
from releasectl.domain.observation import Values
from releasectl.ports import Increment, Outcome, Prediction

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WRONG = Metric(name="wrong", direction="lower", query=Queries(log=LogQuery(outcome="wrong", by="language")))
WORTH = Metric(
    name="worth",
    kind="mean",
    direction="higher",
    clip=Clip(high=1_000),
    query=Queries(log=LogQuery(outcome="worth", by="language")),
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.db", now=lambda: START)
    yield log
    log.close()


def shown(request: str, language: str | None = None, variant: str = "stable", **more: Any) -> Prediction:
    segment = None if language is None else {"language": language, "country": "xx"}
    return Prediction(request, "desk", variant, START, allocation_id=1, segment=segment, **more)


def told(request: str, value: float = 1, metric: str = "wrong", later: timedelta = timedelta()) -> Outcome:
    return Outcome(metric, value, START + later, request_id=request)


class Reader:
    """Reads as the controller does and adds up events and trials by variant and part."""

    def __init__(self, log: EventLog, metric: Metric) -> None:
        self.source, self.metric = LogSource(log), metric
        self.cursors: dict[str, Any] = {}
        self.total: Counter[tuple[str, str, str]] = Counter()

    async def read(self, later: timedelta = timedelta()) -> tuple[Increment, ...]:
        reading = (await self.source.read([self.metric], self.cursors, START + later))[self.metric.name]
        self.cursors = json.loads(json.dumps({self.metric.name: reading.cursor}))
        for one in reading.increments:
            self.total[one.variant, one.part, "trials"] += one.counts.trials
            self.total[one.variant, one.part, "events"] += one.counts.events
        return reading.increments

    def of(self, part: str = "", variant: str = "stable") -> tuple[int, int]:
        return self.total[variant, part, "events"], self.total[variant, part, "trials"]


async def test_each_value_is_counted_beside_the_whole_and_who_has_none_counts_in_the_whole(log: EventLog) -> None:
    reader = Reader(log, WRONG)
    await reader.read()
    log.append(
        [shown("a", "es"), shown("b", "es"), shown("c", "en"), shown("d"), shown("e", "es", "next")],
        [told("a"), told("b", 0), told("c"), told("d"), told("e")],
    )
    await reader.read()
    assert (reader.of(), reader.of("language=es"), reader.of("language=en")) == ((3, 4), (1, 2), (1, 1))
    assert (reader.of("", "next"), reader.of("language=es", "next")) == ((1, 1), (1, 1))


async def test_the_first_component_that_names_the_field_speaks_for_the_request(log: EventLog) -> None:
    reader = Reader(log, WRONG)
    await reader.read()
    chain = [shown("a", component="ocr"), shown("a", "es", component="language-id"), shown("a", "en", component="mood")]
    log.append(chain, [told("a")])
    await reader.read()
    assert (reader.of(), reader.of("language=es"), reader.of("language=en")) == ((1, 1), (1, 1), (0, 0))


async def test_with_maturity_parts_count_when_the_whole_does(log: EventLog) -> None:
    reader = Reader(log, WRONG.model_copy(update={"maturity": DAY}))
    await reader.read()
    log.append([shown("a", "es")], [told("a", 0), told("a", 1, later=DAY / 2)])
    await reader.read(DAY / 2)
    assert (reader.of(), reader.of("language=es")) == ((0, 0), (0, 0))
    await reader.read(2 * DAY)
    log.append([], [told("a", 0, later=3 * DAY)])
    await reader.read(4 * DAY)
    assert (reader.of(), reader.of("language=es")) == ((1, 1), (1, 1))


async def test_a_mean_has_the_sums_of_each_value(log: EventLog) -> None:
    reader = Reader(log, WORTH)
    await reader.read()
    log.append(
        [shown("a", "es"), shown("b", "es"), shown("c")],
        [told("a", 1, "worth"), told("b", 2, "worth"), told("c", 4, "worth")],
    )
    found = {one.part: one.counts.values for one in await reader.read()}
    assert found == {
        "": Values(total=7_000, squares=21_000_000),
        "language=es": Values(total=3_000, squares=5_000_000),
    }


async def test_any_text_is_a_value_and_a_read_that_was_lost_answers_the_same_again(log: EventLog) -> None:
    reader = Reader(log, WRONG)
    await reader.read()
    log.append([shown("a", "a=b}'\"; --"), shown("b", "")], [told("a"), told("b")])
    before = dict(reader.cursors)
    first = await reader.read()
    reader.cursors = before
    assert await reader.read() == first
    assert [one.part for one in first] == ["", "language=", "language=a=b}'\"; --"]


async def test_a_cursor_of_before_there_were_parts_goes_on(log: EventLog) -> None:
    plain = Metric(name="wrong", direction="lower", query=Queries(log=LogQuery(outcome="wrong")))
    reader = Reader(log, plain)
    await reader.read()
    assert reader.cursors["wrong"]["query"] == {"outcome": "wrong", "threshold": 1.0, "maturity": 0.0}
