"""The router of one machine: an Envoy of our own, configured through files, asked through its admin interface.

It lives apart from the controller: traffic goes on, as last applied, while no controller runs. The order of a
change: clusters that the new routes need, then the routes, then, after a grace time for requests in flight,
the clusters that no route needs any more. Each is seen to be in force before the next is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import structlog

from releasectl.adapters.traffic.envoy_admin import CLUSTERS, LISTENERS, EnvoyAdmin, routes_stat
from releasectl.adapters.traffic.envoy_bootstrap import ENTRY, INNER, LOOPBACK, listeners
from releasectl.adapters.traffic.envoy_config import (
    Resource,
    base_path,
    clusters,
    entry_routes,
    inner_routes,
    unroutable,
)
from releasectl.adapters.traffic.envoy_files import WatchedFile, clusters_file, listeners_file, routes_file
from releasectl.adapters.traffic.envoy_leaving import leaving
from releasectl.adapters.traffic.envoy_process import EnvoyProcess
from releasectl.adapters.traffic.envoy_served import parse_served
from releasectl.ports import DRAIN, RouteTable, Served

_WARM_SECONDS = 2.0

log = structlog.get_logger(__name__)


class EnvoyRouter:
    """``ports.TrafficRouter`` on an embedded Envoy.

    ``directory`` holds its state and names it: two routers of one directory are the same Envoy. ``port`` is
    where users come in on 127.0.0.1 (0: a free one, the same at every start). ``drain`` is how long clusters
    outlive their last route. What ``/stats/prometheus`` below ``admin_url`` says is told in ``envoy_names``.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int,
        concurrency: int = 2,
        drain: timedelta = DRAIN,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._process = EnvoyProcess(directory, entry_port=port, concurrency=concurrency)
        self._admin = EnvoyAdmin(self._process.ports.admin)
        self._drain = drain.total_seconds()
        self._timeout = timeout.total_seconds()
        files = self._process.files
        self._listeners = listeners_file(files.listeners)
        self._clusters = clusters_file(files.clusters)
        self._routes = {name: routes_file(files.routes(name)) for name in (ENTRY, INNER)}
        self._tables: Mapping[str, RouteTable] = {}
        self._wanted: dict[str, Resource] | None = None
        self._made: dict[str, tuple[RouteTable, dict[str, Resource]]] = {}
        self._hops: list[Resource] = []
        """Inner routes in force."""
        self._unused_since: dict[str, float] = {}
        self._seen: tuple[str, Mapping[str, Served]] = ("", {})
        self._turn = asyncio.Lock()

    @property
    def port(self) -> int:
        """Where users come in."""
        return self._process.ports.entry

    @property
    def admin_url(self) -> str:
        """Base of the admin interface, on loopback; its statistics are at ``/stats/prometheus``."""
        return self._admin.url

    @property
    def pid(self) -> int | None:
        """The Envoy process as last started or found."""
        return self._process.pid

    async def start(self) -> None:
        """Find the Envoy that runs, or start it with the configuration written last (none: no routes)."""
        async with self._turn:
            await self._start()

    async def stop(self) -> None:
        """End Envoy; what it served is remembered for the next start."""
        async with self._turn:
            await self._process.stop()

    async def close(self) -> None:
        """Let go of it: connections of ours are closed, Envoy keeps serving."""
        await self._admin.close()

    async def apply(self, tables: Mapping[str, RouteTable]) -> None:
        """Make exactly these the routes; returns once Envoy serves them, Unavailable if it does not in time."""
        async with self._turn:
            if not self._process.alive:
                await self._start()
            if self._wanted is None or tables != self._tables:
                await self._change(tables)
            await self._sweep()

    async def observe(self) -> Mapping[str, Served]:
        """What the routes in force say, read from Envoy; read anew whenever their version has changed."""
        async with self._turn:
            if self._wanted is not None and self._process.alive:
                await self._sweep()
            version = await self._admin.route_version(ENTRY)
            if version != self._seen[0]:
                version, configuration = await self._admin.route_configuration(ENTRY)
                self._seen = version, parse_served(configuration)
            return dict(self._seen[1])

    def entry_url(self, release: str) -> str | None:
        """URL of a release as of the last ``apply``, by its first host if it names any."""
        table = self._tables.get(release)
        if table is None or unroutable(table):
            return None
        host = table.route.hosts[0] if table.route.hosts else LOOPBACK
        return f"http://{host}:{self._process.ports.entry}{base_path(table)}/"

    def component_url(self, release: str, component: str) -> str:
        """URL on the inner listener, without a slash at its end; the same across restarts."""
        return f"http://{LOOPBACK}:{self._process.ports.inner}/{release}/{component}"

    async def _start(self) -> None:
        for file, nothing in (
            (self._clusters, list[Resource]()),
            (self._routes[ENTRY], [entry_routes(())]),
            (self._routes[INNER], [inner_routes(())]),
        ):
            if not file.exists:
                file.write(nothing)
        self._listeners.write(listeners(self._process.ports, self._process.files))
        if await self._process.start(self._admin):
            log.info("envoy.started", pid=self._process.pid, port=self.port)
        for subject, file in self._watched():
            await self._put(subject, file, file.resources)
        self._hops = _hops_of(self._routes[INNER].resources)

    def _watched(self) -> Iterator[tuple[str, WatchedFile]]:
        yield LISTENERS, self._listeners
        yield CLUSTERS, self._clusters
        for name, file in self._routes.items():
            yield routes_stat(name), file

    async def _change(self, tables: Mapping[str, RouteTable]) -> None:
        given = [tables[release] for release in sorted(tables)]
        for table in given:
            if reason := unroutable(table):
                log.warning("route.refused", release=table.release, reason=reason)
        wanted = await asyncio.to_thread(self._clusters_of, given)
        present = {cluster["name"]: cluster for cluster in self._clusters.resources}
        await self._put(CLUSTERS, self._clusters, _by_name(present | wanted))
        await self._admin.await_warm(within=_WARM_SECONDS)
        # Up: a variant's hops are in force before its share. Down: its share goes first, its hops linger.
        await self._put_inner(tables, present.keys() - wanted.keys())
        await self._put(routes_stat(ENTRY), self._routes[ENTRY], [await asyncio.to_thread(entry_routes, given)])
        self._tables = dict(tables)
        self._wanted = wanted
        now = time.monotonic()
        self._unused_since = {name: self._unused_since.get(name, now) for name in present if name not in wanted}

    def _clusters_of(self, tables: Sequence[RouteTable]) -> dict[str, Resource]:
        """Clusters of all tables, made anew only for tables that have changed."""
        made = {}
        for table in tables:
            known = self._made.get(table.release)
            made[table.release] = known if known and known[0] == table else (table, clusters([table]))
        self._made = made
        return {name: cluster for _, own in made.values() for name, cluster in own.items()}

    async def _sweep(self) -> None:
        """Take away clusters that have been without a route for the grace time."""
        now = time.monotonic()
        due = {name for name, since in self._unused_since.items() if now - since >= self._drain}
        if not due:
            return
        await self._put_inner(self._tables, self._unused_since.keys() - due)
        kept = {cluster["name"]: cluster for cluster in self._clusters.resources if cluster["name"] not in due}
        await self._put(CLUSTERS, self._clusters, _by_name(kept))
        self._unused_since = {name: since for name, since in self._unused_since.items() if name not in due}

    async def _put_inner(self, tables: Mapping[str, RouteTable], unused: Collection[str]) -> None:
        """The inner hops of the tables, and of clusters that are ``unused`` since a moment ago."""
        given = [tables[release] for release in sorted(tables)]
        inner = await asyncio.to_thread(lambda: inner_routes(given, leaving(self._hops, unused, tables)))
        await self._put(routes_stat(INNER), self._routes[INNER], [inner])
        # Not what was written but what is in force: routes that Envoy refused must not come back as leaving ones.
        self._hops = _hops_of(self._routes[INNER].resources)

    async def _put(self, subject: str, file: WatchedFile, resources: Sequence[Resource]) -> None:
        """Write a file and see it in force. A change that Envoy refused or missed before is put to it once more."""
        version, refused = await self._admin.applied(subject)
        written = await asyncio.to_thread(file.write, resources)
        if version == file.version:
            return
        if not written:
            await asyncio.to_thread(file.rewrite)
        await self._admin.await_version(subject, file.version, within=self._timeout, refused_before=refused)


def _hops_of(configurations: Sequence[Resource]) -> list[Resource]:
    return [route for each in configurations for host in each["virtual_hosts"] for route in host["routes"]]


def _by_name(resources: Mapping[str, Resource]) -> list[Resource]:
    return [resources[name] for name in sorted(resources)]
