"""Desired, observed and decided in; what must run and what must be routed out, as data.

The router and the runner are declarative: applying the same plan twice does nothing the second time, so a
pass repairs whatever a crash left half done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from releasectl.decide.inputs import Desired
from releasectl.decide.quarantine import holding
from releasectl.domain.assignment import Assignment
from releasectl.domain.base import WHOLE
from releasectl.domain.decision import Allocation, EffectiveState, Quarantine
from releasectl.domain.observation import Health, VariantHealth
from releasectl.domain.release import STABLE, Variant, Version
from releasectl.ports import (
    Address,
    RouteTable,
    Workload,
    WorkloadKey,
    WorkloadPhase,
    WorkloadStatus,
)

Statuses = Mapping[WorkloadKey, WorkloadStatus]

_HEALTH = {
    WorkloadPhase.READY: Health.READY,
    WorkloadPhase.STARTING: Health.STARTING,
    WorkloadPhase.FAILED: Health.FAILED,
}


def key_of(release: str, component: str, version: Version) -> WorkloadKey:
    """The workload that serves a version; its digest tells apart versions that only share a name."""
    return WorkloadKey(release, component, version.name, version.identity.removeprefix("sha256:")[:8])


def variants_in_question(
    desired: Desired | None, state: EffectiveState | None, held: Mapping[str, Quarantine] = {}
) -> dict[str, Variant]:
    """Variants whose readiness the next decision asks about.

    During a trial those on trial; otherwise those the manifest asks for, without candidates whose artifact is
    quarantined (``held``): what may not serve is not started either.
    """
    if state is not None and state.progress is not None:
        return dict(state.variants)
    if desired is None:
        return {}
    release = desired.release
    found = {STABLE: release.variant(STABLE)}
    for candidate in release.spec.candidates:
        variant = release.variant(candidate.name)
        if holding(variant, found[STABLE], held.values(), desired.policy.spec.quarantine) is None:
            found[candidate.name] = variant
    return found


def workloads(
    release: str,
    variants: Collection[Variant],
    *,
    environment: Mapping[str, str],
) -> list[Workload]:
    """Everything that must run for these variants, each version once."""
    needed: dict[WorkloadKey, Workload] = {}
    for variant in variants:
        for component, version in variant.versions.items():
            key = key_of(release, component, version)
            needed[key] = Workload(
                key=key,
                process=version.run,
                address=None if version.run else _address(version),
                env={
                    **environment,
                    "RELEASECTL_RELEASE": release,
                    "RELEASECTL_COMPONENT": component,
                    "RELEASECTL_VERSION": version.name,
                },
            )
    return list(needed.values())


def health(release: str, variants: Mapping[str, Variant], statuses: Statuses) -> dict[str, VariantHealth]:
    """Readiness of each variant: the worst of its components."""
    order = (Health.READY, Health.STARTING, Health.FAILED)
    found = {}
    for name, variant in variants.items():
        worst = VariantHealth(health=Health.READY)
        for component, version in variant.versions.items():
            status = statuses.get(key_of(release, component, version))
            seen = _HEALTH[status.phase] if status else Health.STARTING
            if order.index(seen) > order.index(worst.health):
                detail = status.detail if status and status.detail else "starting"
                worst = VariantHealth(health=seen, detail=f"{component} {version.name}: {detail}")
        found[name] = worst
    return found


def route_table(state: EffectiveState, statuses: Statuses) -> RouteTable | None:
    """The routes that follow from the state, or None while stable has no address to route to.

    A candidate that has no address gets no share, whatever was decided: stable serves in its place.
    """
    if state.removed:
        return None
    backends: dict[str, dict[str, Address]] = {}
    for name, variant in state.variants.items():
        found = {
            component: address
            for component, version in variant.versions.items()
            if (address := _where(state.release, component, version, statuses))
        }
        if len(found) == len(variant.versions):
            backends[name] = found
    if STABLE not in backends:
        return None
    shares = {name: share for name, share in state.allocation.shares.items() if name in backends and name != STABLE}
    return RouteTable(
        release=state.release,
        epoch=state.epoch,
        route=state.route,
        entry=state.entry,
        shares=Allocation(shares={STABLE: WHOLE - sum(shares.values()), **shares}),
        backends=backends,
        tags={name: state.variants[name].tag for name in backends},
        mirrors={name: points for name, points in state.mirrors.items() if name in backends},
        assignment=_reachable(state.assignment, backends),
    )


def _reachable(assignment: Assignment | None, backends: Collection[str]) -> Assignment | None:
    """The assignment with stable in the place of variants that have no address."""
    if assignment is None or all(segment.variant in backends for segment in assignment.segments):
        return assignment
    segments = (
        segment if segment.variant in backends else segment.model_copy(update={"variant": STABLE})
        for segment in assignment.segments
    )
    return assignment.model_copy(update={"segments": tuple(segments)})


def _where(release: str, component: str, version: Version, statuses: Statuses) -> Address | None:
    status = statuses.get(key_of(release, component, version))
    # What runs elsewhere has its address in the manifest, whether it has been probed yet or not.
    return status.address if status and status.address else _address(version)


def _address(version: Version) -> Address | None:
    if version.address is None:
        return None
    host, _, port = version.address.rpartition(":")
    return Address(host, int(port))
