"""Who may wake the controller, with what, how often, and what anybody else learns."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from releasectl.api.app import create_app
from releasectl.api.hook_events import FORGES, HookEvent, HookKind, event_of
from releasectl.api.hook_signatures import is_genuine
from releasectl.api.webhooks import MAX_AGE, Webhooks, webhooks_app
from tests.adapters.api.hooks import NAMES, NOW, PAYLOADS, PUSHES, SECRET, SHA, STAMP, encoded, signed, standard

KEY = b"thirty-two bytes of randomness.."
TOKEN = "whsec_" + base64.b64encode(KEY).decode()


class Ears:
    """Hears events; tells the app to ask."""

    def __init__(self) -> None:
        self.heard: list[HookEvent] = []
        self.now = NOW
        self.secrets = [SECRET, TOKEN]

    def webhooks(self, **options: Any) -> Webhooks:
        return Webhooks(self.secrets, self.heard.append, CollectorRegistry(), now=lambda: self.now, **options)


@pytest.fixture
def ears() -> Ears:
    return Ears()


def client_of(app: Starlette, host: str = "127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}:8686")


@pytest.fixture
async def client(ears: Ears) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(webhooks_app(ears.webhooks())) as client:
        yield client


async def send(client: httpx.AsyncClient, forge: str, event: str, payload: Any, **more: str) -> httpx.Response:
    body = encoded(payload)
    return await client.post(f"/v1/hooks/{forge}", content=body, headers=signed(forge, event, body, **more))


@pytest.mark.parametrize("kind", HookKind)
@pytest.mark.parametrize("forge", FORGES)
async def test_an_event_of_each_forge_is_heard(
    client: httpx.AsyncClient, ears: Ears, forge: str, kind: HookKind
) -> None:
    answer = await send(client, forge, NAMES[forge][kind], PAYLOADS[kind][forge])
    assert (answer.status_code, answer.json()) == (202, {"taken": True})
    (event,) = ears.heard
    assert event.kind is kind
    assert (event.branch, event.commit) == (("main", SHA) if kind is HookKind.PUSH else ("", ""))
    assert event.pull == (None if kind is HookKind.PUSH else 7)
    assert event.at in (NOW, None if kind is HookKind.PUSH else NOW)


SILENT = {
    "a ping": ("github", "ping", {"zen": "Keep it logically awesome."}),
    "a star": ("gitea", "star", {}),
    "a tag": ("github", "push", {"ref": "refs/tags/v1", "after": SHA}),
    "a comment on an issue": ("github", "issue_comment", {"issue": {"number": 7}, "comment": {"id": 1}}),
    "a comment on an issue of Gitea": ("gitea", "issue_comment", {"issue": {"number": 7, "pull_request": None}}),
    "a note on a commit": ("gitlab", "Note Hook", {"object_attributes": {"noteable_type": "Commit"}}),
    "a pipeline": ("gitlab", "Pipeline Hook", {"object_kind": "pipeline"}),
    "a pull request without a number": ("github", "pull_request", {"pull_request": {"number": "seven"}}),
    "a number that is none": ("github", "pull_request", {"pull_request": {"number": True}}),
    "a list": ("github", "push", ["refs/heads/main"]),
}


@pytest.mark.parametrize("silent", SILENT)
async def test_events_that_nothing_depends_on_are_taken_and_ignored(
    client: httpx.AsyncClient, ears: Ears, silent: str
) -> None:
    forge, event, payload = SILENT[silent]
    answer = await send(client, forge, event, payload)
    assert (answer.status_code, answer.json()["taken"]) == (202, False)
    assert not ears.heard


def _without(headers: Mapping[str, str], word: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if word not in name.lower()}


FORGED: Mapping[str, Callable[[Mapping[str, str]], dict[str, str]]] = {
    "no signature": lambda headers: _without(_without(headers, "signature"), "token"),
    "an empty one": lambda headers: {k: "" if "ignature" in k or "oken" in k else v for k, v in headers.items()},
    "one of other words": lambda headers: {k: "x" if "ignature" in k or "oken" in k else v for k, v in headers.items()},
    "one cut short": lambda headers: {k: v[:-1] if "ignature" in k or "oken" in k else v for k, v in headers.items()},
    "one in letters that are none": lambda headers: {
        k: "\xff\xfe" if "ignature" in k or "oken" in k else v for k, v in headers.items()
    },
}


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("forge", FORGES)
async def test_without_a_good_signature_nothing_is_heard_and_nothing_is_told(
    client: httpx.AsyncClient, ears: Ears, forge: str, forged: str
) -> None:
    body = encoded(PUSHES[forge])
    headers = FORGED[forged](signed(forge, NAMES[forge]["push"], body))
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await client.post(f"/v1/hooks/{forge}", content=body, headers=raw)
    assert (answer.status_code, answer.json()) == (401, {"error": {"status": 401, "message": "no signature"}})
    assert not ears.heard


@pytest.mark.parametrize("forge", ["github", "gitea"])
async def test_a_body_that_was_changed_on_the_way_is_refused(client: httpx.AsyncClient, ears: Ears, forge: str) -> None:
    body = encoded(PUSHES[forge])
    headers = signed(forge, "push", body)
    answer = await client.post(f"/v1/hooks/{forge}", content=body.replace(b"main", b"mail"), headers=headers)
    assert answer.status_code == 401
    assert not ears.heard


async def test_the_secret_of_another_hook_is_refused(client: httpx.AsyncClient) -> None:
    assert (await send(client, "github", "push", PUSHES["github"], secret="another")).status_code == 401


async def test_a_secret_that_is_being_replaced_is_good_beside_the_new_one(
    client: httpx.AsyncClient, ears: Ears
) -> None:
    ears.secrets[:] = ["new", "old"]
    async with client_of(webhooks_app(ears.webhooks())) as both:
        for secret in ("new", "old"):
            payload = {**PUSHES["github"], "by": secret}
            assert (await send(both, "github", "push", payload, secret=secret, delivery=secret)).status_code == 202
    assert len(ears.heard) == 2


@pytest.mark.parametrize("key", [KEY, SECRET.encode()], ids=["a signing token", "a plain secret"])
async def test_gitlabs_signed_hooks_are_heard(client: httpx.AsyncClient, ears: Ears, key: bytes) -> None:
    body = encoded(PUSHES["gitlab"])
    answer = await client.post("/v1/hooks/gitlab", content=body, headers=standard("Push Hook", body, key=key))
    assert answer.status_code == 202
    assert len(ears.heard) == 1


@pytest.mark.parametrize("late", [-301, 301, 10**9])
async def test_gitlabs_signed_hooks_of_another_time_are_refused(client: httpx.AsyncClient, late: int) -> None:
    body = encoded(PUSHES["gitlab"])
    headers = standard("Push Hook", body, key=KEY, at=STAMP + late)
    assert (await client.post("/v1/hooks/gitlab", content=body, headers=headers)).status_code == 401


async def test_a_bad_signature_is_not_made_good_by_a_token_beside_it() -> None:
    body = encoded(PUSHES["gitlab"])
    headers = standard("Push Hook", body, key=b"wrong") | {"x-gitlab-token": SECRET}
    assert not is_genuine("gitlab", headers, body, [SECRET], NOW)
    assert is_genuine("gitlab", {"x-gitlab-token": SECRET}, body, [SECRET], NOW)


@pytest.mark.parametrize("forge", FORGES)
async def test_a_delivery_that_is_sent_again_is_heard_once(client: httpx.AsyncClient, ears: Ears, forge: str) -> None:
    for delivery in ("one", "one", "a name that an attacker chose"):
        answer = await send(client, forge, NAMES[forge]["push"], PUSHES[forge], delivery=delivery)
        assert answer.status_code == 202
    assert len(ears.heard) == 1
    assert answer.json() == {"taken": False, "why": "seen before"}


@pytest.mark.parametrize("forge", FORGES)
async def test_an_event_that_says_it_is_old_is_ignored(client: httpx.AsyncClient, ears: Ears, forge: str) -> None:
    ears.now = NOW + MAX_AGE + timedelta(seconds=1)
    answer = await send(client, forge, NAMES[forge]["pull"], PAYLOADS["pull"][forge])
    assert (answer.status_code, answer.json()) == (202, {"taken": False, "why": "too old"})
    assert not ears.heard


async def test_a_body_beyond_the_limit_is_refused(ears: Ears) -> None:
    payload = {**PUSHES["github"], "commits": ["x" * 2_000]}
    async with client_of(webhooks_app(ears.webhooks(max_body_bytes=1_000))) as small:
        assert (await send(small, "github", "push", payload)).status_code == 413
        assert (await send(small, "github", "push", PUSHES["github"])).status_code == 202


async def test_a_form_in_place_of_json_is_refused_with_what_to_change(client: httpx.AsyncClient) -> None:
    body = b"payload=%7B%7D"
    headers = signed("github", "push", body) | {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post("/v1/hooks/github", content=body, headers=headers)
    assert answer.status_code == 415
    assert "application/json" in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b'{"number": 1' + b"0" * 5_000 + b"}"])
async def test_signed_nonsense_is_refused_or_ignored(client: httpx.AsyncClient, ears: Ears, body: bytes) -> None:
    answer = await client.post("/v1/hooks/github", content=body, headers=signed("github", "pull_request", body))
    assert answer.status_code in (202, 400)
    assert not ears.heard


async def test_without_a_secret_there_are_no_webhooks(ears: Ears) -> None:
    ears.secrets.clear()
    async with client_of(webhooks_app(ears.webhooks())) as closed:
        assert (await send(closed, "github", "push", PUSHES["github"], secret="")).status_code == 404


async def test_another_forge_and_another_method_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/hooks/svn", content=b"{}")).status_code == 404
    assert (await client.get("/v1/hooks/github")).status_code == 405


async def test_a_proxy_reaches_the_webhooks_under_its_own_name_and_nothing_else(ears: Ears) -> None:
    app = create_app(
        events=None,  # type: ignore[arg-type]
        releases=dict,
        not_ready=list,
        registry=CollectorRegistry(),
        webhooks=ears.webhooks(),
    )
    async with client_of(app, "releases.example.com") as proxy:
        assert (await send(proxy, "github", "push", PUSHES["github"])).status_code == 202
        assert (await proxy.get("/v1/releases")).status_code == 403
        assert (await proxy.get("/v1/hooks/../releases")).status_code == 403


async def test_the_second_listener_shows_nothing_else(client: httpx.AsyncClient) -> None:
    for path in ("/v1/releases", "/v1/status", "/metrics", "/healthz", "/v1/events"):
        assert (await client.get(path)).status_code == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["ref", "after", "number", "pull_request", "issue", "comment", "object_attributes", "iid", "updated_at",
                 "repository", "pushed_at", "merge_request", "noteable_type", "review", "is_pull"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    forge=st.sampled_from(FORGES),
    name=st.sampled_from(
        [*sorted({name for names in NAMES.values() for name in names.values()}), "pull_request_review"]
    ),
    payload=JSON,
)
def test_a_payload_of_any_shape_is_an_event_or_none(forge: str, name: str, payload: Any) -> None:
    header = {"github": "x-github-event", "gitea": "x-gitea-event", "gitlab": "x-gitlab-event"}[forge]
    event = event_of(forge, {header: name}, payload)
    assert event is None or (event.pull or 0) > 0 or event.kind is HookKind.PUSH


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    forge=st.sampled_from([*FORGES, "x", "%2e%2e"]),
    names=st.lists(
        st.tuples(
            st.sampled_from([
                b"x-hub-signature-256", b"x-gitea-signature", b"x-gitlab-token", b"webhook-signature",
                b"webhook-timestamp", b"webhook-id", b"content-type", b"x-github-event", b"content-length",
            ]),
            st.binary(max_size=40).map(lambda raw: bytes(byte for byte in raw if byte > 31 and byte != 127)),
        ),
        max_size=6,
    ),
    body=st.binary(max_size=200),
)  # fmt: skip
async def test_whatever_comes_unsigned_is_refused(forge: str, names: list[tuple[bytes, bytes]], body: bytes) -> None:
    ears = Ears()
    async with client_of(webhooks_app(ears.webhooks())) as client:
        answer = await client.post(f"/v1/hooks/{forge}", content=body, headers=names)
    assert answer.status_code in (401, 404)
    assert not ears.heard
