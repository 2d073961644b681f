"""Raw samples become exact counts; whatever is wrong has a state of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasectl.adapters.metrics.prometheus import PrometheusSource
from releasectl.domain.metric import Metric, PrometheusQuery, Queries
from releasectl.domain.observation import ReadState
from releasectl.ports import SourceReading
from tests.adapters.metrics.fake_prometheus import EVENTS, TRIALS, FakePrometheus

ERRORS = Metric(
    name="errors",
    direction="lower",
    stale_after=timedelta(seconds=60),
    query=Queries(prometheus=PrometheusQuery(trials=TRIALS, events=EVENTS)),
)
SECRET = "s3cr3t-token"


class Reader:
    """Reads as the controller does."""

    def __init__(self, fake: FakePrometheus, url: str = "http://prometheus.test:9090", **options: Any) -> None:
        self.fake = fake
        self.source = PrometheusSource(url, transport=fake.transport, **options)
        self.cursors: dict[str, Any] = {}
        self.total: Counter[tuple[str, str]] = Counter()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    async def read(self, *metrics: Metric) -> SourceReading:
        readings = await self.source.read(metrics or [ERRORS], self.cursors, self.now)
        self.cursors = json.loads(json.dumps({name: reading.cursor for name, reading in readings.items()}))
        for increment in readings["errors"].increments:
            self.total[increment.variant, "trials"] += increment.counts.trials
            self.total[increment.variant, "events"] += increment.counts.events
        return readings["errors"]

    def arm(self, variant: str = "stable") -> tuple[int, int]:
        return self.total[variant, "trials"], self.total[variant, "events"]


@pytest.fixture
def fake() -> FakePrometheus:
    return FakePrometheus()


@pytest.fixture
async def reader(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reader]:
    monkeypatch.setenv("METRICS_TOKEN", SECRET)
    reader = Reader(fake, "http://ada:passw0rd@prometheus.test:9090/base/", token_variable="METRICS_TOKEN")
    yield reader
    await reader.source.aclose()


async def test_the_first_read_sets_the_cursor_and_later_ones_count_each_sample_once(reader: Reader) -> None:
    reader.fake.both(1_000, 40)
    assert (await reader.read()).increments == ()
    for step in range(1, 6):
        reader.fake.time += 15
        reader.fake.both(1_000 + 10 * step, 40 + step)
        await reader.read()
        await reader.read()
    assert reader.arm() == (50, 5)


async def test_restarts_of_a_target_are_counted(reader: Reader) -> None:
    reader.fake.both(1_000, 40)
    await reader.read()
    for trials, events in [(1_010, 41), (3, 1), (7, 2)]:
        reader.fake.time += 5
        reader.fake.both(trials, events)
    await reader.read()
    assert reader.arm() == (17, 3)


@settings(deadline=None, max_examples=60)
@given(st.data())
async def test_whatever_happens_to_targets_between_whatever_reads_the_total_is_the_truth(data: st.DataObject) -> None:
    reader = Reader(FakePrometheus())
    counts = {target: [data.draw(st.integers(0, 99)), 0] for target in ("stable", "tiny")}
    truth: Counter[tuple[str, str]] = Counter()

    def scrape() -> None:
        reader.fake.time += 15
        for target, (trials, events) in counts.items():
            reader.fake.put(TRIALS, trials, variant=target, instance=target)
            if events:
                reader.fake.put(EVENTS, events, variant=target, instance=target)

    scrape()
    await reader.read()
    for _ in range(data.draw(st.integers(1, 12))):
        target = data.draw(st.sampled_from(sorted(counts)))
        if data.draw(st.booleans()):
            # A restart that a scrape sees: one that leaves no trace in the values no one can count.
            counts[target] = [0, 0]
            scrape()
        trials = data.draw(st.integers(0, 9))
        events = data.draw(st.integers(0, trials))
        counts[target] = [counts[target][0] + trials, counts[target][1] + events]
        truth[target, "trials"] += trials
        truth[target, "events"] += events
        scrape()
        if data.draw(st.booleans()):
            assert (await reader.read()).faults == {}
    await reader.read()
    await reader.source.aclose()
    assert +reader.total == +truth


async def test_a_candidate_that_crashes_at_each_first_error_shows_every_one(reader: Reader) -> None:
    reader.fake.both(50, 1)
    await reader.read()
    for life in range(1, 4):
        reader.fake.time += 15
        reader.fake.put(TRIALS, 5 + life % 2)
        await reader.read()
        reader.fake.time += 15
        reader.fake.both(9, 1)
        await reader.read()
    assert reader.arm() == (27, 3)


async def test_a_series_that_is_born_while_watched_counts_from_nothing(reader: Reader) -> None:
    reader.fake.put(TRIALS, 100)
    await reader.read()
    reader.fake.time += 10
    reader.fake.put(TRIALS, 110)
    reader.fake.put(EVENTS, 2)
    reader.fake.both(5, 1, variant="tiny", instance="b:1")
    await reader.read()
    assert (reader.arm(), reader.arm("tiny")) == ((10, 2), (5, 1))


async def test_one_query_serves_all_releases_and_metrics_share_their_requests(reader: Reader) -> None:
    for name in ("desk", "shop", "bank"):
        reader.fake.both(1, 0, release=name)
    twin = ERRORS.model_copy(update={"name": "twin"})
    await reader.read(ERRORS, twin)
    assert len(reader.fake.requests) == 3
    assert reader.fake.requests[0].url.path == "/base/api/v1/query"


async def test_events_are_counted_no_further_than_the_trials_of_their_target(reader: Reader) -> None:
    reader.fake.both(100, 10)
    await reader.read()
    reader.fake.time += 15
    reader.fake.both(105, 12)
    # A scrape that was stored between the two queries: only the later one sees it.
    reader.fake.put(EVENTS, 30, at=reader.fake.time - 1, instance="b:1")
    reader.fake.put(TRIALS, 50, at=reader.fake.time - 5, instance="b:1")
    await reader.read()
    assert reader.arm() == (55, 2)
    reader.fake.put(TRIALS, 90, at=reader.fake.time - 1, instance="b:1")
    await reader.read()
    assert reader.arm() == (95, 32)


async def test_a_sample_that_is_stored_late_counts(reader: Reader) -> None:
    reader.fake.both(100, 0)
    await reader.read()
    reader.fake.time += 10
    await reader.read()
    reader.fake.both(120, 1, at=reader.fake.time - 2)
    await reader.read()
    assert reader.arm() == (20, 1)


async def test_a_long_pause_is_caught_up_in_several_reads_without_missing_a_restart(reader: Reader) -> None:
    reader.fake.both(100, 0)
    await reader.read()
    for trials in [150, 20, 170]:
        reader.fake.time += 800
        reader.fake.both(trials, 0)
    states = []
    for _ in range(5):
        states.append((await reader.read()).faults.get("desk", (ReadState.OK,))[0])
    assert reader.arm() == (50 + 20 + 150, 0)
    assert (states[0], states[-1]) == (ReadState.STALE, ReadState.OK)


async def test_a_changed_query_begins_anew(reader: Reader) -> None:
    reader.fake.both(100, 0)
    await reader.read()
    changed = ERRORS.model_copy(
        update={"query": Queries(prometheus=PrometheusQuery(trials=TRIALS, events="other_total"))}
    )
    reader.fake.time += 10
    reader.fake.both(130, 0)
    assert (await reader.read(changed)).increments == ()


@pytest.mark.parametrize(
    ("values", "age", "state"),
    [
        pytest.param(["NaN"], 0, ReadState.INVALID, id="NaN"),
        pytest.param(["+Inf"], 0, ReadState.INVALID, id="+Inf"),
        pytest.param(["-Inf"], 0, ReadState.INVALID, id="-Inf"),
        pytest.param(["a word"], 0, ReadState.INVALID, id="text"),
        pytest.param([], 0, ReadState.NO_DATA, id="nothing"),
        pytest.param(["7"], 61, ReadState.STALE, id="a stale timestamp"),
        pytest.param(["7"], 0, ReadState.OK, id="a number"),
        pytest.param(["0"], 0, ReadState.OK, id="zero"),
    ],
)
async def test_every_odd_sample_has_a_state_of_its_own(
    reader: Reader, values: list[str], age: float, state: ReadState
) -> None:
    for value in values:
        reader.fake.both(value, 0, at=reader.fake.time - age)
    reading = await reader.read()
    seen = reading.faults["desk"][0] if "desk" in reading.faults else reading.state
    assert (seen, reading.increments) == (state, ())


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "0.5", "lots"])
async def test_a_value_that_is_no_count_makes_its_release_invalid_and_no_other(reader: Reader, value: str) -> None:
    for name in ("desk", "shop"):
        reader.fake.both(100, 1, release=name)
    await reader.read()
    reader.fake.time += 10
    reader.fake.both(value, 1)
    reader.fake.both(120, 2, release="shop")
    reading = await reader.read()
    assert reading.state is ReadState.OK
    assert {name: state for name, (state, _) in reading.faults.items()} == {"desk": ReadState.INVALID}
    assert [increment.release for increment in reading.increments] == ["shop"]


async def test_an_invalid_release_is_counted_in_full_once_it_is_well(reader: Reader) -> None:
    reader.fake.both(100, 1)
    await reader.read()
    reader.fake.time += 10
    reader.fake.both("NaN", 5)
    await reader.read()
    for trials, events in [(140, 5), (150, 6)]:
        reader.fake.time += 40
        reader.fake.both(trials, events)
        await reader.read()
    assert reader.arm() == (50, 5)


async def test_a_release_that_begins_invalid_is_not_counted_from_nothing_later(reader: Reader) -> None:
    reader.fake.both("NaN", 500)
    await reader.read()
    for trials in (9_000, 9_010):
        reader.fake.time += 60
        reader.fake.both(trials, 500)
        await reader.read()
    assert reader.arm() == (10, 0)


async def test_no_series_at_all_is_no_data(reader: Reader) -> None:
    reading = await reader.read()
    assert (reading.state, reading.faults) == (ReadState.NO_DATA, {})
    assert TRIALS in reading.detail


async def test_series_without_the_labels_are_no_data_and_the_labels_are_named(reader: Reader) -> None:
    reader.fake.put(TRIALS, 1, variant="")
    reading = await reader.read()
    assert reading.state is ReadState.NO_DATA
    assert "release and variant" in reading.detail


async def test_a_release_whose_newest_sample_is_old_is_stale_and_no_other(reader: Reader) -> None:
    for name in ("desk", "shop"):
        reader.fake.both(100, 1, release=name)
    await reader.read()
    reader.fake.time += 61
    reader.fake.both(101, 1, release="shop")
    reading = await reader.read()
    assert {name: state for name, (state, _) in reading.faults.items()} == {"desk": ReadState.STALE}
    assert "61 s" in reading.faults["desk"][1]


async def test_staleness_goes_by_the_provider_s_clock(reader: Reader) -> None:
    reader.fake.both(100, 1)
    reader.now += timedelta(days=30)
    assert (await reader.read()).faults == {}


async def test_more_events_than_trials_are_invalid_until_the_trials_have_come(reader: Reader) -> None:
    reader.fake.both(100, 1)
    await reader.read()
    reader.fake.time += 10
    reader.fake.both(101, 6)
    reading = await reader.read()
    assert reading.faults["desk"][0] is ReadState.INVALID
    assert reader.arm() == (0, 0)
    reader.fake.time += 10
    reader.fake.both(110, 6)
    await reader.read()
    assert reader.arm() == (10, 5)


async def test_events_without_any_trials_are_invalid(reader: Reader) -> None:
    reader.fake.put(EVENTS, 3)
    await reader.read()
    reader.fake.time += 10
    reader.fake.put(EVENTS, 5)
    assert (await reader.read()).faults["desk"][0] is ReadState.INVALID


def json_answer(code: int = 200, /, **body: Any) -> httpx.Response:
    return httpx.Response(code, json=body)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(httpx.ConnectTimeout("slow"), "did not answer within 5 s", id="time-out"),
        pytest.param(httpx.ReadTimeout("slow"), "did not answer within 5 s", id="time-out while it answers"),
        pytest.param(httpx.ConnectError(f"no {SECRET}"), "cannot be reached", id="nobody there"),
        pytest.param(httpx.RemoteProtocolError("cut"), "cannot be reached", id="cut off"),
        pytest.param(httpx.Response(502, text="<html>"), "status 502", id="a proxy's page"),
        pytest.param(httpx.Response(200, text="<html>"), "no JSON", id="a page"),
        pytest.param(httpx.Response(200, content=b"[" * 100_000), "no JSON", id="nested without end"),
        pytest.param(httpx.Response(302, headers={"location": "http://evil.test"}), "302", id="sent elsewhere"),
        pytest.param(httpx.Response(401, text="no"), "refuses the credentials", id="no credentials"),
        pytest.param(httpx.Response(403, json={}), "refuses the credentials", id="no permission"),
        pytest.param(json_answer(400, status="error", error="parse error"), "parse error", id="a bad selector"),
        pytest.param(json_answer(status="error", error="took too long"), "took too long", id="an error with 200"),
        pytest.param(json_answer(status="success", warnings=["store down"]), "in part", id="a partial answer"),
        pytest.param(json_answer(status="success", data=None), "not understood", id="no result"),
        pytest.param(
            json_answer(status="success", data={"resultType": "matrix", "result": [{"values": 1}]}),
            "not understood",
            id="a result of another shape",
        ),
        pytest.param(json_answer(422, status="error", error=f"{SECRET} passw0rd"), "*** ***", id="our secrets back"),
    ],
)
@pytest.mark.parametrize("request_number", [0, 1, 2])
async def test_a_provider_that_fails_is_a_provider_error_and_loses_nothing(
    reader: Reader, answer: httpx.Response | Exception, said: str, request_number: int
) -> None:
    reader.fake.both(100, 1)
    await reader.read()
    cursor = reader.cursors["errors"]
    reader.fake.time += 10
    reader.fake.both(110, 2)
    ordinary = json_answer(status="success", data={"resultType": "scalar", "result": [reader.fake.time, "0"]})
    empty = json_answer(status="success", data={"resultType": "matrix", "result": []})
    reader.fake.answers = [*[ordinary, empty][:request_number], answer]
    reading = await reader.read()
    assert reading.state is ReadState.PROVIDER_ERROR
    assert said in reading.detail
    assert SECRET not in reading.detail and "passw0rd" not in reading.detail
    assert reader.cursors["errors"] == cursor
    await reader.read()
    assert reader.arm() == (10, 1)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_provider_that_asks_for_quiet_gets_it(reader: Reader, status: int) -> None:
    reader.fake.both(100, 1)
    reader.fake.answers = [httpx.Response(status, headers={"retry-after": "30"})]
    assert (await reader.read()).state is ReadState.PROVIDER_ERROR
    for _ in range(100):
        reader.now += timedelta(seconds=0.29)
        assert (await reader.read()).state is ReadState.PROVIDER_ERROR
    assert len(reader.fake.requests) == 1
    reader.now += timedelta(seconds=2)
    assert (await reader.read()).state is ReadState.OK


async def test_the_token_is_sent_and_its_absence_is_told_by_the_variable_s_name(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await reader.read()
    assert reader.fake.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    monkeypatch.delenv("METRICS_TOKEN")
    assert "METRICS_TOKEN" in (await reader.read()).detail
