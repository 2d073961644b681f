"""The router's own counters: one scrape of Envoy's admin interface per read, whatever the number of releases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx

from releasectl.adapters.metrics.envoy_cursor import Cursor, Seen, added, from_json, moved, see
from releasectl.adapters.metrics.envoy_process import IDENTITY_PATH, Life, identity
from releasectl.adapters.metrics.envoy_totals import Totals, limit_ms, read_scrape
from releasectl.adapters.traffic.envoy_names import parse_cluster
from releasectl.domain.metric import EnvoyQuery, Metric
from releasectl.domain.observation import Counts, ReadState
from releasectl.domain.parts import COMPONENT, Part
from releasectl.ports import Increment, SourceReading

_ANSWERS = r"^cluster\.[^.]+\.upstream_rq_[1-5]xx$"
_TIMES = r"^cluster\.[^.]+\.(upstream_rq_time|upstream_rq_timeout)$"
_UPTIME = r"^server\.uptime$"


class EnvoySource:
    """Errors and slow requests of each variant, as Envoy counted them at the entry, and by component behind it.

    ``admin_url`` is where the admin interface listens, or a callable where that is known only once Envoy runs.
    ``entry`` names the entry component of a release, None for a release that is not ours. A user's request is one at
    the entry only; what inner hops count are parts, ``component=NAME``.

    - errors: answers by class of status, those that Envoy gave in a variant's place (503, 504) included.
    - over: answers that took longer, and requests that Envoy gave up waiting for. A request that could not be
      delivered at all was not slow; it is an error.
    - A request whose client went away before the answer is in neither.
    """

    kind = "envoy"

    def __init__(
        self,
        admin_url: str | Callable[[], str],
        entry: Callable[[str], str | None],
        *,
        timeout_seconds: float = 2.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._admin_url = admin_url
        self._entry = entry
        # An HTTP proxy from the environment has no business between us and our own Envoy.
        self._client = httpx.AsyncClient(timeout=timeout_seconds, transport=transport, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def read(
        self, metrics: Sequence[Metric], cursors: Mapping[str, Any], now: datetime
    ) -> Mapping[str, SourceReading]:
        """See the port. An Envoy that does not answer is a provider error of every metric."""
        asked = {metric.name: metric.query.envoy for metric in metrics if metric.query.envoy is not None}
        if not asked:
            return {}
        try:
            scrape = read_scrape((await self._get(_scrape_path(asked.values()))).text, asked.values())
            seen = {name: see(scrape, query) for name, query in asked.items()}
            before = {name: from_json(cursors.get(name), query) for name, query in asked.items()}
            life = await self._life(Life(now.timestamp(), scrape.uptime, None), before, seen)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
            detail = f"Envoy's admin interface gave no usable answer ({type(error).__name__})"
            return {name: SourceReading(ReadState.PROVIDER_ERROR, detail, cursor=cursors.get(name)) for name in asked}
        return {
            name: self._reading(query, before[name], seen[name], life, cursors.get(name))
            for name, query in asked.items()
        }

    async def _life(self, life: Life, before: Mapping[str, Cursor | None], seen: Mapping[str, Seen]) -> Life:
        """Which process answers; asked for only where it is not plain that it is the one of the cursors."""
        identities = set()
        for name, cursor in before.items():
            plain = cursor is not None and life.looks_like(cursor.life) and not seen[name].fell(cursor)
            identities.add(cursor.life.identity if cursor is not None and plain else None)
        if len(identities) == 1 and (known := identities.pop()) is not None:
            return life._replace(identity=known)
        return life._replace(identity=identity((await self._get(IDENTITY_PATH)).json()))

    async def _get(self, path: str) -> httpx.Response:
        url = self._admin_url if isinstance(self._admin_url, str) else self._admin_url()
        response = await self._client.get(url.rstrip("/") + path)
        return response.raise_for_status()

    def _reading(self, query: EnvoyQuery, before: Cursor | None, seen: Seen, life: Life, unmoved: Any) -> SourceReading:
        if seen.edges:
            return SourceReading(ReadState.INVALID, _no_such_edge(query, seen), cursor=unmoved)
        faults = {
            key.release: (ReadState.INVALID, f"Envoy reports for {name}: {problem}")
            for name, problem in seen.invalid.items()
            if (key := parse_cluster(name)) is not None
        }
        new = () if before is None else (self._increment(*each) for each in added(before, seen, life))
        return SourceReading(
            state=ReadState.OK if seen.clusters or faults else ReadState.NO_DATA,
            detail="" if seen.clusters or faults else "Envoy has counted nothing for any release yet",
            increments=tuple(increment for increment in new if increment is not None),
            cursor=moved(before, seen, life).to_json(query),
            faults=faults,
            exposures=query.errors is not None,
        )

    def _increment(self, cluster: str, new: Totals) -> Increment | None:
        key = parse_cluster(cluster)
        entry = self._entry(key.release) if key else None
        if key is None or entry is None:
            return None
        counts = Counts(trials=new.trials, events=new.events)
        part = "" if key.component == entry else str(Part(COMPONENT, key.component))
        return Increment(release=key.release, variant=key.variant, counts=counts, tag=key.tag, part=part)


def _scrape_path(queries: Iterable[EnvoyQuery]) -> str:
    over = {query.over is not None for query in queries}
    patterns = [_UPTIME, *([_ANSWERS] if False in over else []), *([_TIMES] if True in over else [])]
    return "/stats/prometheus?" + str(httpx.QueryParams({"usedonly": "", "filter": "|".join(patterns)}))


def _no_such_edge(query: EnvoyQuery, seen: Seen) -> str:
    wanted = limit_ms(query.over) if query.over is not None else 0
    edges = ", ".join(f"{edge:g}" for edge in seen.edges)
    return f"{wanted:g} ms is no edge of Envoy's latency histogram; its edges are {edges}"
