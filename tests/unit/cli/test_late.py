"""Requests that come while the controller is still opening its event log are asked to come again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.api.app import create_app
from releasectl.cli.late import Late
from releasectl.cli.reviewdesk import ReviewDesk
from tests.builders import NOW

EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/test",
    "type": "dev.releasectl.outcome",
    "time": "2026-01-01T00:00:00Z",
    "data": {"unit": "u", "metric": "m", "value": 1},
}
CLOUD = {"content-type": "application/cloudevents+json"}


@pytest.fixture
def late() -> tuple[Late, Late]:
    """What stands in for the log, and for the desk."""
    return Late(), Late()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.db", now=lambda: NOW)
    yield log
    log.close()


@pytest.fixture
async def client(late: tuple[Late, Late]) -> AsyncIterator[httpx.AsyncClient]:
    sink, desk = late
    app = create_app(
        events=sink, desk=desk, releases=dict, not_ready=list, registry=CollectorRegistry(), now=lambda: NOW
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "body", "then"),
    [
        ("POST", "/v1/events", EVENT, 202),
        ("GET", "/v1/releases/desk/pairs", None, 404),
        ("GET", "/v1/releases/desk/review", None, 404),
        ("POST", "/v1/releases/desk/review", {"reviewer": "ada"}, 404),
        ("POST", "/v1/releases/desk/labels", {"reviewer": "ada", "metric": "m", "labels": {"0" * 16: "A"}}, 200),
    ],
)
async def test_a_request_before_the_log_is_open_is_told_to_come_again_and_then_answered(
    late: tuple[Late, Late],
    log: EventLog,
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: object,
    then: int,
) -> None:
    asked = {"json": body, "headers": CLOUD} if body else {}
    early = await client.request(method, path, **asked)  # type: ignore[arg-type]
    assert (early.status_code, early.headers["retry-after"]) == (503, "1")
    assert early.json()["error"]["message"] == "the event log is not open yet"
    sink, desk = late
    sink.target, desk.target = log, ReviewDesk(log, lambda _: None, lambda: NOW)
    answered = await client.request(method, path, **asked)  # type: ignore[arg-type]
    assert answered.status_code == then
