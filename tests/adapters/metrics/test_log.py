"""Outcomes count once, for the variant at exposure, in whatever order they arrive."""

from __future__ import annotations

import json
import sqlite3
import stat
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.domain.metric import LogQuery, Metric, Queries
from releasectl.domain.observation import ReadState
from releasectl.errors import Unavailable
from releasectl.ports import Outcome, Prediction

START = datetime(2026, 1, 1, tzinfo=UTC)
CLICK = Metric(name="click", direction="higher", query=Queries(log=LogQuery(outcome="click")))
WEEK = CLICK.model_copy(update={"maturity": timedelta(days=7)})


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def shown(request: str, variant: str = "stable", hours: float = 0, **more: Any) -> Prediction:
    return Prediction(request, "desk", variant, at(hours), allocation_id=more.pop("epoch", 1), **more)


def clicked(request: str, value: float = 1, hours: float = 1, **more: Any) -> Outcome:
    return Outcome("click", value, at(hours), request_id=request, **more)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.db", now=lambda: START)
    yield log
    log.close()


class Reader:
    """Reads as the controller does; ``total`` is all increments by variant and epoch."""

    def __init__(self, log: EventLog, metric: Metric = CLICK) -> None:
        self.source, self.metric = LogSource(log), metric
        self.cursors: dict[str, Any] = {}
        self.total: Counter[tuple[str, int | None, str]] = Counter()

    async def read(self, hours: float = 0) -> ReadState:
        reading = (await self.source.read([self.metric], self.cursors, at(hours)))[self.metric.name]
        self.cursors = json.loads(json.dumps({self.metric.name: reading.cursor}))
        for increment in reading.increments:
            self.total[increment.variant, increment.epoch, "trials"] += increment.counts.trials
            self.total[increment.variant, increment.epoch, "events"] += increment.counts.events
        return reading.state

    def arm(self, variant: str, epoch: int = 1) -> tuple[int, int]:
        return self.total[variant, epoch, "trials"], self.total[variant, epoch, "events"]


async def test_an_exposure_counts_when_its_outcome_arrives(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    log.append([shown("a"), shown("b"), shown("c")], [])
    await reader.read()
    assert reader.arm("stable") == (0, 0)
    log.append([], [clicked("a", 1), clicked("b", 0)])
    await reader.read()
    assert reader.arm("stable") == (2, 1)
    await reader.read()
    assert reader.arm("stable") == (2, 1)


async def test_an_outcome_may_arrive_before_its_prediction(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    log.append([], [clicked("a")])
    await reader.read()
    log.append([shown("a")], [])
    await reader.read()
    assert reader.arm("stable") == (1, 1)


async def test_an_outcome_goes_to_the_variant_and_allocation_at_exposure(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    log.append([shown("a", "tiny", epoch=3), shown("b", "stable", epoch=4)], [])
    log.append([], [clicked("a", hours=50), clicked("b", hours=1)])
    await reader.read()
    assert reader.arm("tiny", 3) == (1, 1)
    assert reader.arm("stable", 4) == (1, 1)


async def test_duplicates_count_once_and_corrections_before_counting_win(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    assert log.append([shown("a"), shown("a")], [clicked("a", 0, 1), clicked("a", 0, 1), clicked("a", 1, 2)]) == 3
    await reader.read()
    assert reader.arm("stable") == (1, 1)
    log.append([shown("a")], [clicked("a", 0, 3)])
    await reader.read()
    assert reader.arm("stable") == (1, 1)


async def test_mirrored_predictions_are_no_shares(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    log.append([shown("a", "tiny", mirrored=True), shown("a", "stable")], [clicked("a")])
    await reader.read()
    assert (reader.arm("tiny"), reader.arm("stable")) == ((0, 0), (1, 1))


async def test_the_components_of_one_request_are_one_exposure(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    log.append([shown("a", component="ocr"), shown("a", component="sentiment")], [clicked("a")])
    await reader.read()
    assert reader.arm("stable") == (1, 1)


async def test_an_outcome_of_a_unit_goes_to_its_first_exposure_in_the_window(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    log.append([shown("old", "tiny", -200, unit="u"), shown("b", "stable", 0, unit="u")], [])
    log.append([shown("c", "tiny", 1, unit="u")], [Outcome("click", 1, at(2), unit="u")])
    await reader.read()
    assert (reader.arm("stable"), reader.arm("tiny")) == ((1, 1), (0, 0))


async def test_an_outcome_of_a_unit_may_arrive_before_its_exposures_and_counts_for_one(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    log.append([], [Outcome("click", 1, at(2), unit="u")])
    log.append([shown("b", "stable", 0, unit="u"), shown("c", "stable", 1, unit="u")], [])
    log.append([shown("d", "stable", 1, unit="u")], [])
    await reader.read()
    assert reader.arm("stable") == (1, 1)


async def test_with_maturity_only_old_exposures_count_and_late_outcomes_are_ignored(log: EventLog) -> None:
    reader = Reader(log, WEEK)
    await reader.read()
    log.append([shown("a"), shown("b"), shown("young", hours=24)], [clicked("a", 1, 24), clicked("young", 1, 25)])
    log.append([], [clicked("a", 0, 169), clicked("b", 1, 169)])
    await reader.read(167)
    assert reader.arm("stable") == (0, 0)
    await reader.read(170)
    assert reader.arm("stable") == (1, 1)
    await reader.read(400)
    assert reader.arm("stable") == (2, 2)


async def test_an_outcome_observed_in_time_that_arrives_late_counts_on_arrival(log: EventLog) -> None:
    reader = Reader(log, WEEK)
    await reader.read()
    log.append([shown("a")], [])
    await reader.read(200)
    log.append([], [clicked("a", 1, 100)])
    await reader.read(201)
    await reader.read(202)
    assert reader.arm("stable") == (1, 1)


async def test_a_read_whose_result_was_lost_answers_the_same_again(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    log.append([shown("a")], [clicked("a")])
    again = [(await reader.source.read([CLICK], reader.cursors, at(1)))["click"] for _ in range(2)]
    assert again[0].increments == again[1].increments != ()


async def test_the_cursor_survives_a_restart(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    log.append([shown("a")], [clicked("a")])
    await reader.read()
    log.close()
    reopened = EventLog(log.path)
    reader.source = LogSource(reopened)
    reopened.append([shown("b")], [clicked("b", 0)])
    await reader.read()
    reopened.close()
    assert reader.arm("stable") == (2, 1)


async def test_no_outcome_of_that_name_is_no_data(log: EventLog) -> None:
    reader = Reader(log)
    log.append([shown("a")], [Outcome("purchase", 1, at(1), request_id="a")])
    assert await reader.read() is ReadState.NO_DATA
    log.append([], [clicked("a")])
    assert await reader.read() is ReadState.OK


async def test_a_log_that_cannot_be_read_is_a_provider_error(log: EventLog) -> None:
    reader = Reader(log)
    await reader.read()
    with sqlite3.connect(log.path) as db:
        db.execute("DROP TABLE joined")
    db.close()
    assert await reader.read() is ReadState.PROVIDER_ERROR


@settings(deadline=None, max_examples=60)
@given(st.data())
async def test_any_arrival_order_and_any_reads_give_the_same_counts(data: st.DataObject) -> None:
    # Outcomes are drawn once and arrive shuffled among the predictions; the last read is long after all of them.
    count = data.draw(st.integers(1, 8))
    arms = st.sampled_from(["stable", "tiny"])
    predictions = [shown(f"r{n}", data.draw(arms), n, epoch=data.draw(st.integers(1, 2))) for n in range(count)]
    outcomes = [
        clicked(f"r{n}", data.draw(st.integers(0, 1)), n + data.draw(st.integers(0, 200)))
        for n in range(count)
        if data.draw(st.booleans())
    ]
    span = timedelta(days=7)
    expected: Counter[tuple[str, int | None, str]] = Counter()
    for outcome in outcomes:
        exposure = next(row for row in predictions if row.request_id == outcome.request_id)
        if outcome.observed_at <= exposure.at + span:
            expected[exposure.variant, exposure.allocation_id, "trials"] += 1
            expected[exposure.variant, exposure.allocation_id, "events"] += int(outcome.value)
    with tempfile.TemporaryDirectory() as folder:
        log = EventLog(Path(folder) / "events.db", now=lambda: START)
        reader = Reader(log, WEEK)
        await reader.read()
        hours = 0.0
        for event in data.draw(st.permutations([*predictions, *outcomes, *outcomes])):
            log.append([event] if isinstance(event, Prediction) else [], [event] if isinstance(event, Outcome) else [])
            if data.draw(st.booleans()):
                hours += data.draw(st.integers(0, 100))
                await reader.read(hours)
        await reader.read(max(hours, 1000))
        log.close()
    assert +reader.total == +expected


def test_units_are_hashed_with_a_key_of_their_own_and_features_are_opt_in(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.db")
    log.append([shown("a", unit="ada@example.com", features={"secret": 1})], [])
    log.close()
    assert b"ada@example.com" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"secret" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert stat.S_IMODE((tmp_path / "events.db.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "events.db").stat().st_mode) == 0o600
    other = EventLog(tmp_path / "other.db")
    assert other.hashed("ada") != log.hashed("ada")
    other.close()


def test_a_batch_is_stored_whole_or_not_at_all(log: EventLog) -> None:
    with pytest.raises(Unavailable):
        log.append([shown("a")], [Outcome("click", None, at(0), request_id="a")])  # type: ignore[arg-type]
    with log.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM prediction").fetchone() == (0,)
    assert log.append([shown("a")], []) == 1


def test_many_threads_may_append(log: EventLog) -> None:
    threads = [
        threading.Thread(target=lambda n=n: [log.append([shown(f"{n}-{k}")], []) for k in range(20)]) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with log.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM prediction").fetchone() == (160,)


def test_a_database_that_another_process_holds_is_busy(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.db", busy_after=timedelta(milliseconds=50))
    other = sqlite3.connect(log.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as caught:
        log.append([shown("a")], [])
    assert caught.value.retry_after
    other.close()
    assert log.append([shown("a")], []) == 1
    log.close()


async def test_pruning_forgets_old_exposures_and_counts_nothing_again(tmp_path: Path) -> None:
    clock = [at(0)]
    log = EventLog(tmp_path / "events.db", now=lambda: clock[0])
    reader = Reader(log)
    await reader.read()
    log.append([shown("a"), shown("old")], [clicked("a"), clicked("nobody")])
    await reader.read()
    clock[0] = at(100)
    log.append([shown("b")], [])
    assert log.prune(at(50)) == 2
    log.append([], [clicked("a", 0, 101), clicked("b", 1, 101)])
    await reader.read()
    assert reader.arm("stable") == (2, 2)
    with log.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM prediction").fetchone() == (1,)
    log.close()
