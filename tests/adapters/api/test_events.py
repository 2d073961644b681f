"""Posting predictions and outcomes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from releasectl.api.app import create_app
from releasectl.errors import Unavailable
from releasectl.ports import Outcome, Prediction

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
BATCHED = {"content-type": "application/cloudevents-batch+json"}


class Sink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.predictions: list[Prediction] = []
        self.outcomes: list[Outcome] = []
        self.busy = False

    def append(self, predictions: Sequence[Prediction], outcomes: Sequence[Outcome]) -> int:
        if self.busy:
            raise Unavailable("the event log is busy", retry_after=timedelta(seconds=3))
        self.predictions += predictions
        self.outcomes += outcomes
        return len(predictions) + len(outcomes)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def client(sink: Sink, registry: CollectorRegistry) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(events=sink, releases=dict, not_ready=list, registry=registry, now=lambda: NOW)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as client:
        yield client


def event(kind: str, data: Any, **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/test",
        "type": f"dev.releasectl.{kind}",
        "time": "2026-01-01T11:00:00Z",
        "data": data,
        **more,
    }


def prediction(**more: Any) -> dict[str, Any]:
    return event("prediction", {"request_id": "r1", "release": "desk", "variant": "tiny", **more})


def outcome(**more: Any) -> dict[str, Any]:
    return event("outcome", {"request_id": "r1", "metric": "click", "value": 1, **more})


async def test_a_structured_event_is_taken(client: httpx.AsyncClient, sink: Sink) -> None:
    body = prediction(
        unit="ada", allocation_id=7, propensity=0.25, latency_ms=12.5, status=200, segment={"language": "es"}
    )
    answer = await client.post("/v1/events", content=json.dumps(body), headers=STRUCTURED)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "new": 1})
    assert sink.predictions == [
        Prediction(
            "r1",
            "desk",
            "tiny",
            datetime(2026, 1, 1, 11, tzinfo=UTC),
            unit="ada",
            allocation_id=7,
            propensity=0.25,
            latency_ms=12.5,
            status=200,
            segment={"language": "es"},
        )
    ]


async def test_a_batch_is_taken(client: httpx.AsyncClient, sink: Sink) -> None:
    batch = [prediction(), outcome(), outcome(value=0.5, observed_at="2026-01-01T11:30:00+00:00", source="person")]
    answer = await client.post("/v1/events", content=json.dumps(batch), headers=BATCHED)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 3)
    assert [(row.value, row.source) for row in sink.outcomes] == [(1, "system"), (0.5, "person")]


async def test_an_event_in_headers_is_taken(client: httpx.AsyncClient, sink: Sink) -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "9",
        "ce-source": "/caf%C3%A9",
        "ce-type": "dev.releasectl.outcome",
        "ce-time": "2026-01-01T11:00:00Z",
        "content-type": "application/json",
    }
    data = {"unit": "ada", "metric": "click", "value": 1}
    answer = await client.post("/v1/events", json=data, headers=headers)
    assert answer.status_code == 202
    assert sink.outcomes == [Outcome("click", 1, datetime(2026, 1, 1, 11, tzinfo=UTC), unit="ada")]


async def test_one_bad_event_keeps_the_batch_out_and_every_bad_one_is_named(
    client: httpx.AsyncClient, sink: Sink
) -> None:
    batch = [prediction(), outcome(value="yes"), prediction(varaint="x"), {"id": "1"}, event("question", {})]
    answer = await client.post("/v1/events", content=json.dumps(batch), headers=BATCHED)
    problems = answer.json()["error"]["problems"]
    assert answer.status_code == 400
    assert [(problem["index"], problem["reason"]) for problem in problems] == [
        (1, "data"),
        (2, "data"),
        (3, "envelope"),
        (4, "type"),
    ]
    assert "data.value" in problems[0]["message"] and "data.varaint" in problems[1]["message"]
    assert (sink.predictions, sink.outcomes) == ([], [])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(outcome(request_id=None), id="neither a request nor a unit"),
        pytest.param(outcome(unit="ada"), id="both a request and a unit"),
        pytest.param(outcome(value=True), id="a truth value where a number is due"),
        pytest.param(outcome(value=None), id="no value"),
        pytest.param(outcome(observed_at="2026-01-01T11:30:00"), id="a time without an offset"),
        pytest.param(outcome(observed_at="2026-01-02T11:30:00Z"), id="a time in the future"),
        pytest.param(outcome() | {"time": None}, id="no time at all"),
        pytest.param(outcome() | {"specversion": "0.3"}, id="another version of CloudEvents"),
        pytest.param(outcome() | {"id": ""}, id="no id"),
        pytest.param(outcome() | {"data": None}, id="no data"),
        pytest.param(prediction(release="Desk!"), id="a release that cannot be one"),
        pytest.param(prediction(propensity=1.5), id="a propensity above one"),
        pytest.param(prediction(allocation_id=2**70), id="an allocation beyond any integer column"),
        pytest.param(prediction(allocation_id="7"), id="an allocation as text"),
        pytest.param([prediction()], id="a list where one event is due"),
        pytest.param("text", id="no object"),
    ],
)
async def test_what_cannot_be_taken_is_refused(body: Any, client: httpx.AsyncClient, sink: Sink) -> None:
    answer = await client.post("/v1/events", content=json.dumps(body), headers=STRUCTURED)
    assert answer.status_code == 400
    assert (sink.predictions, sink.outcomes) == ([], [])


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        pytest.param(b"{", STRUCTURED, 400, id="no JSON"),
        pytest.param(b"\xff\xfe\x00", STRUCTURED, 400, id="no text"),
        pytest.param(json.dumps(outcome()).replace("1}", "NaN}").encode(), STRUCTURED, 400, id="not a number"),
        pytest.param(b"[" * 100_000, BATCHED, 400, id="nested without end"),
        pytest.param(b"{}", BATCHED, 400, id="a batch that is no list"),
        pytest.param(b"{}", {"content-type": "text/plain"}, 415, id="another media type"),
        pytest.param(b"{}", {}, 415, id="no media type"),
        pytest.param(b" " * (1 << 20) + b"{}", STRUCTURED, 413, id="more than a mebibyte"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    content: bytes, headers: dict[str, str], status: int, client: httpx.AsyncClient
) -> None:
    answer = await client.post("/v1/events", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["status"] == status


async def test_a_body_without_a_length_is_cut_off_too(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b" " * 65_536

    answer = await client.post("/v1/events", content=endless(), headers=STRUCTURED)
    assert answer.status_code == 413


async def test_a_busy_store_asks_to_come_again(client: httpx.AsyncClient, sink: Sink) -> None:
    sink.busy = True
    answer = await client.post("/v1/events", content=json.dumps(outcome()), headers=STRUCTURED)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


async def test_taken_and_refused_events_are_counted_with_their_reason(
    client: httpx.AsyncClient, registry: CollectorRegistry, sink: Sink
) -> None:
    await client.post("/v1/events", content=json.dumps([outcome(), prediction()]), headers=BATCHED)
    await client.post("/v1/events", content=json.dumps([outcome(value="x"), event("no", 1)]), headers=BATCHED)
    await client.post("/v1/events", content=b"{", headers=STRUCTURED)
    sink.busy = True
    await client.post("/v1/events", content=json.dumps(outcome()), headers=STRUCTURED)
    refused = {
        reason: registry.get_sample_value("releasectl_events_refused_total", {"reason": reason})
        for reason in ("data", "type", "json", "busy")
    }
    assert refused == {"data": 1, "type": 1, "json": 1, "busy": 1}
    taken = registry.get_sample_value("releasectl_events_taken_total", {"type": "dev.releasectl.outcome"})
    assert taken == 1


def kserve(kind: str, **more: str) -> dict[str, str]:
    return {
        "ce-specversion": "1.0",
        "ce-id": "abc",
        "ce-source": "http://localhost:9081/",
        "ce-type": f"org.kubeflow.serving.inference.{kind}",
        "ce-inferenceservicename": "desk",
        "ce-namespace": "models",
        "ce-component": "predictor",
        "ce-endpoint": "",
        "ce-metadata": "{}",
        "content-type": "application/json",
        **more,
    }


async def test_an_answer_that_kserve_logged_is_a_prediction(client: httpx.AsyncClient, sink: Sink) -> None:
    logged = {"X-Releasectl-Variant": ["tiny"], "X-Releasectl-Allocation": ["7"], "X-Request-Id": ["r1"]}
    headers = kserve("response", **{"ce-metadata": json.dumps(logged), "ce-time": "2026-01-01T11:00:00.5Z"})
    answer = await client.post("/v1/events", json={"predictions": [1]}, headers=headers)
    assert answer.status_code == 202
    [row] = sink.predictions
    assert (row.request_id, row.release, row.variant, row.allocation_id) == ("r1", "desk", "tiny", 7)
    assert row.output == {"predictions": [1]}


async def test_a_request_that_kserve_logged_is_accepted_and_is_no_exposure(
    client: httpx.AsyncClient, sink: Sink
) -> None:
    answer = await client.post(
        "/v1/events", content=b"\x00raw", headers=kserve("request", **{"content-type": "image/png"})
    )
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "new": 0})
    assert sink.predictions == []


@pytest.mark.parametrize(
    "more", [{}, {"ce-metadata": "{"}, {"ce-endpoint": "canary"}, {"ce-endpoint": "default", "ce-metadata": "[]"}]
)
async def test_a_kserve_answer_of_which_the_variant_is_unknown_is_refused(
    more: dict[str, str], client: httpx.AsyncClient, sink: Sink
) -> None:
    answer = await client.post("/v1/events", json={}, headers=kserve("response", **more))
    assert answer.status_code == 400
    assert sink.predictions == []
