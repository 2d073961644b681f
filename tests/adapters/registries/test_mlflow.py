"""The registry of a real MLflow server: versions, aliases, digests and contracts."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from releasectl.adapters.registries.mlflow import MlflowRegistry
from releasectl.domain.subscription import MlflowModel
from releasectl.errors import Denied, Unavailable
from releasectl.ports import Offer
from tests.mlflow.server import Mlflow

CONTRACT = {
    "type": "object",
    "required": ["length", "capitals"],
    "properties": {"length": {"type": "number"}, "capitals": {"type": "integer"}},
}


def newest(source: MlflowModel, transport: httpx.AsyncBaseTransport | None = None) -> Offer | None:
    async def ask() -> Offer | None:
        registry = MlflowRegistry(source, transport=transport)
        try:
            return await registry.newest()
        finally:
            await registry.aclose()

    return asyncio.run(ask())


@pytest.mark.slow
@pytest.mark.mlflow
def test_the_newest_version_or_that_of_an_alias_is_offered_with_digest_and_contract(mlflow: Mlflow) -> None:
    source = MlflowModel(type="mlflow", url=mlflow.url, model="words")
    assert newest(source) is None, "a model that nobody has registered yet"
    mlflow.register("words", 1.0)
    first = newest(source)
    assert first is not None
    assert (first.version, first.artifact) == ("1", "models:/words/1")
    assert first.interface is not None
    assert first.interface.request == CONTRACT

    mlflow.register("words", 2.0)
    second = newest(source)
    assert second is not None
    assert second.version == "2"
    assert second.digest not in (None, first.digest)
    assert newest(source) == second, "the same files have the same digest whenever they are read"

    champion = MlflowModel(type="mlflow", url=mlflow.url, model="words", alias="champion")
    assert newest(champion) is None, "an alias that points nowhere yet"
    mlflow.point("words", "champion", 1)
    assert newest(champion) == first


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401), Denied),
        (httpx.Response(500, text="oops"), Unavailable),
        (httpx.Response(200, text="<html>"), Unavailable),
        (httpx.Response(429), Unavailable),
    ],
)
def test_faults_of_a_server_are_told(answer: httpx.Response, error: type[Exception]) -> None:
    source = MlflowModel(type="mlflow", url="http://127.0.0.1:1", model="words")
    with pytest.raises(error, match="MLflow at 127"):
        newest(source, httpx.MockTransport(lambda _: answer))


def test_a_server_that_is_gone_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        newest(MlflowModel(type="mlflow", url="http://127.0.0.1:1", model="words"))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([{"path": "again", "is_dir": True}], "has more than 2000 files"),
        (["weights"], "in a way that is not understood"),
        ({"path": "weights"}, "in a way that is not understood"),
    ],
    ids=["a folder within itself", "names alone", "one for many"],
)
def test_a_listing_that_has_no_end_or_no_sense_is_given_up(files: object, told: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/search"):
            return httpx.Response(200, json={"model_versions": [{"version": "1", "status": "READY"}]})
        if path.endswith("/get-artifact"):
            return httpx.Response(200, text="flavors: {}")
        if path.endswith("/get-download-uri"):
            return httpx.Response(200, json={"artifact_uri": "mlflow-artifacts:/1/model"})
        return httpx.Response(200, json={"files": files})

    source = MlflowModel(type="mlflow", url="http://127.0.0.1:5000", model="words")
    with pytest.raises(Unavailable, match=told):
        newest(source, httpx.MockTransport(handle))
