"""Questions to Envoy's admin interface: is it up, which version of what does it serve, what exactly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx

from releasectl.errors import Unavailable

_POLL_SECONDS = 0.01
CLUSTERS = "cluster_manager.cds"
LISTENERS = "listener_manager.lds"


def routes_stat(name: str) -> str:
    """Prefix of the statistics about a listener's route configuration."""
    return f"http.{name}.rds.{name}"


class EnvoyAdmin:
    """One Envoy's admin interface."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        # Nothing of the environment: a proxy variable must not catch a request to loopback.
        self._client = httpx.AsyncClient(base_url=self.url, timeout=5.0, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def ready(self) -> bool:
        """Whether it answers and has all of its first configuration."""
        try:
            return (await self._client.get("/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    async def applied(self, subject: str) -> tuple[str, int]:
        """Version of a subject that is in force, and how many have been refused."""
        answer = await self._json(
            "/stats", {"format": "json", "filter": f"^{subject}\\.(version_text|update_rejected)$"}
        )
        found = {stat["name"].rpartition(".")[2]: stat["value"] for stat in answer.get("stats", []) if "name" in stat}
        return str(found.get("version_text", "")), int(found.get("update_rejected", 0))

    async def route_version(self, name: str) -> str:
        """Version of the route configuration of this name as the dump tells it."""
        return str((await self._dump(name, mask="version_info")).get("version_info", ""))

    async def route_configuration(self, name: str) -> tuple[str, Mapping[str, Any]]:
        """Version and full text of the route configuration that is in force."""
        dump = await self._dump(name)
        return str(dump.get("version_info", "")), dump.get("route_config", {})

    async def await_version(self, subject: str, version: str, *, within: float, refused_before: int) -> None:
        """Return once ``version`` is in force; Unavailable when it is refused or does not come in time."""
        deadline = time.monotonic() + within
        while True:
            found, refused = await self.applied(subject)
            if found == version:
                return
            if refused > refused_before:
                raise Unavailable(f"envoy refuses what {subject} brings: {await self._refusal()}")
            if time.monotonic() > deadline:
                why = await self._refusal()
                raise Unavailable(f"envoy did not take up what {subject} brings within {within:g} s: {why}")
            await asyncio.sleep(_POLL_SECONDS)

    async def await_warm(self, *, within: float) -> None:
        """Give clusters that must still be looked up by name a moment to be there; those that cannot be are let go."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            answer = await self._json("/stats", {"format": "json", "filter": r"^cluster_manager\.warming_clusters$"})
            if not any(stat.get("value") for stat in answer.get("stats", [])):
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _dump(self, name: str, mask: str | None = None) -> Mapping[str, Any]:
        question = {"resource": "dynamic_route_configs", "name_regex": name} | ({"mask": mask} if mask else {})
        configs = (await self._json("/config_dump", question)).get("configs", [])
        return configs[0] if configs else {}

    async def _refusal(self) -> str:
        answer = await self._json("/config_dump", {})
        states = [
            resource["error_state"].get("details", "")
            for section in answer.get("configs", [])
            for entries in section.values()
            if isinstance(entries, list)
            for resource in entries
            if isinstance(resource, dict) and "error_state" in resource
        ]
        return "; ".join(states)[:500] or "its log says why"

    async def _json(self, path: str, question: Mapping[str, str]) -> Any:
        try:
            answer = await self._client.get(path, params=dict(question))
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(
                f"envoy's admin interface does not answer: {str(error) or type(error).__name__}"
            ) from error
