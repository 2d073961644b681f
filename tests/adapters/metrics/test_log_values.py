"""Values of outcomes, as exact sums of clipped steps; and what predictions knew before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.domain.metric import Clip, Covariate, LogQuery, Metric, Queries
from releasectl.domain.observation import Counts, ReadState, Values
from releasectl.ports import Outcome, Prediction

START = datetime(2026, 1, 1, tzinfo=UTC)
WORTH = Metric(
    name="worth",
    kind="mean",
    unit="EUR",
    direction="higher",
    clip=Clip(high=1000.0),
    query=Queries(log=LogQuery(outcome="worth")),
)
ADJUSTED = WORTH.model_copy(update={"covariate": Covariate(feature="spent", clip=Clip(high=100.0), missing=10.0)})


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog(tmp_path / "events.db", now=lambda: START)) as log:
        yield log


class Reader:
    """Reads as the controller does, cursors through JSON; ``arms`` is all that was counted by variant."""

    def __init__(self, log: EventLog, metric: Metric) -> None:
        self.source, self.metric = LogSource(log), metric
        self.cursors: dict[str, Any] = {}
        self.arms: dict[str, Counts] = {}

    async def read(self) -> ReadState:
        reading = (await self.source.read([self.metric], self.cursors, START))[self.metric.name]
        self.cursors = json.loads(json.dumps({self.metric.name: reading.cursor}))
        for one in reading.increments:
            self.arms[one.variant] = self.arms.get(one.variant, Counts()) + one.counts
        return reading.state


def shown(request: str, variant: str = "stable", **features: Any) -> Prediction:
    return Prediction(request, "desk", variant, START, allocation_id=1, features=features or None)


def worth(request: str, value: float) -> Outcome:
    return Outcome("worth", value, START + timedelta(minutes=1), request_id=request)


async def test_values_are_summed_in_steps_of_the_range_and_clipped_to_it(log: EventLog) -> None:
    reader = Reader(log, WORTH)
    await reader.read()
    values = {"a": 250.0, "b": 0.0004, "c": -3.0, "d": 1e12, "e": 250.0}
    log.append([shown(name) for name in values], [worth(name, value) for name, value in values.items()])
    assert await reader.read() is ReadState.OK
    steps = [250_000, 0, 0, 1_000_000, 250_000]
    wanted = Values(total=sum(steps), squares=sum(step * step for step in steps))
    assert reader.arms == {"stable": Counts(trials=5, values=wanted)}


async def test_sums_are_exact_beyond_what_floating_point_holds(log: EventLog) -> None:
    reader = Reader(log, WORTH)
    await reader.read()
    rows = [f"r{n}" for n in range(20_000)]
    log.append([shown(name) for name in rows], [worth(name, 999.999) for name in rows])
    await reader.read()
    (arm,) = reader.arms.values()
    assert arm.values == Values(total=20_000 * 999_999, squares=20_000 * 999_999**2)


@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_c8_values_add_up_to_the_same_in_any_order_of_arrival_and_any_split_of_reads(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    values = data.draw(st.lists(st.floats(-10, 1200, allow_nan=False), min_size=1, max_size=8))
    events: list[Prediction | Outcome] = []
    for n, value in enumerate(values):
        events += [shown(f"r{n}", ("stable", "next")[n % 2], spent=n), worth(f"r{n}", value)]
    order = data.draw(st.permutations(events))

    async def counted(some: list[list[Prediction | Outcome]]) -> dict[str, Counts]:
        folder = tmp_path_factory.mktemp("log")
        with closing(EventLog(folder / "events.db", now=lambda: START)) as log:
            reader = Reader(log, ADJUSTED)
            await reader.read()
            for part in some:
                log.append(
                    [one for one in part if isinstance(one, Prediction)], [o for o in part if isinstance(o, Outcome)]
                )
                await reader.read()
            return reader.arms

    assert asyncio.run(counted([[one] for one in order])) == asyncio.run(counted([events]))


async def test_a_covariate_is_read_from_the_features_of_the_prediction(log: EventLog) -> None:
    reader = Reader(log, ADJUSTED)
    await reader.read()
    told = [shown("a", spent=40), shown("b", spent=1e9), shown("c", spent="much"), shown("d"), shown("e", age=40)]
    log.append(told, [worth(name, 100.0) for name in "abcde"])
    await reader.read()
    # Of c, d and e nothing is known: they count as those of whom the metric says what is missing.
    steps = [400_000, 1_000_000, 100_000, 100_000, 100_000]
    wanted = Values(
        total=5 * 100_000,
        squares=5 * 100_000**2,
        before=sum(steps),
        before_squares=sum(step * step for step in steps),
        products=sum(100_000 * step for step in steps),
    )
    assert reader.arms == {"stable": Counts(trials=5, values=wanted)}


async def test_any_component_of_the_request_may_tell_the_covariate(log: EventLog) -> None:
    reader = Reader(log, ADJUSTED)
    await reader.read()
    entry = Prediction("a", "desk", "stable", START, allocation_id=1, component="entry")
    behind = Prediction("a", "desk", "stable", START, allocation_id=1, component="behind", features={"spent": 40})
    log.append([entry, behind], [worth("a", 100.0)])
    await reader.read()
    assert reader.arms["stable"].trials == 1
    assert reader.arms["stable"].values is not None
    assert reader.arms["stable"].values.before == 400_000


async def test_no_feature_is_kept_but_the_numbers_that_a_metric_asks_for(log: EventLog) -> None:
    log.append([shown("a", spent=1, name="Ada")], [])
    asks, asks_nothing = Reader(log, ADJUSTED), Reader(log, WORTH)
    await asks.read()
    await asks_nothing.read()
    log.append([shown("b", spent=2, name="Ada"), shown("c", spent="Ada")], [])
    asks.metric = WORTH
    await asks.read()
    log.append([shown("d", spent=3)], [])
    with log.reading() as db:
        kept = dict(db.execute("SELECT request_id, features FROM prediction"))
    assert kept == {"a": None, "b": '{"spent":2}', "c": None, "d": None}


async def test_another_range_begins_to_count_anew(log: EventLog) -> None:
    reader = Reader(log, WORTH)
    await reader.read()
    log.append([shown("a")], [worth("a", 500.0)])
    reader.metric = WORTH.model_copy(update={"clip": Clip(high=100.0)})
    await reader.read()
    assert reader.arms == {}
