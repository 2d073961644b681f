"""What is held back after a rollback, and what a hold still says once the graph around it has changed.

A verdict is about an artifact among its neighbours. Under ``quarantine: artifact`` the artifact is refused until a
person lifts it, whatever it is tried with; under ``combination`` only the graph that was measured is refused.

Not to be better than stable is no harm. But asking the same question until chance says yes would make the promised
error rate a fiction, so such a candidate is refused for as long as that stable serves, and free after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from releasectl.domain.decision import Measured, Quarantine
from releasectl.domain.reasons import Reason
from releasectl.domain.release import Variant, Version

Scope = Literal["artifact", "combination"]


def holding(variant: Variant, stable: Variant, held: Iterable[Quarantine], scope: Scope) -> Quarantine | None:
    """The hold that keeps a candidate from being tried, if there is one."""
    brought = {version.identity for _, version in changed(variant, stable)}
    graph = {version.identity for version in variant.versions.values()}
    serves = _identities(stable)
    for one in held:
        if one.against and one.against != serves:
            continue
        if one.identity in brought and (scope == "artifact" or not one.combination or _graph(one) == graph):
            return one
    return None


def changed(variant: Variant, stable: Variant) -> Iterator[tuple[str, Version]]:
    """The components in which a variant is not stable, in the manifest's order."""
    for component, version in variant.versions.items():
        before = stable.versions.get(component)
        if before is None or before.identity != version.identity:
            yield component, version


def holds(
    release: str, variants: Iterable[Variant], stable: Variant, *, reason: Reason, decision: str, at: datetime
) -> tuple[Quarantine, ...]:
    """What a rollback of these variants holds back: every artifact they brought."""
    found: dict[str, Quarantine] = {}
    for variant in variants:
        for component, version in changed(variant, stable):
            one = Quarantine(
                release=release,
                identity=version.identity,
                component=component,
                version=version.name,
                reason=reason,
                decision=decision,
                at=at,
                combination=_combination(variant, reason),
                against=_identities(stable) if reason is Reason.NOT_BETTER else (),
            )
            found[one.key] = one
    return tuple(found.values())


def added(kept: Sequence[Quarantine], new: Sequence[Quarantine]) -> tuple[Quarantine, ...]:
    """The later hold of the same artifact in the same graph replaces the earlier."""
    keys = {one.key for one in new}
    return (*(one for one in kept if one.key not in keys), *new)


def stale(held: Sequence[Quarantine], graph: Variant) -> tuple[str, ...]:
    """Sentences about the holds that were measured with other neighbours than those of ``graph``."""
    found = []
    for one in held:
        if neighbours := _other_neighbours(one, held, graph):
            found.append(
                f"{one.component} {one.version} was measured with {', '.join(neighbours)}; the graph has changed since"
            )
    return tuple(found)


def _other_neighbours(one: Quarantine, held: Iterable[Quarantine], graph: Variant) -> list[str]:
    # What was on trial with it was never its surroundings.
    tried = {other.component for other in held if other.decision == one.decision}
    return [
        f"{component} {measured.version}"
        for component, measured in one.combination.items()
        if component not in tried
        and component in graph.versions
        and graph.versions[component].identity != measured.identity
    ]


def _identities(variant: Variant) -> tuple[str, ...]:
    return tuple(sorted(version.identity for version in variant.versions.values()))


def _graph(held: Quarantine) -> set[str]:
    return {measured.identity for measured in held.combination.values()}


def _combination(variant: Variant, reason: Reason) -> Mapping[str, Measured]:
    # What cannot start cannot start in any company.
    if reason is Reason.NEVER_READY:
        return {}
    return {
        component: Measured(version=version.name, identity=version.identity)
        for component, version in variant.versions.items()
    }
