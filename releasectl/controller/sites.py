"""The sites of a controller: looked at, read for metrics, and made to follow the states."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from releasectl.controller.collect import Collected, Collector
from releasectl.controller.site import Site, SiteFactory, SiteView
from releasectl.decide.inputs import Desired
from releasectl.domain.decision import EffectiveState, Quarantine
from releasectl.domain.environment import Environment
from releasectl.domain.metric import Metric
from releasectl.errors import Denied, Unavailable
from releasectl.plan import key_of, route_table, variants_in_question, workloads
from releasectl.ports import EvidenceStore, RouteTable, Workload, WorkloadKey

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Needs:
    desired: Desired | None
    state: EffectiveState | None
    held: frozenset[str]
    workloads: tuple[Workload, ...]


class Sites:
    """One Site for each environment that a release uses, made when it is first needed and then kept."""

    def __init__(self, factory: SiteFactory, store: EvidenceStore) -> None:
        self._factory = factory
        self._store = store
        self._sites: dict[str, Site] = {}
        self._collectors: dict[str, Collector] = {}
        self._started: set[str] = set()
        self._entries: dict[str, str] = {}
        self._needs: dict[tuple[str, str], _Needs] = {}
        self._tried: set[str] = set()
        """Sites whose router was given routes by this controller, whether it took them or not."""
        self._routed: dict[str, Mapping[str, EffectiveState]] = {}
        """By site: the states that its router was last seen to take."""
        self.views: dict[str, SiteView] = {}
        self.postponed = False
        """Whether ``run_workloads`` left a site as it was, because its routes come first."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._sites)

    def get(self, name: str) -> Site | None:
        """The site of an environment, if some release has used it."""
        return self._sites.get(name)

    def learn(self, environments: Iterable[Environment], states: Mapping[str, EffectiveState]) -> None:
        """Make the sites that are new."""
        self._entries = {name: state.entry for name, state in states.items()}
        for environment in environments:
            if environment.name not in self._sites:
                site = self._factory(environment, self._entries_get)
                self._sites[environment.name] = site
                self._collectors[environment.name] = Collector(site, self._store)

    async def observe(self) -> None:
        """Look at every site; one that does not answer keeps its fault for this pass and hinders no other."""
        for name, site in self._sites.items():
            self.views[name] = await self._view(name, site)

    async def collect(
        self, name: str, desired: Iterable[Desired], on_trial: Mapping[str, EffectiveState], now: datetime
    ) -> Collected:
        """Read the metrics that the releases of a site need."""
        metrics: dict[str, Metric] = {}
        for one in desired:
            metrics |= one.metrics
        served = self.views.get(name, SiteView()).served
        return await self._collectors[name].collect(metrics, on_trial, served, now)

    async def run_workloads(
        self, desired: Mapping[str, Desired], states: Mapping[str, EffectiveState], held: Mapping[str, Quarantine]
    ) -> None:
        """Start what must run for what serves or is about to; stop what nothing needs any more.

        What a router still sends requests to, because it did not take the last change, goes on running. A new
        controller does not know what the routes of an earlier one lead to: it makes its own before it stops anything.
        """
        self.postponed = False
        for name, site in self._sites.items():
            view = self.views.get(name, SiteView())
            if name not in self._tried and view.served and not _unheard_of(name, states, view):
                self.postponed = True
                continue
            routed = self._routed.get(name, {})
            needed: dict[WorkloadKey, Workload] = {}
            for release in sorted({*desired, *states, *routed}):
                before = routed.get(release)
                if before is not None and before is not states.get(release):
                    needed |= {one.key: one for one in _workloads_of(site, release, None, before, {})}
                needed |= {
                    one.key: one for one in self._needed(site, release, desired.get(release), states.get(release), held)
                }
            await self._quietly(name, "workloads", site.runner.ensure(list(needed.values())))

    async def route(self, states: Mapping[str, EffectiveState]) -> bool:
        """Make every router serve the states. False when one did not answer; the next pass tries again."""
        answered = True
        for name, site in self._sites.items():
            view = self.views.get(name, SiteView())
            if _unheard_of(name, states, view):
                # Its processes may well be running: to touch the routes now would take them from its users.
                log.info("routes stay until the processes behind them are known", environment=name)
                answered = False
                continue
            self._tried.add(name)
            tables: dict[str, RouteTable] = {}
            for release, state in states.items():
                if state.environment == name and (table := route_table(state, view.statuses)):
                    tables[release] = table
            if await self._quietly(name, "router", site.router.apply(tables)):
                self._routed[name] = {release: states[release] for release in tables}
            else:
                answered = False
        return answered

    def _needed(
        self,
        site: Site,
        release: str,
        desired: Desired | None,
        state: EffectiveState | None,
        held: Mapping[str, Quarantine],
    ) -> Sequence[Workload]:
        """What must run for a release; worked out anew only when what it follows from has changed."""
        key = (site.environment.name, release)
        known = self._needs.get(key)
        if known is None or known.desired is not desired or known.state is not state or known.held != held.keys():
            found = _workloads_of(site, release, desired, state, held)
            self._needs[key] = known = _Needs(desired, state, frozenset(held), tuple(found))
        return known.workloads

    async def _view(self, name: str, site: Site) -> SiteView:
        try:
            if name not in self._started:
                await site.router.start()
                self._started.add(name)
            served = await site.router.observe()
            fault = ""
        except (Unavailable, Denied) as error:
            # Started again at the next pass: a router that died comes back with the routes it had.
            self._started.discard(name)
            served, fault = {}, error.message
            log.warning("router does not answer", environment=name, error=error.message, hint=error.hint)
        try:
            statuses = await site.runner.observe()
        except (Unavailable, Denied) as error:
            statuses = self.views.get(name, SiteView()).statuses
            log.warning("workloads cannot be observed", environment=name, error=error.message)
        return SiteView(statuses, served, fault)

    @staticmethod
    async def _quietly(name: str, what: str, effect: Awaitable[None]) -> bool:
        try:
            await effect
        except (Unavailable, Denied) as error:
            log.warning(f"{what} did not follow", environment=name, error=error.message, hint=error.hint)
            return False
        return True

    def _entries_get(self, release: str) -> str | None:
        return self._entries.get(release)


def _unheard_of(name: str, states: Mapping[str, EffectiveState], view: SiteView) -> bool:
    """Whether the router serves a release of whose stable processes the runner has not told anything yet.

    So it is at the first pass of a new controller, and for as long as its runner does not answer.
    """
    for release in view.served:
        state = states.get(release)
        if state is None or state.removed or state.environment != name:
            continue
        # What only has an address is never started, so nobody has to be heard of.
        started = {component: version for component, version in state.stable.versions.items() if version.run}
        keys = [key_of(release, component, version) for component, version in started.items()]
        if any(key not in view.statuses for key in keys):
            return True
    return False


def _workloads_of(
    site: Site, release: str, desired: Desired | None, state: EffectiveState | None, held: Mapping[str, Quarantine]
) -> list[Workload]:
    name = site.environment.name
    variants = []
    components: set[str] = set()
    if state and not state.removed and state.environment == name:
        variants += list(state.variants.values())
    if desired and desired.environment.name == name:
        variants += list(variants_in_question(desired, state, held).values())
    for variant in variants:
        components |= set(variant.versions)
    addresses = {
        f"RELEASECTL_URL_{component.upper().replace('-', '_')}": site.router.component_url(release, component)
        for component in sorted(components)
    }
    return workloads(release, variants, environment={**site.variables, **addresses})
