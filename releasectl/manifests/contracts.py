"""Interfaces along the edges of the model graph: what a consumer needs, its producer gives.

A component has one interface for all its versions. What is checked is what can be said without running
anything, and only where interfaces are declared: the schemas are valid JSON Schema (2020-12), and each
property that a consumer requires and its producer's response declares has types that the consumer accepts
(``integer`` passes for ``number``). Properties that the producer does not declare may come from the
request, so their absence says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from releasectl.domain.release import Component
from releasectl.manifests.nodes import Step

Finding = tuple[tuple[Step, ...], str, str]
"""Field path, message, hint."""


def findings(components: Sequence[Component]) -> Iterator[Finding]:
    """Everything wrong with the interfaces of a release."""
    by_name = {component.name: component for component in components}
    for index, component in enumerate(components):
        base: tuple[Step, ...] = ("spec", "components", index)
        yield from _invalid(component, base)
        for position, name in enumerate(component.after):
            if producer := by_name.get(name):
                yield from _misfits(producer, component, (*base, "after", position))


def _invalid(component: Component, base: tuple[Step, ...]) -> Iterator[Finding]:
    for side in ("request", "response"):
        schema = getattr(component.interface, side)
        if schema is None:
            continue
        # Loading jsonschema costs more than reading a manifest; most manifests declare no schema.
        from jsonschema import Draft202012Validator, SchemaError

        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            where: tuple[Step, ...] = (*base, "interface", side, *error.absolute_path)
            yield where, f"is not valid JSON Schema: {error.message[:200]}", "see json-schema.org, draft 2020-12"


def _misfits(producer: Component, consumer: Component, path: tuple[Step, ...]) -> Iterator[Finding]:
    given = _mapping(_mapping(producer.interface.response).get("properties"))
    request = _mapping(consumer.interface.request)
    wanted, required = _mapping(request.get("properties")), request.get("required")
    for name in required if isinstance(required, list) else ():
        if not isinstance(name, str):
            continue
        gives, accepts = _types(given.get(name)), _types(wanted.get(name))
        if gives and accepts and not _accepted(gives, accepts):
            message = f"{consumer.name!r} requires {name!r} as {_listed(accepts)}, and {producer.name!r} "
            yield path, message + f"answers with {_listed(gives)}", "make the two interfaces agree"


def _accepted(gives: frozenset[str], accepts: frozenset[str]) -> bool:
    return gives <= (accepts | {"integer"} if "number" in accepts else accepts)


def _types(schema: object) -> frozenset[str]:
    """The JSON types that a schema names; empty if it leaves them open."""
    named = _mapping(schema).get("type")
    names = named if isinstance(named, list) else [named]
    return frozenset(name for name in names if isinstance(name, str))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
