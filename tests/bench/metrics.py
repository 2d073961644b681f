"""Times of reading metrics and taking events: ``python -m tests.bench.metrics``.

Processor time of this process, which holds both ends of every connection, so that a busy machine changes little.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from releasectl.adapters.metrics.envoy import EnvoySource
from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.adapters.metrics.prometheus import PrometheusSource
from releasectl.api.app import create_app
from releasectl.api.server import ApiServer
from releasectl.domain.metric import BUILT_IN, HISTOGRAM_BUCKETS_MS, LogQuery, Metric, PrometheusQuery, Queries
from releasectl.ports import MetricSource, Outcome, Prediction

clock = time.process_time
RELEASES, VARIANTS = 1_000, ("stable", "tiny")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def exposition(scale: int, *, histograms: bool) -> str:
    """What Envoy says of so many clusters."""
    lines = ["# TYPE envoy_server_uptime gauge", f"envoy_server_uptime{{}} {100 + scale}"]
    for release in range(RELEASES):
        for variant in VARIANTS:
            label = f'envoy_cluster_name="desk-{release}/{variant}/sentiment/abcdef"'
            for status in "245":
                name = f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="{status}",{label}}}'
                lines.append(f"{name} {scale * 100}")
            if histograms:
                edges = [*(f"{edge:g}" for edge in HISTOGRAM_BUCKETS_MS), "+Inf"]
                lines += [f'envoy_cluster_upstream_rq_time_bucket{{{label},le="{edge}"}} {scale}' for edge in edges]
                lines.append(f"envoy_cluster_upstream_rq_time_count{{{label}}} {scale}")
    return "\n".join(lines) + "\n"


async def envoy(names: tuple[str, ...]) -> tuple[float, int]:
    texts = [exposition(scale, histograms=len(names) > 1) for scale in range(1, 6)]
    dump = {"configs": [{"@type": "BootstrapConfigDump", "last_updated": "x"}]}
    given = iter(texts)

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=dump) if "config" in request.url.path else httpx.Response(200, text=next(given))

    source = EnvoySource("http://envoy", lambda _: "sentiment", transport=httpx.MockTransport(answer))
    return await median_read(source, [BUILT_IN[name] for name in names], len(texts)), len(texts[0])


async def prometheus(series: int, samples: int) -> tuple[float, int]:
    metric = Metric(
        name="errors",
        direction="lower",
        query=Queries(prometheus=PrometheusQuery(trials="requests", events="errors")),
    )
    size, tick = 0, 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal size, tick
        at = 1_000_000 + 15 * tick
        if b"time%28%29" in request.content:
            tick += 1
            body = {"resultType": "scalar", "result": [at + 15, "0"]}
            return httpx.Response(200, json={"status": "success", "data": body})
        values = [[at - 15 * back, str(at - 15 * back)] for back in reversed(range(samples))]
        result = [
            {
                "metric": {
                    "__name__": "requests_total",
                    "release": f"desk-{n // 4}",
                    "variant": f"v{n % 4}",
                    "job": "j",
                },
                "values": values,
            }
            for n in range(series // 2)
        ]
        content = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()
        size = len(content)
        return httpx.Response(200, content=content)

    answer_seconds = [0.0]
    source = PrometheusSource("http://prometheus", transport=httpx.MockTransport(_timed(answer, answer_seconds)))
    seconds = await median_read(source, [metric], 5, less=answer_seconds)
    return seconds, size * 2


def _timed(
    answer: Callable[[httpx.Request], httpx.Response], spent: list[float]
) -> Callable[[httpx.Request], httpx.Response]:
    """The stand-in's own time, to be taken off."""

    def timed(request: httpx.Request) -> httpx.Response:
        start = clock()
        try:
            return answer(request)
        finally:
            spent[0] += clock() - start

    return timed


async def median_read(
    source: MetricSource, metrics: list[Metric], reads: int, less: list[float] | None = None
) -> float:
    cursors: dict[str, Any] = {}
    times = []
    for step in range(reads):
        before, start = (less or [0.0])[0], clock()
        readings = await source.read(metrics, cursors, NOW + timedelta(seconds=step))
        times.append(clock() - start - ((less or [0.0])[0] - before))
        cursors = json.loads(json.dumps({name: reading.cursor for name, reading in readings.items()}))
        assert all(reading.state == "ok" for reading in readings.values()), readings
    return sorted(times)[len(times) // 2]


def predictions(start: int, count: int) -> list[Prediction]:
    return [
        Prediction(f"r{n}", f"desk-{n % 100}", VARIANTS[n % 2], NOW, allocation_id=1)
        for n in range(start, start + count)
    ]


def outcomes(start: int, count: int) -> list[Outcome]:
    return [Outcome("click", float(n % 3 == 0), NOW, request_id=f"r{n}") for n in range(start, start + count)]


async def event_log(folder: Path) -> list[tuple[str, str]]:
    log = EventLog(folder / "direct.db")
    rows = []
    for batch in (1, 100):
        count = 2_000 if batch == 1 else 40_000
        base, start = batch * 1_000_000, clock()
        for offset in range(0, count // 2, batch):
            log.append(predictions(base + offset, batch), [])
            log.append([], outcomes(base + offset, batch))
        rows.append((f"events appended, {batch} a call", f"{count / (clock() - start):,.0f} /s"))
    metric = Metric(name="click", direction="higher", query=Queries(log=LogQuery(outcome="click")))
    source = LogSource(log)
    first = {"query": {**LogQuery(outcome="click").model_dump(mode="json"), "maturity": 0.0}, "join": 0, "at": 0}
    start = clock()
    reading = (await source.read([metric], {"click": first}, NOW))["click"]
    total = sum(each.counts.trials for each in reading.increments)
    rows.append((f"one read that counts {total:,} exposures", f"{(clock() - start) * 1000:,.0f} ms"))
    start = clock()
    await source.read([metric], {"click": reading.cursor}, NOW)
    rows.append(("one read that finds nothing new", f"{(clock() - start) * 1000:,.1f} ms"))
    log.close()
    return rows


def cloud_event(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "/bench",
        "type": "dev.releasectl.prediction",
        "time": "2026-01-01T00:00:00Z",
        "data": {"request_id": f"r{number}", "release": "desk", "variant": "stable", "allocation_id": 1},
    }


async def over_http(folder: Path) -> list[tuple[str, str]]:
    log = EventLog(folder / "http.db")
    server = ApiServer(create_app(events=log, releases=dict, not_ready=list, registry=CollectorRegistry()))
    port = await server.start()
    rows = []
    for batch, count in ((1, 2_000), (100, 20_000)):
        kind = "cloudevents" if batch == 1 else "cloudevents-batch"
        bodies = [
            json.dumps(cloud_event(n) if batch == 1 else [cloud_event(m) for m in range(n, n + batch)]).encode()
            for n in range(batch * 1_000_000, batch * 1_000_000 + count, batch)
        ]
        start, waiting = clock(), iter(bodies)
        await asyncio.gather(*(post_all(port, kind, waiting) for _ in range(8)))
        rows.append((f"events over HTTP, {batch} a request, 8 at once", f"{count / (clock() - start):,.0f} /s"))
    await server.stop()
    log.close()
    return rows


async def post_all(port: int, kind: str, bodies: Iterator[bytes]) -> None:
    """One connection that posts what is left. By hand: a client library would cost more than the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for body in bodies:
        head = f"POST /v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/{kind}+json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert " 202 " in answer, answer
        await reader.readexactly(int(answer.split("content-length:")[1].split()[0]))
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    rows = []
    for names in (("error-rate",), ("error-rate", "slow-requests")):
        seconds, size = await envoy(names)
        label = f"Envoy, {RELEASES:,} releases x {len(VARIANTS)}: {' and '.join(names)} ({size / 1e6:.1f} MB)"
        rows.append((label, f"{seconds * 1000:,.0f} ms"))
    for samples in (3, 40):
        seconds, size = await prometheus(4_000, samples)
        label = f"Prometheus, 4,000 series of {samples} samples ({size / 1e6:.1f} MB)"
        rows.append((label, f"{seconds * 1000:,.0f} ms"))
    with tempfile.TemporaryDirectory() as folder:
        rows += await event_log(Path(folder))
        rows += await over_http(Path(folder))
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        print(f"{label:<{width}}  {value:>12}")


if __name__ == "__main__":
    asyncio.run(main())
