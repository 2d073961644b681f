"""The model registry of MLflow, over its REST API.

A version's digest is made from what the registry stores: the SHA-256 of every file, by path, where the server hands
the files out itself (``mlflow-artifacts:``); the SHA-256 of the ``MLmodel`` file, which names the one training run
that made it, where they lie in a store of somebody else's.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

import httpx
import yaml

from releasectl.adapters.registries.mlflow_signature import interface_of
from releasectl.adapters.registries.web import Web, bearer, host_of
from releasectl.domain.base import digest_of
from releasectl.domain.subscription import MlflowModel
from releasectl.errors import Unavailable
from releasectl.ports import Offer

_API = "/api/2.0/mlflow"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"
_PROXIED = "mlflow-artifacts:"
_MAX_FILES = 2_000
_MAX_BYTES = 8 << 30


class MlflowRegistry:
    """``ports.Registry`` over one registered model."""

    def __init__(self, source: MlflowModel, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._source = source
        self._base = source.url.rstrip("/")
        self._web = Web(f"MLflow at {host_of(source.url)}", transport=transport)
        self._known: tuple[tuple[str, ...], Offer] | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._web.aclose()

    async def newest(self) -> Offer | None:
        """See the port. The files of a version are read once."""
        found = await (self._by_alias() if self._source.alias else self._highest())
        if found is None:
            return None
        key = tuple(str(found.get(field)) for field in ("version", "source", "creation_timestamp"))
        if self._known is None or self._known[0] != key:
            self._known = (key, await self._offer(found))
        return self._known[1]

    # --- versions ---------------------------------------------------------------------------------------

    async def _by_alias(self) -> dict[str, Any] | None:
        asked = {"name": self._source.model, "alias": str(self._source.alias)}
        answer = await self._ask("/registered-models/alias", asked)
        return answer and _version_in(answer.get("model_version"))

    async def _highest(self) -> dict[str, Any] | None:
        asked = {
            "filter": f"name='{self._source.model}'",
            "max_results": "50",
            "order_by": "version_number DESC",
        }
        answer = await self._ask("/model-versions/search", asked)
        listed = (answer or {}).get("model_versions")
        versions = [version for one in (listed if isinstance(listed, list) else ()) if (version := _version_in(one))]
        return next((one for one in versions if one.get("status", "READY") == "READY"), None)

    async def _offer(self, found: dict[str, Any]) -> Offer:
        version = str(found["version"])
        text = await self._mlmodel(version)
        described = _yaml(text)
        uri = await self._ask("/model-versions/get-download-uri", {"name": self._source.model, "version": version})
        stored = str((uri or {}).get("artifact_uri", ""))
        if stored.startswith(_PROXIED):
            digest = await self._digest_of_files(stored.removeprefix(_PROXIED).strip("/"))
        else:
            digest = "sha256:" + hashlib.sha256(text).hexdigest()
        return Offer(
            version=version,
            artifact=f"models:/{self._source.model}/{version}",
            digest=digest,
            interface=interface_of(described),
            facts=_facts(found, described),
        )

    # --- files ------------------------------------------------------------------------------------------

    async def _mlmodel(self, version: str) -> bytes:
        asked = {"path": "MLmodel", "name": self._source.model, "version": version}
        response = await self._web.get(self._base + "/model-versions/get-artifact", params=asked, headers=self._token())
        if response.status_code != httpx.codes.OK:
            raise Unavailable(
                f"{self._web.name} gives no MLmodel file of {self._source.model} {version} "
                f"(status {response.status_code})"
            )
        return response.content

    async def _digest_of_files(self, root: str) -> str:
        """One digest over all files below a folder: of each its path and its own digest."""
        digests: dict[str, str] = {}
        left, folders, read = _MAX_BYTES, [root], 0
        while folders:
            read += 1
            folder = folders.pop()
            listed = await self._web.get(self._base + _FILES, params={"path": folder}, headers=self._token())
            if listed.status_code != httpx.codes.OK:
                raise self._web.refused(listed.status_code)
            for file in self._files_in(listed):
                path = f"{folder}/{file['path']}"
                if file.get("is_dir"):
                    folders.append(path)
                    continue
                url = f"{self._base}{_FILES}/{quote(path)}"
                digest, length = await self._web.digest(url, headers=self._token(), max_bytes=left)
                digests[path.removeprefix(root + "/")] = digest
                left -= length
            # Folders that were read count too: a server may list one within itself without end.
            if len(digests) + len(folders) + read > _MAX_FILES:
                raise Unavailable(f"{self._source.model} on {self._web.name} has more than {_MAX_FILES} files")
        return digest_of(digests)

    def _files_in(self, response: httpx.Response) -> list[dict[str, Any]]:
        files = self._web.json(response).get("files", [])
        if isinstance(files, list) and all(isinstance(file, dict) and "path" in file for file in files):
            return files
        # What is left out of a digest is not identified by it.
        raise Unavailable(f"{self._web.name} lists the files of {self._source.model} in a way that is not understood")

    # --- asking -----------------------------------------------------------------------------------------

    async def _ask(self, path: str, asked: dict[str, str]) -> dict[str, Any] | None:
        """The answer to a question of the API; None where what it is about does not exist."""
        response = await self._web.get(self._base + _API + path, params=asked, headers=self._token())
        if response.status_code == httpx.codes.OK:
            return self._web.json(response)
        if response.status_code in (401, 403):
            raise self._web.refused(response.status_code)
        answer = self._web.json(response)
        # An alias that is not set is an "invalid parameter" to MLflow, a model that is not there "does not exist".
        missing = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
        if response.status_code in (400, 404) and answer.get("error_code") in missing:
            return None
        raise self._web.refused(response.status_code)

    def _token(self) -> dict[str, str]:
        return bearer(self._source.token_variable, self._web.name)


def _version_in(data: Any) -> dict[str, Any] | None:
    return data if isinstance(data, dict) and str(data.get("version", "")).isdigit() else None


def _yaml(text: bytes) -> dict[str, Any]:
    """An MLmodel file. It comes from outside, so nothing in it may be more than data."""
    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _facts(found: dict[str, Any], described: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    flavors = described.get("flavors")
    facts = {
        "run": found.get("run_id"),
        "description": found.get("description"),
        "flavors": ", ".join(sorted(map(str, flavors))) if isinstance(flavors, dict) else None,
        "size": f"{described['model_size_bytes']} bytes"
        if isinstance(described.get("model_size_bytes"), int)
        else None,
        "made": described.get("utc_time_created"),
    }
    return tuple((name, str(value)) for name, value in facts.items() if value)
