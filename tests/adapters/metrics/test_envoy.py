"""Answers of an admin interface that the real Envoy does not give on request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from releasectl.adapters.metrics.envoy import EnvoySource
from releasectl.domain.base import parse_duration
from releasectl.domain.metric import EnvoyQuery, Metric, Queries
from releasectl.domain.observation import ReadState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ERRORS = Metric(name="errors", direction="lower", query=Queries(envoy=EnvoyQuery(errors="5xx")))
SLOW = Metric(name="slow", direction="lower", query=Queries(envoy=EnvoyQuery(over=parse_duration("500ms"))))


class Admin:
    """An admin interface with counters that a test writes."""

    def __init__(self) -> None:
        self.uptime = 100
        self.started = "2026-01-01T00:00:00Z"
        self.lines: dict[str, Any] = {}
        self.asked: list[str] = []
        self.answer: Callable[[], httpx.Response] | None = None

    def answers(self, release: str, variant: str, status: str, count: Any, tag: str = "aaaa") -> None:
        cluster = f"{release}/{variant}/sentiment/{tag}"
        name = f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="{status}",envoy_cluster_name="{cluster}"}}'
        self.lines[name] = count

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.answer is not None:
            return self.answer()
        if request.url.path == "/config_dump":
            kind = "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"
            return httpx.Response(200, json={"configs": [{"@type": kind, "last_updated": self.started}]})
        lines = [f"{name} {value}" for name, value in self.lines.items()]
        text = "\n".join(["# TYPE envoy_server_uptime gauge", f"envoy_server_uptime{{}} {self.uptime}", *lines, ""])
        return httpx.Response(200, text=text)

    def source(self) -> EnvoySource:
        return EnvoySource("http://envoy.test", lambda _: "sentiment", transport=httpx.MockTransport(self._handle))


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "1.5", "many"])
async def test_a_value_that_is_no_count_makes_its_release_invalid_and_no_other(value: str) -> None:
    admin = Admin()
    source = admin.source()
    for release in ("desk", "shop"):
        admin.answers(release, "stable", "2", 10)
        admin.answers(release, "tiny", "2", 10)
    cursor = (await source.read([ERRORS], {}, NOW))["errors"].cursor
    for release in ("desk", "shop"):
        admin.answers(release, "stable", "2", 15)
    admin.answers("desk", "tiny", "2", value)
    reading = (await source.read([ERRORS], {"errors": cursor}, NOW))["errors"]
    assert {release: state for release, (state, _) in reading.faults.items()} == {"desk": ReadState.INVALID}
    assert [(each.release, each.counts.trials) for each in reading.increments] == [("shop", 5)]
    admin.answers("desk", "tiny", "2", 12)
    well = (await source.read([ERRORS], {"errors": reading.cursor}, NOW))["errors"]
    assert {(each.release, each.variant): each.counts.trials for each in well.increments} == {
        ("desk", "stable"): 5,
        ("desk", "tiny"): 2,
    }


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: httpx.Response(503), id="unavailable"),
        pytest.param(lambda: httpx.Response(200, text="<html>hello</html>"), id="a page of something else"),
        pytest.param(lambda: _raise(httpx.ReadTimeout("slow")), id="a time-out"),
        pytest.param(lambda: _raise(httpx.RemoteProtocolError("cut")), id="cut off"),
    ],
)
async def test_an_unusable_answer_is_a_provider_error_of_every_metric(answer: Callable[[], httpx.Response]) -> None:
    admin = Admin()
    admin.answer = answer
    readings = await admin.source().read([ERRORS, SLOW], {"slow": {"kept": True}}, NOW)
    assert {reading.state for reading in readings.values()} == {ReadState.PROVIDER_ERROR}
    assert readings["slow"].cursor == {"kept": True}


async def test_many_metrics_and_releases_are_one_request_once_the_process_is_known() -> None:
    admin = Admin()
    source = admin.source()
    for number in range(50):
        admin.answers(f"desk-{number}", "stable", "2", 1)
    cursors: dict[str, Any] = {}
    for step in range(3):
        admin.uptime += 1
        readings = await source.read([ERRORS, SLOW], cursors, NOW + timedelta(seconds=step))
        cursors = {name: reading.cursor for name, reading in readings.items()}
    assert admin.asked == ["/stats/prometheus", "/config_dump", "/stats/prometheus", "/stats/prometheus"]


async def test_a_clock_that_jumps_is_no_restart() -> None:
    admin = Admin()
    source = admin.source()
    admin.answers("desk", "stable", "2", 100)
    cursor = (await source.read([ERRORS], {}, NOW))["errors"].cursor
    admin.answers("desk", "stable", "2", 103)
    for jump in (timedelta(hours=1), timedelta(hours=-1)):
        reading = (await source.read([ERRORS], {"errors": cursor}, NOW + jump))["errors"]
        assert [each.counts.trials for each in reading.increments] == [3]


async def test_a_restarted_process_is_counted_from_nothing_although_every_value_is_higher() -> None:
    admin = Admin()
    source = admin.source()
    admin.answers("desk", "stable", "2", 100)
    cursor = (await source.read([ERRORS], {}, NOW))["errors"].cursor
    admin.answers("desk", "stable", "2", 120)
    admin.uptime, admin.started = 101, "2026-01-01T00:09:00Z"
    reading = (await source.read([ERRORS], {"errors": cursor}, NOW + timedelta(minutes=10)))["errors"]
    assert [each.counts.trials for each in reading.increments] == [120]


async def test_versions_of_one_variant_stay_apart_by_their_tag() -> None:
    admin = Admin()
    source = admin.source()
    admin.answers("desk", "tiny", "2", 5, tag="aaaa")
    cursor = (await source.read([ERRORS], {}, NOW))["errors"].cursor
    admin.answers("desk", "tiny", "2", 6, tag="aaaa")
    admin.answers("desk", "tiny", "5", 2, tag="bbbb")
    reading = (await source.read([ERRORS], {"errors": cursor}, NOW))["errors"]
    assert {each.tag: (each.counts.trials, each.counts.events) for each in reading.increments} == {
        "aaaa": (1, 0),
        "bbbb": (2, 2),
    }


def _raise(error: Exception) -> httpx.Response:
    raise error
