"""Requests to a forge: when they are repeated, when not, and what their errors say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from releasectl.adapters.forge.http import MAX_ANSWER_BYTES, TRIES, ForgeHttp, asked_pause
from releasectl.adapters.forge.pace import LONGEST_PAUSE, Pace
from releasectl.errors import Denied, Unavailable

TOKEN = "s3cret-0123456789abcdef"
Handler = Callable[[httpx.Request], httpx.Response]


class Host:
    """Answers with what a test puts here, one after the other, the last one for ever; remembers what was asked."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response | Exception] = []
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
async def http(host: Host, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ForgeHttp]:
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    http = ForgeHttp(
        "https://git.example.com/api/v1", token_variable="FORGE_TOKEN", transport=httpx.MockTransport(host)
    )
    yield http
    await http.aclose()


async def test_the_token_goes_into_the_header_and_is_read_for_each_request(
    http: ForgeHttp, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.answers = [httpx.Response(200, json={})]
    await http.call("GET", "/user")
    monkeypatch.setenv("FORGE_TOKEN", "another")
    await http.call("GET", "/user")
    assert [one.headers["authorization"] for one in host.asked] == [f"Bearer {TOKEN}", "Bearer another"]
    assert str(host.asked[0].url) == "https://git.example.com/api/v1/user"


@pytest.mark.parametrize("failure", [httpx.Response(502), httpx.ReadTimeout("slow"), httpx.ReadError("gone")])
async def test_what_may_be_repeated_is_tried_again(http: ForgeHttp, host: Host, failure: httpx.Response) -> None:
    host.answers = [failure, httpx.Response(200, json={"well": True})]
    assert (await http.call("GET", "/user")).data == {"well": True}
    host.asked.clear()
    host.answers = [failure]
    with pytest.raises(Unavailable):
        await http.call("GET", "/user")
    assert len(host.asked) == TRIES


@pytest.mark.parametrize("failure", [httpx.Response(502), httpx.ReadTimeout("slow")])
async def test_what_may_have_been_done_is_not_done_twice(http: ForgeHttp, host: Host, failure: httpx.Response) -> None:
    host.answers = [failure]
    with pytest.raises(Unavailable):
        await http.call("POST", "/pulls", {"title": "Try"})
    assert len(host.asked) == 1


async def test_what_certainly_did_not_arrive_is_sent_again(http: ForgeHttp, host: Host) -> None:
    host.answers = [httpx.ConnectError("refused"), httpx.Response(201, json={})]
    assert (await http.call("POST", "/pulls", {"title": "Try"})).status == 201


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [
        (429, {"retry-after": "17"}, 17),
        (503, {"retry-after": "5"}, 5),
        (403, {"retry-after": "30"}, 30),
        (429, {}, 60),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}, 1),
        (429, {"ratelimit-remaining": "0", "ratelimit-reset": "0"}, 1),
        (429, {"retry-after": "999999"}, LONGEST_PAUSE.total_seconds()),
    ],
)
async def test_a_host_that_wants_fewer_requests_is_left_alone(
    http: ForgeHttp, host: Host, status: int, headers: dict[str, str], pause: float
) -> None:
    host.answers = [httpx.Response(status, headers=headers, json={"message": "too many"})]
    with pytest.raises(Unavailable) as raised:
        await http.call("GET", "/user")
    assert raised.value.retry_after == timedelta(seconds=pause)
    if pause > 2:
        with pytest.raises(Unavailable, match="is asked no more"):
            await http.call("GET", "/user")
    assert len(host.asked) == 1


async def test_a_limit_that_is_only_told_in_words_is_no_lack_of_rights(http: ForgeHttp, host: Host) -> None:
    host.answers = [httpx.Response(403, json={"message": "You have exceeded a secondary rate limit."})]
    with pytest.raises(Unavailable) as raised:
        await http.call("GET", "/user")
    assert raised.value.retry_after == timedelta(seconds=60)


async def test_the_last_answer_of_a_quota_counts_and_the_next_request_waits(http: ForgeHttp, host: Host) -> None:
    used_up = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}
    host.answers = [httpx.Response(200, headers=used_up, json={"well": True})]
    assert (await http.call("GET", "/user")).ok
    with pytest.raises(Unavailable, match="is asked no more"):
        await http.call("GET", "/user")


def test_no_quota_no_pause() -> None:
    assert asked_pause(200, {"x-ratelimit-remaining": "12", "x-ratelimit-reset": "99999999999"}) is None
    assert asked_pause(429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == timedelta(0)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"message": f"bad token {TOKEN}"}),
        httpx.Response(403, json={"message": f"bad token {TOKEN}"}),
        httpx.Response(500, json={"message": f"bad token {TOKEN}"}),
        httpx.Response(302, headers={"location": f"https://elsewhere.example/?token={TOKEN}"}),
        httpx.Response(200, content=f"<html>{TOKEN}</html>"),
        httpx.ConnectError(f"cannot connect with {TOKEN}"),
    ],
    ids=["unauthorised", "forbidden", "failing", "redirect", "a page and no JSON", "no connection"],
)
async def test_no_error_tells_the_token(http: ForgeHttp, host: Host, answer: httpx.Response | Exception) -> None:
    host.answers = [answer]
    with pytest.raises((Unavailable, Denied)) as raised:
        await http.call("POST", "/pulls", {})
    assert TOKEN not in f"{raised.value.message} {raised.value.hint} {raised.value!r}"
    assert len([one for one in host.asked if one.url.host != "git.example.com"]) == 0


async def test_words_that_are_handed_on_are_cleansed(http: ForgeHttp, host: Host) -> None:
    host.answers = [httpx.Response(422, json={"message": f"no {TOKEN}", "errors": [{"message": "second"}, "third"]})]
    assert (await http.call("POST", "/pulls", {})).words == "no ***; second; third"


@pytest.mark.parametrize(("value", "why"), [("", "holds no token"), ("a\nb", "cannot be a token")])
async def test_a_variable_that_holds_no_token_is_told(
    http: ForgeHttp, host: Host, monkeypatch: pytest.MonkeyPatch, value: str, why: str
) -> None:
    monkeypatch.setenv("FORGE_TOKEN", value)
    with pytest.raises(Denied, match=why):
        await http.call("GET", "/user")
    assert host.asked == []


async def test_an_answer_without_end_is_cut_off(http: ForgeHttp, host: Host) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * (1 << 20)

    class Endless(httpx.AsyncByteStream):
        given = 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in endless():
                self.given += len(chunk)
                yield chunk

    stream = Endless()
    host.answers = [httpx.Response(200, stream=stream)]
    with pytest.raises(Unavailable, match="more than 16 MiB"):
        await http.call("POST", "/user")
    assert stream.given <= MAX_ANSWER_BYTES + (1 << 20)


async def test_pages_are_asked_for_by_number_whatever_the_host_calls_itself(http: ForgeHttp, host: Host) -> None:
    more = {"link": '<http://internal:3000/api/v1/pulls?page=2>; rel="next"'}
    host.answers = [httpx.Response(200, json=[1, 2], headers=more), httpx.Response(200, json=[3])]
    assert [item async for item in http.pages("/pulls", query={"state": "open"})] == [1, 2, 3]
    assert [str(one.url) for one in host.asked] == [
        "https://git.example.com/api/v1/pulls?state=open&page=1&limit=50",
        "https://git.example.com/api/v1/pulls?state=open&page=2&limit=50",
    ]


async def test_a_burst_is_let_through_and_what_follows_keeps_the_pace() -> None:
    now = 0.0
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    pace = Pace(rate=2, burst=3, clock=lambda: now, sleep=sleep)
    for _ in range(7):
        await pace.turn("git.example.com")
    assert slept == pytest.approx([0.5] * 4)
    assert now == pytest.approx(2.0)
