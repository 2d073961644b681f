"""Pairs are counted once, whichever half comes first, and agree as far as the query looks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.paired import PairedSource, agrees
from releasectl.domain.metric import Metric, PairedQuery, Queries
from releasectl.domain.observation import ReadState
from releasectl.ports import Prediction, SourceReading

AT = datetime(2026, 1, 1, tzinfo=UTC)
ALL = PairedQuery(component="app")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.sqlite")
    yield log
    log.close()


class Reader:
    """Reads on from where it was."""

    def __init__(self, log: EventLog, query: PairedQuery = ALL) -> None:
        self._source = PairedSource(log)
        self._metric = Metric(name="agreement", direction="higher", query=Queries(paired=query))
        self._cursors: dict[str, Any] = {}

    async def read(self) -> SourceReading:
        reading = (await self._source.read([self._metric], self._cursors, AT))["agreement"]
        self._cursors["agreement"] = reading.cursor
        return reading

    async def counts(self) -> dict[str, tuple[int, int]]:
        return {one.variant: (one.counts.trials, one.counts.events) for one in (await self.read()).increments}


@pytest.fixture
async def reader(log: EventLog) -> Reader:
    reader = Reader(log)
    await reader.read()
    return reader


def answer(request: str, output: Any, variant: str = "stable", **more: Any) -> Prediction:
    mirrored = variant != "stable"
    fields = {"component": "app", "allocation_id": 3, "tag": "t", "mirrored": mirrored, "output": output, **more}
    return Prediction(request, "shop", variant, AT, **fields)


async def test_a_pair_counts_when_its_later_half_is_there_and_only_then(log: EventLog, reader: Reader) -> None:
    log.append([answer("1", "a"), answer("2", "a", "next")], [])
    assert await reader.counts() == {}
    log.append([answer("1", "a", "next")], [])
    assert await reader.counts() == {"next": (1, 1)}
    log.append([answer("2", "b"), answer("1", "a", "next")], [])
    assert await reader.counts() == {"next": (1, 0)}
    assert await reader.counts() == {}


async def test_several_candidates_have_a_pair_each(log: EventLog, reader: Reader) -> None:
    log.append([answer("1", "a", "next"), answer("1", "a"), answer("1", "b", "late")], [])
    assert await reader.counts() == {"next": (1, 1), "late": (1, 0)}


async def test_a_failed_candidate_disagrees_and_a_failed_stable_tells_nothing(log: EventLog, reader: Reader) -> None:
    log.append([answer("1", "a"), answer("1", "a", "next", status=500)], [])
    log.append([answer("2", "a"), answer("2", None, "next")], [])
    log.append([answer("3", "a", status=503), answer("3", "a", "next")], [])
    log.append([answer("4", None), answer("4", "a", "next")], [])
    assert await reader.counts() == {"next": (2, 0)}


async def test_errors_are_counted_where_only_one_of_the_two_failed(log: EventLog) -> None:
    reader = Reader(log, PairedQuery(component="app", measure="errors"))
    await reader.read()
    log.append([answer("1", "a"), answer("1", "a", "next", status=500)], [])
    log.append([answer("2", "a", status=503), answer("2", "b", "next")], [])
    log.append([answer("3", None), answer("3", None, "next", status=500)], [])
    log.append([answer("4", "a"), answer("4", "b", "next")], [])
    (one,) = (await reader.read()).increments
    assert (one.counts.trials, one.counts.events, one.counts.opposite) == (4, 1, 1)


async def test_slower_needs_both_times_and_the_whole_margin(log: EventLog) -> None:
    reader = Reader(log, PairedQuery(component="app", measure="slower", than_ms=50))
    await reader.read()
    for number, (stable, tried) in enumerate([(10, 61), (10, 60), (200, 10), (10, None), (None, 500)]):
        log.append(
            [answer(str(number), "a", latency_ms=stable), answer(str(number), "a", "next", latency_ms=tried)], []
        )
    assert await reader.counts() == {"next": (3, 1)}


async def test_groups_are_counted_beside_the_whole_by_what_either_half_says_of_the_request(log: EventLog) -> None:
    reader = Reader(log, PairedQuery(component="app", by="language"))
    await reader.read()
    log.append([answer("1", "a", segment={"language": "es"}), answer("1", "b", "next")], [])
    log.append([answer("2", "a"), answer("2", "a", "next", segment={"language": "en", "device": "phone"})], [])
    log.append([answer("3", "a", segment={"device": "phone"}), answer("3", "a", "next")], [])
    found = {one.part: (one.counts.trials, one.counts.events) for one in (await reader.read()).increments}
    assert found == {"": (3, 2), "language=es": (1, 0), "language=en": (1, 1)}


async def test_other_components_and_real_requests_of_a_candidate_are_no_pairs(log: EventLog, reader: Reader) -> None:
    log.append([answer("1", "a", component="inner"), answer("1", "a", "next", component="inner")], [])
    log.append([answer("2", "a"), answer("2", "a", "next", mirrored=False)], [])
    log.append([answer("3", "a", "other", mirrored=False), answer("3", "a", "next")], [])
    assert await reader.counts() == {}


async def test_the_allocation_and_the_versions_are_those_of_the_copy(log: EventLog, reader: Reader) -> None:
    log.append([answer("1", "a", tag="old", allocation_id=1), answer("1", "a", "next", tag="new", allocation_id=7)], [])
    (one,) = (await reader.read()).increments
    assert (one.release, one.tag, one.epoch) == ("shop", "new", 7)


async def test_without_a_copy_there_is_no_data_and_without_a_log_a_fault(log: EventLog, reader: Reader) -> None:
    log.append([answer("1", "a")], [])
    reading = await reader.read()
    assert reading.state is ReadState.NO_DATA
    assert "no mirrored answer of app" in reading.detail
    log.path.rename(log.path.with_suffix(".gone"))
    assert (await reader.read()).state is ReadState.PROVIDER_ERROR


@pytest.mark.parametrize(
    ("one", "other", "query", "same"),
    [
        ({"a": 1, "b": [1.0, "x"]}, {"b": [1, "x"], "a": 1}, ALL, True),
        ({"a": 1}, {"a": 1, "b": None}, ALL, False),
        (0.5, 0.51, ALL, False),
        (0.5, 0.51, PairedQuery(component="app", tolerance=0.02), True),
        ([0.5, 0.5], [0.51, 0.6], PairedQuery(component="app", tolerance=0.02), False),
        ({"label": "x", "score": 0.5}, {"label": "x", "score": 0.9}, PairedQuery(component="app", field="label"), True),
        ({"label": "x"}, {"label": "y"}, PairedQuery(component="app", field="label"), False),
        (True, 1, PairedQuery(component="app", tolerance=5), False),
        ("x", None, ALL, False),
    ],
)
def test_agreement(one: Any, other: Any, query: PairedQuery, same: bool) -> None:
    assert agrees(one, other, query) is same
    assert agrees(other, one, query) is same
