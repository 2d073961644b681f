"""Units at their first exposure: each counted once in a trial, for the variant that it got."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.domain.observation import ReadState
from releasectl.ports import Prediction, UnitSource

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.db", now=lambda: START)
    yield log
    log.close()


class Asking:
    """Exposures that are logged, one request each."""

    def __init__(self, log: EventLog) -> None:
        self.log, self._requests = log, 0

    def __call__(self, unit: str | None, variant: str, epoch: int | None = 5, **more: Any) -> None:
        self._requests += 1
        made = Prediction(
            str(self._requests), more.pop("release", "desk"), variant, START, unit=unit, allocation_id=epoch, **more
        )
        self.log.append([made], [])


async def counted(source: LogSource, cursor: Any, since: int = 5) -> tuple[dict[tuple[str, int | None], int], Any]:
    reading = await source.new_units({"desk": since}, cursor)
    assert (reading.state, reading.exposures) == (ReadState.OK, True)
    units = {(one.variant, one.epoch): one.counts.trials for one in reading.increments}
    return units, json.loads(json.dumps(reading.cursor))


async def test_a_unit_counts_once_however_often_it_comes_and_whatever_it_is_given_later(log: EventLog) -> None:
    source, asks = LogSource(log), Asking(log)
    assert isinstance(source, UnitSource)
    _, cursor = await counted(source, None)
    for unit, variant, epoch in [("ann", "next", 5), ("bob", "stable", 5), ("ann", "next", 5), ("cid", "stable", 6)]:
        asks(unit, variant, epoch)
    first, later = await counted(source, cursor)
    assert first == {("next", 5): 1, ("stable", 5): 1, ("stable", 6): 1}
    assert (await counted(source, cursor))[0] == first, "a read whose result was lost answers otherwise"
    asks("bob", "next", 6)
    asks("dee", "next", 6)
    assert (await counted(source, later))[0] == {("next", 6): 1}


async def test_what_is_no_exposure_of_a_unit_in_this_trial_does_not_count(log: EventLog) -> None:
    source, asks = LogSource(log), Asking(log)
    _, cursor = await counted(source, None)
    asks(None, "next")
    asks("ann", "next", mirrored=True)
    asks("bob", "next", epoch=4)
    asks("cid", "next", epoch=None)
    asks("dee", "next", release="other")
    assert (await counted(source, cursor))[0] == {}
    # Whoever was seen before the trial, as a copy or elsewhere is new in it.
    for unit in ("ann", "bob", "cid", "dee"):
        asks(unit, "stable")
    assert (await counted(source, cursor))[0] == {("stable", 5): 4}


async def test_the_first_read_begins_to_count_and_whom_it_passes_over_is_not_new_later(log: EventLog) -> None:
    source, asks = LogSource(log), Asking(log)
    asks("ann", "next")
    units, cursor = await counted(source, None)
    assert units == {}
    asks("ann", "next")
    asks("bob", "stable")
    assert (await counted(source, cursor))[0] == {("stable", 5): 1}


async def test_a_log_that_cannot_be_read_keeps_the_place(log: EventLog, tmp_path: Path) -> None:
    source = LogSource(log)
    log.path.rename(tmp_path / "away.db")
    reading = await source.new_units({"desk": 5}, 7)
    assert (reading.state, reading.cursor) == (ReadState.PROVIDER_ERROR, 7)
