"""Errors and slow requests as the real Envoy counts them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from releasectl.adapters.metrics.envoy import EnvoySource
from releasectl.domain.base import parse_duration
from releasectl.domain.metric import EnvoyQuery, Metric, Queries
from releasectl.domain.observation import ReadState
from releasectl.ports import SourceReading

pytestmark = pytest.mark.envoy

ERRORS = Metric(name="errors", direction="lower", query=Queries(envoy=EnvoyQuery(errors="5xx")))
REFUSALS = Metric(name="refusals", direction="lower", query=Queries(envoy=EnvoyQuery(errors="4xx-5xx")))
SLOW = Metric(name="slow", direction="lower", query=Queries(envoy=EnvoyQuery(over=parse_duration("100ms"))))
METRICS = (ERRORS, REFUSALS, SLOW)


class Reader:
    """Reads again and again, as the controller does, keeping cursors as JSON text."""

    def __init__(self, envoy: Any) -> None:
        self.source = EnvoySource(envoy.admin_url, {"desk": "sentiment"}.get)
        self._cursors: dict[str, str] = {}
        self.totals: dict[str, dict[str, tuple[int, int]]] = {}

    async def read(self) -> dict[str, SourceReading]:
        cursors = {name: json.loads(text) for name, text in self._cursors.items()}
        readings = dict(await self.source.read(METRICS, cursors, datetime.now(UTC)))
        for name, reading in readings.items():
            self._cursors[name] = json.dumps(reading.cursor)
            for increment in reading.increments:
                # What a component further in has counted is a part, told apart from the whole.
                told = f"{name} {increment.part}" if increment.part else name
                arms = self.totals.setdefault(told, {})
                trials, events = arms.get(increment.variant, (0, 0))
                arms[increment.variant] = (trials + increment.counts.trials, events + increment.counts.events)
        return readings

    async def until(self, metric: str, arms: dict[str, tuple[int, int]]) -> None:
        """Read on until the histogram, which Envoy merges now and then, has caught up."""
        for _ in range(100):
            await self.read()
            if self.totals.get(metric) == arms:
                return
        assert self.totals.get(metric) == arms


@pytest.fixture
async def reader(envoy: Any) -> Any:
    reader = Reader(envoy)
    yield reader
    await reader.source.aclose()


async def test_answers_that_envoy_gives_itself_are_errors_of_the_variant(envoy: Any, reader: Reader) -> None:
    await reader.read()
    paths = ["stable/", "stable/404", "stable/500", "dead/", "empty/", "tiny/hang", "tiny/"]
    assert [envoy.get(path) for path in paths] == [200, 404, 500, 503, 503, 504, 200]
    await reader.read()
    assert reader.totals["errors"] == {"stable": (3, 1), "dead": (1, 1), "empty": (1, 1), "tiny": (2, 1)}
    assert reader.totals["refusals"]["stable"] == (3, 2)


async def test_a_request_that_envoy_gave_up_on_is_slow_and_one_that_could_not_be_sent_is_not(
    envoy: Any, reader: Reader
) -> None:
    await reader.read()
    for path in ["stable/", "stable/", "stable/slow", "tiny/hang", "dead/"]:
        envoy.get(path)
    await reader.until("slow", {"stable": (3, 1), "tiny": (1, 1)})


async def test_only_the_entry_counts_and_mirrored_copies_do_not(envoy: Any, reader: Reader) -> None:
    await reader.read()
    for path in ["inner/500", "mirror/500", "stable/"]:
        envoy.get(path)
    await reader.read()
    assert reader.totals["errors"] == {"stable": (1, 0)}
    assert reader.totals["errors component=language-id"] == {"stable": (1, 1)}


async def test_what_was_counted_before_the_first_read_does_not_count(envoy: Any, reader: Reader) -> None:
    envoy.get("stable/500")
    first = await reader.read()
    assert first["errors"].increments == ()
    envoy.get("stable/")
    await reader.read()
    assert reader.totals["errors"] == {"stable": (1, 0)}


async def test_a_restart_loses_and_doubles_nothing_although_the_counters_have_passed_their_old_values(
    envoy: Any, reader: Reader
) -> None:
    await reader.read()
    envoy.get("stable/500")
    await reader.read()
    envoy.stop()
    envoy.start()
    for path in ["stable/500", "stable/", "stable/"]:
        envoy.get(path)
    await reader.read()
    await reader.read()
    assert reader.totals["errors"] == {"stable": (4, 2)}


async def test_nothing_counted_yet_is_no_data_and_no_answer_is_a_provider_error(envoy: Any, reader: Reader) -> None:
    assert (await reader.read())["errors"].state is ReadState.NO_DATA
    envoy.get("stable/500")
    envoy.stop()
    gone = await reader.read()
    assert {reading.state for reading in gone.values()} == {ReadState.PROVIDER_ERROR}
    envoy.start()
    envoy.get("stable/")
    assert (await reader.read())["errors"].state is ReadState.OK
    assert reader.totals["errors"] == {"stable": (1, 0)}


async def test_an_edge_that_the_histogram_lacks_is_invalid_and_names_the_edges(envoy: Any, reader: Reader) -> None:
    odd = Metric(name="odd", direction="lower", query=Queries(envoy=EnvoyQuery(over=parse_duration("1s"))))
    odd = odd.model_copy(update={"query": Queries(envoy=EnvoyQuery.model_construct(over=parse_duration("70ms")))})
    envoy.get("stable/")
    for _ in range(100):
        reading = (await reader.source.read([odd], {}, datetime.now(UTC)))["odd"]
        if reading.state is ReadState.INVALID:
            break
    assert reading.state is ReadState.INVALID
    assert "70 ms" in reading.detail and "50, 100" in reading.detail
