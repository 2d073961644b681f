"""Tags of an OCI registry: which is the highest, by which digest, and who gets to see credentials."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable

import httpx
import pytest

from releasectl.adapters.registries.oci import OciRegistry, highest
from releasectl.domain.subscription import OciTags
from releasectl.errors import Denied, Unavailable
from releasectl.ports import Offer

MANIFEST = json.dumps({"schemaVersion": 2, "annotations": {"org.opencontainers.image.revision": "abc"}}).encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


def newest(answer: Callable[[httpx.Request], httpx.Response], **source: object) -> Offer | None:
    tags = OciTags.model_validate(
        {"type": "oci", "repository": "registry.example/models/ocr", **source}, by_alias=True, by_name=False
    )

    async def ask() -> Offer | None:
        registry = OciRegistry(tags, transport=httpx.MockTransport(answer))
        try:
            return await registry.newest()
        finally:
            await registry.aclose()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["1.9", "1.10", "latest"], "1.10"),
        (["v2.0", "v10.0", "v9"], "v10.0"),
        (["1.0", "1.0.1"], "1.0.1"),
        (["latest"], None),
        ([], None),
    ],
)
def test_the_highest_tag_is_the_highest_number(tags: list[str], expected: str | None) -> None:
    assert highest(tags, r"v?\d+(\.\d+)*") == expected


def test_what_no_tag_may_be_is_left_out() -> None:
    assert highest(["1.0", "9" * 5000, "7\u00b2", "../8", ""], ".*") == "1.0"


def test_a_release_is_above_its_candidates() -> None:
    assert highest(["1.0-rc2", "1.0", "1.0-rc10"], ".*") == "1.0"
    assert highest(["1.0-rc2", "1.0-rc10"], ".*") == "1.0-rc10"


def test_the_offer_is_pinned_by_the_digest_of_what_was_read() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/tags/list"):
            if "last" in request.url.params:
                return httpx.Response(200, json={"tags": ["2.0"]})
            link = '</v2/models/ocr/tags/list?n=1000&last=1.0>; rel="next"'
            return httpx.Response(200, json={"tags": ["1.0"]}, headers={"link": link})
        assert request.url.path == "/v2/models/ocr/manifests/2.0"
        return httpx.Response(200, content=MANIFEST, headers={"docker-content-digest": "sha256:" + "0" * 64})

    offer = newest(answer)
    assert offer is not None
    assert (offer.version, offer.digest) == ("2.0", DIGEST)
    assert offer.artifact == f"oci://registry.example/models/ocr@{DIGEST}"
    assert ("revision", "abc") in offer.facts


def test_a_challenge_is_answered_with_a_token_for_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULL", "bot:s3cret")
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.url.host} {request.headers.get('authorization', '')}")
        if request.url.host == "auth.example":
            assert dict(request.url.params) == {"scope": "repository:models/ocr:pull", "service": "reg"}
            return httpx.Response(200, json={"token": "t0ken"})
        if request.headers.get("authorization") != "Bearer t0ken":
            challenge = 'Bearer realm="https://auth.example/token",service="reg"'
            return httpx.Response(401, headers={"www-authenticate": challenge})
        if request.url.path.endswith("/tags/list"):
            return httpx.Response(200, json={"tags": ["1"]})
        return httpx.Response(200, content=MANIFEST)

    assert newest(answer, tokenVariable="PULL")
    assert [line.split()[0] for line in seen] == ["registry.example", "auth.example", *["registry.example"] * 2]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(httpx.Response(401), Denied, id="no challenge"),
        pytest.param(httpx.Response(403), Denied, id="forbidden"),
        pytest.param(httpx.Response(500), Unavailable, id="broken"),
        pytest.param(httpx.Response(200, text="<html>"), Unavailable, id="no JSON"),
        pytest.param(
            httpx.Response(200, json={"tags": []}, headers={"link": '<https://evil.example/x>; rel="next"'}),
            Unavailable,
            id="sent on to another host",
        ),
        pytest.param(
            httpx.Response(401, headers={"www-authenticate": 'Bearer realm="http://plain.example/token"'}),
            Unavailable,
            id="a token over plain HTTP",
        ),
    ],
)
def test_faults_are_told_without_credentials(
    answer: httpx.Response, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULL", "bot:s3cret")
    with pytest.raises(error) as raised:
        newest(lambda _: answer, tokenVariable="PULL")
    assert "s3cret" not in f"{raised.value!r}"


def test_a_repository_that_is_not_there_offers_nothing() -> None:
    assert newest(lambda _: httpx.Response(404, json={"errors": []})) is None
