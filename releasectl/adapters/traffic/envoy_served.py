"""Envoy's own account of its routes to what is served, the way back of ``envoy_config``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from releasectl.adapters.traffic.envoy_names import ALLOCATION_HEADER, parse_cluster, parse_mirror
from releasectl.domain.base import WHOLE
from releasectl.domain.decision import Allocation
from releasectl.ports import Served


def parse_served(route_configuration: Mapping[str, Any]) -> dict[str, Served]:
    """Shares, epoch and mirrors by release; routes that are not of our making are left out."""
    served: dict[str, Served] = {}
    for host in route_configuration.get("virtual_hosts", []):
        for route in host.get("routes", []):
            release = route.get("name", "")
            if release not in served and (found := _parse_route(release, route.get("route", {}))):
                served[release] = found
    return served


def _parse_route(release: str, action: Mapping[str, Any]) -> Served | None:
    shares: dict[str, int] = {}
    epochs: set[int] = set()
    for cluster in action.get("weighted_clusters", {}).get("clusters", []):
        key = parse_cluster(cluster["name"])
        if key is None or key.release != release:
            return None
        # A sticky release names a variant once for each of its segments.
        shares[key.variant] = shares.get(key.variant, 0) + cluster.get("weight", 0)
        epochs |= _parse_epoch(cluster)
    if sum(shares.values()) != WHOLE or len(epochs) != 1:
        return None
    return Served(shares=Allocation(shares=shares), epoch=epochs.pop(), mirrors=_parse_mirrors(action))


def _parse_epoch(cluster: Mapping[str, Any]) -> set[int]:
    headers = (added["header"] for added in cluster.get("request_headers_to_add", []))
    return {int(header["value"]) for header in headers if header["key"] == ALLOCATION_HEADER}


def _parse_mirrors(action: Mapping[str, Any]) -> dict[str, int]:
    mirrors = {}
    for policy in action.get("request_mirror_policies", []):
        if key := parse_mirror(policy["cluster"]):
            mirrors[key.variant] = policy["runtime_fraction"]["default_value"].get("numerator", 0)
    return mirrors
