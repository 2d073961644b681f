"""Tags of a real registry: the one that Gitea brings, with its own tokens and challenges."""

from __future__ import annotations

import asyncio
import hashlib
import json

import httpx
import pytest

from releasectl.adapters.registries.oci import OciRegistry
from releasectl.domain.subscription import OciTags
from releasectl.ports import Offer
from tests.gitea.server import Account, Gitea

pytestmark = [pytest.mark.slow, pytest.mark.gitea]

VARIABLE = "RELEASECTL_TEST_REGISTRY"
TYPE = "application/vnd.oci.image.manifest.v1+json"


class Pusher:
    """Puts small artifacts into a repository of the registry, as somebody."""

    def __init__(self, client: httpx.Client, by: Account, repository: str) -> None:
        self._client = client
        asked = {"scope": f"repository:{repository}:pull,push"}
        token = self._client.get("/v2/token", params=asked, auth=(by.login, by.token)).json()["token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        self._path = f"/v2/{repository}"

    def push(self, tag: str, content: bytes) -> str:
        """An artifact of one layer under a tag; the digest of its manifest."""
        layers = [self._blob(content, "application/octet-stream")]
        config = self._blob(b"{}", "application/vnd.oci.image.config.v1+json")
        manifest = json.dumps({"schemaVersion": 2, "mediaType": TYPE, "config": config, "layers": layers}).encode()
        put = self._client.put(f"{self._path}/manifests/{tag}", content=manifest, headers={"Content-Type": TYPE})
        assert put.is_success, put.text
        return "sha256:" + hashlib.sha256(manifest).hexdigest()

    def _blob(self, content: bytes, kind: str) -> dict[str, object]:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        headers = {"Content-Type": "application/octet-stream"}
        done = self._client.post(
            f"{self._path}/blobs/uploads", params={"digest": digest}, content=content, headers=headers
        )
        assert done.is_success, done.text
        return {"mediaType": kind, "digest": digest, "size": len(content)}


def newest(source: OciTags) -> Offer | None:
    async def ask() -> Offer | None:
        registry = OciRegistry(source)
        try:
            return await registry.newest()
        finally:
            await registry.aclose()

    return asyncio.run(ask())


def test_the_highest_tag_is_offered_by_its_digest(gitea: Gitea, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{gitea.bot.login}:{gitea.bot.token}")
    repository = f"{gitea.bot.login}/models/ocr"
    host = gitea.url.partition("://")[2]
    source = OciTags(
        type="oci", repository=f"{host}/{repository}", plain_http=True, token_variable=VARIABLE, tags=r"v\d+\.\d+"
    )
    assert newest(source) is None, "a repository that nobody has pushed to yet"
    with httpx.Client(base_url=gitea.url, timeout=30, trust_env=False) as client:
        pusher = Pusher(client, gitea.bot, repository)
        pusher.push("v1.9", b"nine")
        digest = pusher.push("v1.10", b"ten")
        pusher.push("latest", b"later")
    offer = newest(source)
    assert offer is not None
    assert (offer.version, offer.digest) == ("v1.10", digest)
    assert offer.artifact == f"oci://{host}/{repository}@{digest}"
