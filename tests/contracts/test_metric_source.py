"""What every metric source keeps, whatever stands behind it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from releasectl.adapters.metrics.envoy import EnvoySource
from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.adapters.metrics.memory import MemorySource
from releasectl.adapters.metrics.prometheus import PrometheusSource
from releasectl.domain.metric import EnvoyQuery, LogQuery, Metric, PrometheusQuery, Queries
from releasectl.domain.observation import ReadState
from releasectl.ports import MetricSource, Outcome, Prediction, SourceReading
from tests.adapters.metrics.fake_prometheus import EVENTS, TRIALS, FakePrometheus
from tests.adapters.metrics.real_envoy import Envoy, an_envoy, eventually
from tests.adapters.metrics.real_prometheus import RealPrometheus, Target

ERRORS = Metric(
    name="errors",
    direction="lower",
    query=Queries(
        envoy=EnvoyQuery(errors="5xx"),
        prometheus=PrometheusQuery(trials=TRIALS, events=EVENTS),
        log=LogQuery(outcome="failed"),
    ),
)
NO_QUERY = {
    "envoy": Queries(log=LogQuery(outcome="x")),
    "log": Queries(envoy=EnvoyQuery(errors="5xx")),
    "prometheus": Queries(envoy=EnvoyQuery(errors="5xx")),
}


class World(Protocol):
    """A source and what it measures: the release ``desk`` with the variants ``stable`` and ``tiny``."""

    source: MetricSource

    def happen(self, variant: str, trials: int, events: int) -> None:
        """Let requests happen, and be seen by the provider."""
        ...

    def fail(self) -> None:
        """Take the provider away."""
        ...

    def recover(self) -> None:
        """Bring it back, with what it knew unless it forgets by nature."""
        ...


class InMemory:
    def __init__(self) -> None:
        self.source = MemorySource()

    def happen(self, variant: str, trials: int, events: int) -> None:
        self.source.add("errors", "desk", variant, trials, events)

    def fail(self) -> None:
        self.source.outage = "gone"

    def recover(self) -> None:
        self.source.outage = None


class Logged:
    def __init__(self, log: EventLog) -> None:
        self.source, self._log, self._count = LogSource(log), log, 0

    def happen(self, variant: str, trials: int, events: int) -> None:
        at = datetime.now(UTC)
        for number in range(trials):
            self._count += 1
            request = f"r{self._count}"
            outcome = Outcome("failed", float(number < events), at, request_id=request)
            self._log.append([Prediction(request, "desk", variant, at)], [outcome])

    def fail(self) -> None:
        self._log.path.rename(self._log.path.with_suffix(".away"))

    def recover(self) -> None:
        self._log.path.with_suffix(".away").rename(self._log.path)


class MockedPrometheus:
    def __init__(self) -> None:
        self._fake = FakePrometheus()
        self.source = PrometheusSource("http://prometheus.test", transport=self._fake.transport)
        self._sums: Counter[tuple[str, str]] = Counter()

    def happen(self, variant: str, trials: int, events: int) -> None:
        self._fake.time += 5
        self._sums[variant, "trials"] += trials
        self._sums[variant, "events"] += events
        instance = f"{variant}:1"
        self._fake.both(
            self._sums[variant, "trials"], self._sums[variant, "events"], variant=variant, instance=instance
        )

    def fail(self) -> None:
        self._fake.answers = [httpx.ConnectError("gone")] * 1_000

    def recover(self) -> None:
        self._fake.answers = []


class LivePrometheus:
    def __init__(self, server: RealPrometheus, target: Target) -> None:
        self._server, self._target, self._sum = server, target, 0
        self._url = server.url
        self._gone = False
        self.source = PrometheusSource(server.url, transport=_Switch(lambda: self._gone))

    def happen(self, variant: str, trials: int, events: int) -> None:
        self._target.add(variant, trials - events, events)
        self._sum += trials
        eventually(lambda: self._server.value("sum(requests_total)") == self._sum, what="a scrape")

    def fail(self) -> None:
        self._gone = True

    def recover(self) -> None:
        self._gone = False


class LiveEnvoy:
    def __init__(self, envoy: Envoy) -> None:
        self._envoy = envoy
        self.source = EnvoySource(envoy.admin_url, {"desk": "sentiment"}.get)

    def happen(self, variant: str, trials: int, events: int) -> None:
        for number in range(trials):
            self._envoy.get(f"{variant}/{500 if number < events else ''}")

    def fail(self) -> None:
        self._envoy.stop()

    def recover(self) -> None:
        self._envoy.start()


class _Switch(httpx.AsyncHTTPTransport):
    """The network, which can be taken away."""

    def __init__(self, gone: Any) -> None:
        super().__init__()
        self._gone = gone

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._gone():
            raise httpx.ConnectError("gone")
        return await super().handle_async_request(request)


@contextmanager
def a_world(kind: str, directory: Path) -> Iterator[World]:
    with ExitStack() as stack:
        if kind == "memory":
            yield InMemory()
        elif kind == "log":
            yield Logged(stack.enter_context(closing(EventLog(directory / "events.db"))))
        elif kind == "prometheus-mock":
            yield MockedPrometheus()
        elif kind == "prometheus":
            target = stack.enter_context(closing(Target()))
            yield LivePrometheus(stack.enter_context(closing(RealPrometheus(directory, [target]))), target)
        else:
            yield LiveEnvoy(stack.enter_context(an_envoy(directory)))


@pytest.fixture(
    params=[
        "memory",
        "log",
        "prometheus-mock",
        pytest.param("prometheus", marks=pytest.mark.debian),
        pytest.param("envoy", marks=pytest.mark.envoy),
    ]
)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    with a_world(request.param, tmp_path) as world:
        yield world
        if isinstance(world.source, EnvoySource | PrometheusSource):
            await world.source.aclose()


class Reader:
    """Keeps cursors as text between reads, and sums what it was told."""

    def __init__(self, world: World) -> None:
        self.source = world.source
        self.cursors: dict[str, Any] = {}
        self.total: Counter[tuple[str, str]] = Counter()

    async def ask(self) -> SourceReading:
        """Read, and lose the result."""
        return (await self.source.read([ERRORS], self.cursors, datetime.now(UTC)))["errors"]

    async def read(self) -> SourceReading:
        reading = await self.ask()
        self.cursors = json.loads(json.dumps({"errors": reading.cursor}))
        for increment in reading.increments:
            assert increment.release == "desk"
            assert 0 <= increment.counts.events <= increment.counts.trials
            self.total[increment.variant, "trials"] += increment.counts.trials
            self.total[increment.variant, "events"] += increment.counts.events
        return reading

    def arm(self, variant: str) -> tuple[int, int]:
        return self.total[variant, "trials"], self.total[variant, "events"]


async def test_nothing_at_all_is_no_data_and_not_zero(world: World) -> None:
    reading = await Reader(world).read()
    assert (reading.state, reading.increments) == (ReadState.NO_DATA, ())


async def test_the_first_read_counts_nothing_and_each_request_after_it_counts_once(world: World) -> None:
    reader = Reader(world)
    world.happen("stable", 5, 2)
    first = await reader.read()
    assert (first.state, first.increments) == (ReadState.OK, ())
    world.happen("stable", 3, 1)
    await reader.read()
    world.happen("tiny", 2, 2)
    await reader.read()
    await reader.read()
    assert (reader.arm("stable"), reader.arm("tiny")) == ((3, 1), (2, 2))


async def test_a_read_whose_result_was_lost_can_be_asked_again(world: World) -> None:
    reader = Reader(world)
    world.happen("stable", 1, 0)
    await reader.read()
    world.happen("stable", 4, 1)
    lost = await reader.ask()
    assert (await reader.ask()).increments == lost.increments
    await reader.read()
    assert reader.arm("stable") == (4, 1)


async def test_a_provider_that_is_gone_is_an_error_that_loses_nothing_and_moves_no_cursor(world: World) -> None:
    reader = Reader(world)
    world.happen("stable", 2, 0)
    await reader.read()
    before = reader.cursors
    world.fail()
    gone = await reader.read()
    assert (gone.state, gone.increments, reader.cursors) == (ReadState.PROVIDER_ERROR, (), before)
    assert gone.detail
    world.recover()
    world.happen("stable", 3, 3)
    assert (await reader.read()).state is ReadState.OK
    assert reader.arm("stable") == (3, 3)


async def test_a_provider_that_is_gone_at_the_first_read_leaves_the_metric_to_begin_later(world: World) -> None:
    reader = Reader(world)
    world.happen("stable", 2, 0)
    world.fail()
    await reader.read()
    world.recover()
    world.happen("stable", 2, 1)
    assert (await reader.read()).increments == ()
    world.happen("stable", 1, 1)
    await reader.read()
    assert reader.arm("stable") == (1, 1)


async def test_a_metric_that_joins_later_begins_by_itself_and_one_without_a_query_is_left_out(world: World) -> None:
    joined = ERRORS.model_copy(update={"name": "joined"})
    foreign = ERRORS.model_copy(update={"name": "foreign", "query": NO_QUERY[world.source.kind]})
    if isinstance(world, InMemory):
        world.source.add("joined", "desk", "stable", 1, 0)
    reader = Reader(world)
    world.happen("stable", 1, 0)
    await reader.read()
    world.happen("stable", 2, 1)
    readings = await world.source.read([ERRORS, joined, foreign], reader.cursors, datetime.now(UTC) + timedelta(0))
    assert set(readings) == {"errors", "joined"}
    assert [increment.counts.trials for increment in readings["errors"].increments] == [2]
    assert readings["joined"].increments == ()
    assert readings["joined"].cursor is not None


async def test_a_cursor_of_other_software_begins_anew(world: World) -> None:
    world.happen("stable", 2, 1)
    for strange in ({"version": 9}, [1, 2], "text", 7):
        reading = (await world.source.read([ERRORS], {"errors": strange}, datetime.now(UTC)))["errors"]
        assert (reading.state, reading.increments) == (ReadState.OK, ())


async def test_no_metrics_are_no_question(world: World) -> None:
    assert await world.source.read([], {}, datetime.now(UTC)) == {}
