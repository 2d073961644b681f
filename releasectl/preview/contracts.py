"""Whether a changed interface still fits those who use it, as far as its schemas say.

A component has one interface for all its versions. Whoever calls it must go on being understood, so a request may
not ask for more; whoever reads its answers must go on finding what was there, so a response may not give less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from releasectl.decide.inputs import Desired
from releasectl.domain.release import STABLE, Component, Interface, Release
from releasectl.preview.document import Contract


def contracts(before: Desired | None, after: Desired) -> tuple[Contract, ...]:
    """A line for each component whose versions or interface change."""
    return tuple(_contracts(before.release if before else None, after.release))


def breaks(was: Interface, now: Interface) -> tuple[str, ...]:
    """Why callers or readers of the old interface do not fit the new one; empty if nothing says so."""
    return tuple(_breaks(was, now))


def _contracts(before: Release | None, after: Release) -> Iterator[Contract]:
    touched = {name for candidate in after.spec.candidates for name in candidate.versions}
    if before is not None:
        old, new = before.variant(STABLE).versions, after.variant(STABLE).versions
        touched |= {name for name in new if name not in old or old[name].identity != new[name].identity}
    for component in after.spec.components:
        was = before.component(component.name) if before else None
        changed = was is not None and was.interface != component.interface
        if changed and was is not None:
            yield _verdict(component, breaks(was.interface, component.interface))
        elif component.name in touched:
            yield _unchanged(component)


def _verdict(component: Component, broken: tuple[str, ...]) -> Contract:
    if broken:
        return Contract(component=component.name, verdict="incompatible", message="; ".join(broken))
    message = "the interface changed; whoever fits the old one fits the new one as well"
    return Contract(component=component.name, verdict="compatible", message=message)


def _unchanged(component: Component) -> Contract:
    interface = component.interface
    if interface.request is None and interface.response is None:
        return Contract(component=component.name, verdict="unchecked", message="no interface is declared")
    edges = f", which fits what {' and '.join(component.after)} gives" if component.after else ""
    message = f"all versions keep the declared interface{edges}"
    return Contract(component=component.name, verdict="compatible", message=message)


def _breaks(was: Interface, now: Interface) -> Iterator[str]:
    if was.protocol != now.protocol:
        yield f"the protocol changes from {was.protocol} to {now.protocol}"
    asked, asks = _mapping(was.request), _mapping(now.request)
    for name in sorted(_required(asks) - _required(asked)):
        yield f"requests must have {name!r} now"
    yield from _narrowed("requests", _mapping(asked.get("properties")), _mapping(asks.get("properties")))
    gave, gives = _mapping(was.response), _mapping(now.response)
    if gave:
        for name in sorted(_required(gave) - _required(gives)):
            yield f"answers need not have {name!r} any more"
        # What is read must fit what was read before: the new types must lie within the old ones.
        yield from _narrowed("answers", _mapping(gives.get("properties")), _mapping(gave.get("properties")))


def _narrowed(side: str, wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> Iterator[str]:
    """Properties of which not every type on the one side is accepted on the other."""
    for name in sorted(wide.keys() & narrow.keys()):
        gives, accepts = _types(wide[name]), _types(narrow[name])
        if gives and accepts and not gives <= (accepts | {"integer"} if "number" in accepts else accepts):
            yield f"{name!r} in {side}: {' or '.join(sorted(gives))} is not {' or '.join(sorted(accepts))}"


def _required(schema: Mapping[str, Any]) -> set[str]:
    names = schema.get("required")
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _types(schema: object) -> frozenset[str]:
    named = _mapping(schema).get("type")
    names = named if isinstance(named, list) else [named]
    return frozenset(name for name in names if isinstance(name, str))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
