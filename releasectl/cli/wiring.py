"""Where ports meet adapters: settings in, a controller out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from releasectl.adapters.forge.forges import Forges
from releasectl.adapters.git.repo import GitRepo
from releasectl.adapters.git.trailers import append_trailers
from releasectl.adapters.metrics.envoy import EnvoySource
from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log import LogSource
from releasectl.adapters.metrics.pair_samples import PairSamples
from releasectl.adapters.metrics.paired import PairedSource
from releasectl.adapters.metrics.prometheus import PrometheusSource
from releasectl.adapters.store import SqliteStore
from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.adapters.workloads.local import LocalWorkloads
from releasectl.cli.location import Location
from releasectl.controller.passes import Controller
from releasectl.controller.site import Site
from releasectl.domain.environment import Environment, EnvoyProvider, LogProvider, PrometheusProvider, Provider
from releasectl.ports import MetricSource


class SteadyClock:
    """Anchored to the wall clock once and moved on by the monotonic one, so that it never jumps."""

    def __init__(self) -> None:
        self._anchor = datetime.now(UTC)
        self._started = time.monotonic()

    def now(self) -> datetime:
        return self._anchor + timedelta(seconds=time.monotonic() - self._started)


@dataclass
class SiteBuilder:
    """Builds the sites of environments and remembers their parts, so that they can be let go."""

    state: Path
    cwd: Path
    log: EventLog
    events_url: str

    def __post_init__(self) -> None:
        self.routers: list[EnvoyRouter] = []
        self.runners: list[LocalWorkloads] = []
        self._scraped: list[EnvoySource | PrometheusSource] = []

    def __call__(self, environment: Environment, entry: Callable[[str], str | None]) -> Site:
        folder = environment_folder(self.state, environment.name)
        spec = environment.spec
        router = EnvoyRouter(folder / "router", port=spec.router.port, concurrency=spec.router.concurrency)
        runner = LocalWorkloads(folder / "workloads", cwd=self.cwd / spec.workloads.directory)
        self.routers.append(router)
        self.runners.append(runner)
        sources = [self._source(provider, router, entry) for provider in spec.providers]
        if any(isinstance(provider, LogProvider) for provider in spec.providers):
            sources.append(PairedSource(self.log, PairSamples(self.log).update))
        return Site(environment, router, runner, sources, {"RELEASECTL_EVENTS_URL": self.events_url})

    async def close(self) -> None:
        """Let go of everything; router and processes go on serving."""
        for router in self.routers:
            await router.close()
        for runner in self.runners:
            await runner.close()
        for source in self._scraped:
            await source.aclose()
        self.log.close()

    async def stop(self) -> None:
        """End router and processes."""
        for runner in self.runners:
            await runner.stop_all()
        for router in self.routers:
            await router.stop()

    def _source(self, provider: Provider, router: EnvoyRouter, entry: Callable[[str], str | None]) -> MetricSource:
        if isinstance(provider, LogProvider):
            return LogSource(self.log)
        source: EnvoySource | PrometheusSource
        match provider:
            case EnvoyProvider():
                source = EnvoySource(lambda: router.admin_url, entry)
            case PrometheusProvider():
                source = PrometheusSource(
                    provider.url, timeout=provider.timeout, token_variable=provider.token_variable
                )
        self._scraped.append(source)
        return source


@dataclass
class Wired:
    """A controller and what it stands on."""

    controller: Controller
    sites: SiteBuilder
    log: EventLog
    store: SqliteStore
    repo: GitRepo
    forges: Forges

    async def close(self) -> None:
        """Let go of everything; traffic goes on."""
        await self.controller.aclose()
        await self.forges.aclose()
        await self.sites.close()
        self.store.close()
        self.repo.close()


def environment_folder(state: Path, environment: str) -> Path:
    """Local state of one environment's router and processes."""
    return state / "environments" / environment


def wire(location: Location, *, cwd: Path, events_url: str, keep_features: bool = False) -> Wired:
    """A controller for a repository, with real adapters."""
    location.state.mkdir(parents=True, exist_ok=True)
    repo = location.open_repo(mirror="mirror")
    store = SqliteStore(location.state / "evidence.sqlite")
    log = EventLog(location.state / "events.sqlite", keep_features=keep_features)
    sites = SiteBuilder(location.state, cwd, log, events_url)
    forges = Forges(branch=location.branch)
    controller = Controller(
        repo=repo, store=store, sites=sites, clock=SteadyClock(), with_trailers=append_trailers, forge_of=forges
    )
    return Wired(controller, sites, log, store, repo, forges)
