"""Prediction events of the press desk: valid CloudEvents, complete, and never in the way of an answer."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from releasectl.api.events import read_events
from tests.examples.press_desk import component, events, listener, post

IDENTITY = {"RELEASECTL_RELEASE": "press-sentiment", "RELEASECTL_VERSION": "1.1"}
HEADERS = {
    "x-request-id": "r-1",
    "x-releasectl-variant": "english-only",
    "x-releasectl-allocation": "7",
    "x-releasectl-propensity": "0.35",
    "x-desk-customer": "c-9",
}


def arrived(got: list, count: int) -> list:
    """The events of all batches, once there are ``count``."""
    deadline = time.monotonic() + 10
    while sum(len(batch) for _, batch in got) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return [event for _, batch in got for event in batch]


def test_every_answer_is_told_as_a_cloud_event_a_failed_one_too(tmp_path: Path) -> None:
    with (
        listener({"language": "gl"}) as (neighbour, _),
        listener({}) as (sink, got),
        component(
            tmp_path,
            "components/sentiment.py",
            "--model",
            "english-only",
            RELEASECTL_URL_LANGUAGE_ID=neighbour,
            RELEASECTL_EVENTS_URL=f"{sink}/v1/events",
            **IDENTITY,
        ) as address,
    ):
        assert post(address, {"text": "Multada Grupo Valderrama"}, HEADERS)[0] == 500
        assert post(address, {"nothing": 1}, {"x-releasectl-mirror": "1"})[0] == 400
        failed, refused = arrived(got, 2)
    assert {headers["content-type"] for headers, _ in got} == {"application/cloudevents-batch+json"}
    for event in (failed, refused):
        assert (event["specversion"], event["type"]) == ("1.0", "dev.releasectl.prediction")
        assert event["source"] == "/components/sentiment"
        assert event["datacontenttype"] == "application/json"
        assert datetime.fromisoformat(event["time"]).tzinfo
    assert failed["id"] != refused["id"]
    latency = failed["data"].pop("latency_ms")
    assert 0 < latency < 10_000
    assert failed["data"] == {
        "request_id": "r-1",
        "unit": "c-9",
        "release": "press-sentiment",
        "variant": "english-only",
        "component": "sentiment",
        "version": "1.1",
        "allocation_id": 7,
        "propensity": 0.35,
        "status": 500,
        "output": {},
        "segment": {"language": "gl"},
    }
    assert (refused["data"]["status"], refused["data"]["variant"]) == (400, "stable")
    assert refused["data"]["request_id"]
    told = read_events([failed, refused], datetime.now(UTC)).predictions
    assert [(one.variant, one.mirrored) for one in told] == [("english-only", False), ("stable", True)]


def test_the_output_is_the_answer(tmp_path: Path) -> None:
    with (
        listener({"language": "en"}) as (neighbour, _),
        listener({}) as (sink, got),
        component(
            tmp_path,
            "components/sentiment.py",
            RELEASECTL_URL_LANGUAGE_ID=neighbour,
            RELEASECTL_EVENTS_URL=sink,
            **IDENTITY,
        ) as address,
    ):
        answers = [post(address, {"text": f"Scandal number {n}"}, {"x-request-id": f"r-{n}"})[1] for n in range(20)]
        sent = arrived(got, 20)
    told = {event["data"]["request_id"]: event["data"] for event in sent}
    assert [told[f"r-{n}"]["output"] for n in range(20)] == answers
    assert len(got) < 20, "they travel in batches"


def test_answers_do_not_wait_for_a_sink_that_is_gone(tmp_path: Path) -> None:
    with component(
        tmp_path, "components/sentiment.py", RELEASECTL_EVENTS_URL="http://127.0.0.1:1/v1/events"
    ) as address:
        began = time.monotonic()
        assert [post(address, {"text": "Scandal"})[0] for _ in range(50)] == [200] * 50
        assert time.monotonic() - began < 5


def test_a_process_that_no_controller_started_tells_nothing(tmp_path: Path) -> None:
    with (
        listener({}) as (sink, got),
        component(tmp_path, "components/sentiment.py", RELEASECTL_EVENTS_URL=sink) as address,
    ):
        assert post(address, {"text": "Scandal"})[0] == 200
        time.sleep(0.5)
    assert got == []


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> events.Reporter:
    """A reporter whose thread does nothing by itself."""
    monkeypatch.setenv("RELEASECTL_EVENTS_URL", "http://127.0.0.1:1/v1/events")
    monkeypatch.setenv("RELEASECTL_RELEASE", "press-sentiment")
    monkeypatch.setattr(events.Reporter, "_run", lambda self: None)
    return events.Reporter(size=2)


def test_a_full_queue_drops_and_counts(told: events.Reporter) -> None:
    for _ in range(5):
        told.report({})
    assert told.dropped == 3


def test_a_refused_event_takes_no_other_with_it(told: events.Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def receiver(_: events.Reporter, batch: list[dict[str, int]]) -> int:
        if {"bad": 1} in batch:
            return 400
        taken.extend(batch)
        return 202

    monkeypatch.setattr(events.Reporter, "_posted", receiver)
    told._deliver([{"good": 1}, {"bad": 1}, {"good": 2}])
    assert taken == [{"good": 1}, {"good": 2}]
    assert told.dropped == 1
