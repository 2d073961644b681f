"""What the API shows, and to whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette

from releasectl.api.app import create_app
from releasectl.api.server import ApiServer
from releasectl.errors import Conflict

VIEWS: dict[str, Any] = {"desk": {"name": "desk", "condition": "Ready"}}


class NoSink:
    def append(self, predictions: Sequence[Any], outcomes: Sequence[Any]) -> int:
        raise RuntimeError("secret detail")


@pytest.fixture
def missing() -> list[str]:
    return []


@pytest.fixture
def app(missing: list[str]) -> Starlette:
    registry = CollectorRegistry()
    Counter("releasectl_passes", "Passes", registry=registry).inc()
    return create_app(
        events=NoSink(),
        releases=lambda: VIEWS,
        assignment={"desk": {"salt": "desk"}}.get,
        not_ready=lambda: missing,
        registry=registry,
    )


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as client:
        yield client


async def test_releases_are_listed_and_shown(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/releases")).json() == {"releases": VIEWS}
    assert (await client.get("/v1/releases/desk")).json() == VIEWS["desk"]


async def test_an_assignment_is_shown_where_units_stick_and_is_not_kept_by_caches(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/releases/desk/assignment")
    assert (answer.json(), answer.headers["cache-control"]) == ({"salt": "desk"}, "no-store")
    missing = await client.get("/v1/releases/other/assignment")
    assert missing.status_code == 404
    assert "keeps units" in missing.json()["error"]["message"]


async def test_the_process_lives_before_it_is_ready(client: httpx.AsyncClient, missing: list[str]) -> None:
    missing.append("the first pass is not done")
    assert (await client.get("/healthz")).status_code == 200
    waiting = await client.get("/readyz")
    assert waiting.status_code == 503
    assert "first pass" in waiting.json()["error"]["message"]
    missing.clear()
    assert (await client.get("/readyz")).status_code == 200


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "releasectl_passes_total 1.0" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/releases/nobody", 404), ("GET", "/nowhere", 404), ("DELETE", "/v1/releases", 405)],
)
async def test_every_error_has_one_shape(method: str, path: str, status: int, client: httpx.AsyncClient) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == answer.json()["error"]["status"] == status
    assert answer.json()["error"]["message"]


async def test_our_own_bug_tells_nothing(client: httpx.AsyncClient) -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/test",
        "type": "dev.releasectl.outcome",
        "time": "2026-01-01T00:00:00Z",
        "data": {"unit": "u", "metric": "m", "value": 1},
    }
    answer = await client.post("/v1/events", json=event, headers={"content-type": "application/cloudevents+json"})
    assert answer.status_code == 500
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"origin": "https://evil.example"}, id="a page elsewhere"),
        pytest.param({"origin": "null"}, id="a page without an origin"),
        pytest.param({"host": "evil.example"}, id="a name that was made to point here"),
    ],
)
async def test_web_pages_are_kept_out(headers: dict[str, str], client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/releases", headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


async def test_a_page_of_our_own_origin_is_let_in(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz", headers={"origin": "http://127.0.0.1:8081"})).status_code == 200


async def test_the_server_listens_on_loopback_and_stops(app: Starlette) -> None:
    server = ApiServer(app)
    port = await server.start()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
    await server.stop()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_that_is_taken_is_a_conflict(app: Starlette) -> None:
    server = ApiServer(app)
    port = await server.start()
    with pytest.raises(Conflict, match=str(port)):
        await ApiServer(app, port=port).start()
    await server.stop()
