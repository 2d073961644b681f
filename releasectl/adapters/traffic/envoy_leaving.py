"""Hops of versions that are leaving: a request in flight keeps its versions to its end. Pure.

A promotion gives stable other versions, and requests that began before it still say "stable". What tells them apart
is the allocation that the entry gave them and that components pass on: under an older one they go where their first
hop went. The routes in force say all that is needed, so a controller that has just begun finds them there as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from releasectl.adapters.traffic.envoy_names import ALLOCATION_HEADER, VARIANT_HEADER, parse_cluster
from releasectl.ports import RouteTable

Resource = dict[str, Any]


def leaving(before: Iterable[Resource], unused: Collection[str], tables: Mapping[str, RouteTable]) -> list[Resource]:
    """Hops among the inner routes of before whose clusters are ``unused``: no table needs them, but they are there.

    Oldest first, as their allocations are.
    """
    return list(_leaving(before, unused, tables))


def _leaving(
    before: Iterable[Resource], unused: Collection[str], tables: Mapping[str, RouteTable]
) -> Iterator[Resource]:
    for route in before:
        cluster = route["route"]["cluster"]
        key = parse_cluster(cluster)
        if key is None or cluster not in unused:
            continue
        table = tables.get(key.release)
        if table is None or key.variant not in table.backends or _is_bounded(route):
            # Nobody else answers to this name: whether a request says its allocation does not matter.
            yield route
        else:
            yield _bounded(route, key.variant, table.epoch)


def _is_bounded(route: Resource) -> bool:
    return any(header["name"] == ALLOCATION_HEADER for header in route["match"].get("headers", ()))


def _bounded(route: Resource, variant: str, epoch: int) -> Resource:
    """The route for requests of a variant that got it under an allocation before ``epoch``."""
    headers = [
        {"name": VARIANT_HEADER, "string_match": {"exact": variant}},
        {"name": ALLOCATION_HEADER, "range_match": {"start": 0, "end": epoch}},
    ]
    return {**route, "match": {**route["match"], "headers": headers}}
