"""The counts of a real Prometheus are the true ones, to the request."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from releasectl.adapters.metrics.prometheus import PrometheusSource
from releasectl.domain.metric import Metric, PrometheusQuery, Queries
from releasectl.domain.observation import ReadState
from tests.adapters.metrics.real_envoy import eventually
from tests.adapters.metrics.real_prometheus import RealPrometheus, Target

pytestmark = pytest.mark.debian

ERRORS = Metric(
    name="errors",
    direction="lower",
    stale_after=timedelta(seconds=4),
    query=Queries(
        prometheus=PrometheusQuery(trials='requests_total{job="desk"}', events='requests_total{job="desk",code="500"}')
    ),
)


@pytest.fixture
def targets() -> Iterator[list[Target]]:
    targets = [Target(), Target()]
    yield targets
    for target in targets:
        target.close()


@pytest.fixture
def prometheus(tmp_path: Path, targets: list[Target]) -> Iterator[RealPrometheus]:
    server = RealPrometheus(tmp_path, targets)
    yield server
    server.close()


async def test_every_request_is_counted_once_over_restarts_of_a_target_and_new_arms(
    prometheus: RealPrometheus, targets: list[Target]
) -> None:
    source = PrometheusSource(prometheus.url)
    cursors: dict[str, Any] = {}
    total: Counter[tuple[str, str]] = Counter()

    async def read() -> None:
        reading = (await source.read([ERRORS], cursors, datetime.now(UTC)))["errors"]
        assert reading.state is ReadState.OK, reading.detail
        assert reading.faults == {}
        cursors.update(json.loads(json.dumps({"errors": reading.cursor})))
        for increment in reading.increments:
            assert increment.counts.events <= increment.counts.trials
            total[increment.variant, "trials"] += increment.counts.trials
            total[increment.variant, "events"] += increment.counts.events

    def scraped(trials: int) -> bool:
        return prometheus.value("sum(requests_total)") == trials

    first, second = targets
    first.add("stable", 1_000, 50)
    second.add("stable", 500)
    eventually(lambda: scraped(1_550), what="the first scrape")
    await read()
    first.add("stable", 7, 3)
    eventually(lambda: scraped(1_560), what="a scrape")
    await read()
    # The first target restarts and passes no old value; a new arm and a first error are born on the second.
    first.restart()
    first.add("stable", 11, 2)
    second.add("tiny", 13, 1)
    second.add("stable", 0, 5)
    eventually(lambda: scraped(13 + 14 + 505), what="a scrape after the restart")
    for _ in range(3):
        await read()
        await asyncio.sleep(0.05)
    await source.aclose()
    assert total == {
        ("stable", "trials"): 10 + 13 + 5,
        ("stable", "events"): 3 + 2 + 5,
        ("tiny", "trials"): 14,
        ("tiny", "events"): 1,
    }


async def test_a_target_that_is_gone_makes_its_release_stale_and_a_stopped_server_is_a_provider_error(
    prometheus: RealPrometheus, targets: list[Target]
) -> None:
    source = PrometheusSource(prometheus.url)
    cursors: dict[str, Any] = {}

    async def state() -> tuple[ReadState, ReadState | None]:
        reading = (await source.read([ERRORS], cursors, datetime.now(UTC)))["errors"]
        cursors["errors"] = reading.cursor
        return reading.state, reading.faults["desk"][0] if "desk" in reading.faults else None

    assert await state() == (ReadState.NO_DATA, None)
    targets[0].add("stable", 1)
    eventually(lambda: prometheus.value("sum(requests_total)") == 1, what="a scrape")
    assert await state() == (ReadState.OK, None)
    targets[0].restart()
    for _ in range(100):
        if await state() == (ReadState.OK, ReadState.STALE):
            break
        await asyncio.sleep(0.1)
    assert await state() == (ReadState.OK, ReadState.STALE)
    prometheus.close()
    assert await state() == (ReadState.PROVIDER_ERROR, None)
    await source.aclose()
