"""Route tables to Envoy's clusters and routes. Pure: equal tables give equal data, whatever their order.

Shares are weights out of 10,000. A request's variant is chosen once, by the entry's route: at random, or by the
place of its unit, which ``place.lua`` finds and the segments of the assignment, in order, stand for.
Envoy draws one number for a random variant and for whether a request is mirrored, and both count from the front:
copies are taken from stable's requests first, so few are of a request that the candidate answered anyway.
Nothing is retried: a second attempt would hide the errors of a variant and count its requests twice.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from releasectl.adapters.traffic.envoy_bootstrap import ENTRY, INNER
from releasectl.adapters.traffic.envoy_names import (
    ALLOCATION_HEADER,
    MIRROR_HEADER,
    PLACE_FILTER,
    PLACE_HEADER,
    PROPENSITY_HEADER,
    REQUEST_ID_HEADER,
    VARIANT_HEADER,
    ClusterKey,
    cluster_name,
    mirror_name,
    parse_cluster,
)
from releasectl.domain.assignment import Assignment, Segment
from releasectl.domain.base import WHOLE, digest_of
from releasectl.domain.release import STABLE
from releasectl.ports import Address, RouteTable

Resource = dict[str, Any]

COOKIE_AGE = timedelta(days=30)

_HOST = re.compile(r"\*|(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_BASE = re.compile(r"(/[\w.~%!$&'()*+,=:@-]+)*", re.ASCII)
_FILTER_ON = "envoy.config.route.v3.FilterConfig"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def base_path(table: RouteTable) -> str:
    """The prefix that the entry takes off, without a slash at its end; empty for the whole host."""
    prefix = table.route.prefix or ("/" if table.route.hosts else f"/{table.release}/")
    return prefix.rstrip("/")


def unroutable(table: RouteTable) -> str | None:
    """Why a table gets no route, if so: Envoy would refuse its text, and the routes of all others with it."""
    if wrong := [host for host in table.route.hosts if not _HOST.fullmatch(host.lower())]:
        return f"{wrong[0]!r} is not a host name"
    if not _BASE.fullmatch(base_path(table)):
        return f"{table.route.prefix!r} is not a path prefix"
    addresses = [address for backends in table.backends.values() for address in backends.values()]
    if odd := [address for address in addresses if not 0 < address.port < 65536]:
        return f"{odd[0].port} is not a port"
    return None


def clusters(tables: Iterable[RouteTable]) -> dict[str, Resource]:
    """Every backend of every variant by cluster name, those without a share included."""
    made: dict[str, Resource] = {}
    for table in _routable(tables):
        for variant, backends in table.backends.items():
            for component, address in backends.items():
                name = cluster_name(_key(table, variant, component))
                made[name] = _cluster(name, address)
        for variant in _mirrored(table):
            name = mirror_name(_key(table, variant, table.entry))
            made[name] = _cluster(name, table.backends[variant][table.entry])
    return dict(sorted(made.items()))


def entry_routes(tables: Iterable[RouteTable]) -> Resource:
    """The routes that users' requests take. Of two releases with one host and prefix the first by name has it."""
    given = sorted(_routable(tables), key=_specific_first)
    anywhere = [table for table in given if not table.route.hosts]
    by_host: dict[str, list[RouteTable]] = {}
    for table in given:
        for host in dict.fromkeys(host.lower() for host in table.route.hosts):
            by_host.setdefault(host, []).append(table)
    for own in by_host.values():
        # A host of somebody's own leaves the rest of its paths to the releases without a host.
        if all(base_path(table) for table in own):
            own.extend(anywhere)
    by_host.setdefault("*", anywhere)
    return {
        "name": ENTRY,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            {"name": host, "domains": [host], "routes": list(_entries(own))} for host, own in sorted(by_host.items())
        ],
    }


def inner_routes(tables: Iterable[RouteTable], leaving: Iterable[Resource] = ()) -> Resource:
    """``/<release>/<component>/...`` to the component of the variant in the request's header, else to stable's.

    ``leaving`` are hops of before that requests in flight still need; see ``envoy_leaving``.
    """
    routes = [*leaving, *(route for table in _routable(tables) for route in _inner(table))]
    # A hop that stays while its share goes keeps its place, so that a way down begins with the share.
    return {
        "name": INNER,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": sorted(routes, key=_specific_hop_first)}],
    }


def _specific_hop_first(hop: Resource) -> tuple[str, str, int, str]:
    key = parse_cluster(hop["route"]["cluster"])
    if key is None:
        raise ValueError(f"{hop['route']['cluster']} is no cluster of a variant")
    told = len(hop["match"].get("headers", ()))
    # Of those that tell an allocation too, the older ones come first, as they are given.
    return key.release, key.component, -told, key.variant if told == 1 else ""


def _routable(tables: Iterable[RouteTable]) -> Iterator[RouteTable]:
    return (table for table in tables if not unroutable(table))


def _key(table: RouteTable, variant: str, component: str) -> ClusterKey:
    return ClusterKey(table.release, variant, component, table.tags[variant])


def _mirrored(table: RouteTable) -> Mapping[str, int]:
    return {variant: points for variant, points in sorted(table.mirrors.items()) if points}


def _cluster(name: str, address: Address) -> Resource:
    endpoint = {"address": {"socket_address": {"address": address.host, "port_value": address.port}}}
    return {
        "name": name,
        "type": "STATIC" if _is_number(address.host) else "STRICT_DNS",
        # Many servers listen on 127.0.0.1 alone while "localhost" is ::1 as well.
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
        # The defaults (1,024) would answer 503 in the variant's name while it could still take more.
        "circuit_breakers": {
            "thresholds": [{"max_connections": 65536, "max_pending_requests": 65536, "max_requests": 65536}]
        },
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                # Shorter than servers keep an idle connection (2 to 5 s): a request sent into one that is just
                # being closed would count as the variant's error.
                "common_http_protocol_options": {"idle_timeout": "1s"},
                # HTTP/2 in, HTTP/2 out: gRPC components need no word about their protocol here.
                "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}},
            }
        },
    }


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _specific_first(table: RouteTable) -> tuple[int, str]:
    return -len(base_path(table)), table.release


def _entries(tables: Iterable[RouteTable]) -> Iterator[Resource]:
    taken: set[str] = set()
    for table in tables:
        if base_path(table) not in taken:
            taken.add(base_path(table))
            yield from _entry(table)


def _entry(table: RouteTable) -> Iterator[Resource]:
    """One route; with a sticky cookie two: for clients that have it and for those that get it."""
    match, action = _under(base_path(table))
    route: Resource = {
        "name": table.release,
        "match": match,
        "route": {**action, **_split(table), "timeout": _seconds(table.route.timeout)},
    }
    sticky = table.route.sticky
    if sticky and sticky.cookie:
        yield from _by_cookie(table, route, sticky.cookie)
    elif sticky and sticky.header:
        yield _placed(table, route, "header", sticky.header.lower())
    else:
        yield route


def _by_cookie(table: RouteTable, route: Resource, cookie: str) -> Iterator[Resource]:
    path = base_path(table) or "/"
    has_it = {"name": "cookie", "string_match": {"safe_regex": {"regex": f"(|.*; *){cookie}=[^;]+(;.*)?"}}}
    yield _placed(table, {**route, "match": {**route["match"], "headers": [has_it]}}, "cookie", cookie)
    # The first request is placed by its id, and the id becomes the cookie: later ones have the same place.
    attributes = f"Path={path.replace('%', '%%')}; Max-Age={COOKIE_AGE // timedelta(seconds=1)}; HttpOnly; SameSite=Lax"
    given = {"key": "set-cookie", "value": f"{cookie}=%REQ({REQUEST_ID_HEADER})%; {attributes}"}
    added = {"header": given, "append_action": "APPEND_IF_EXISTS_OR_ADD"}
    yield _placed(table, {**route, "response_headers_to_add": [added]}, "header", REQUEST_ID_HEADER)


def _placed(table: RouteTable, route: Resource, source: str, name: str) -> Resource:
    """The route by the place of a unit; without a unit the place is drawn at random."""
    assignment = table.assignment or _made_up(table)
    segments = [_weighted(table, one.variant, one.end - one.start) for one in assignment.in_order]
    return {
        **route,
        "route": {**route["route"], "weighted_clusters": {"clusters": segments, "header_name": PLACE_HEADER}},
        "request_headers_to_remove": [PLACE_HEADER],
        # The release is the salt, and its trial has the key: units on trial here are not those of elsewhere.
        "metadata": {
            "filter_metadata": {PLACE_FILTER: {"place": f"{source}\n{name}\n{assignment.key}\n{table.release}"}}
        },
        "typed_per_filter_config": {
            PLACE_FILTER: {"@type": f"type.googleapis.com/{_FILTER_ON}", "config": {}, "disabled": False}
        },
    }


def _made_up(table: RouteTable) -> Assignment:
    """One segment for each variant, stable first, so that a candidate that grows takes units from stable."""
    segments, at = [], 0
    for name, share in _shares(table).items():
        segments.append(Segment(start=at, end=at + share, variant=name))
        at += share
    return Assignment(key=digest_of(table.release).removeprefix("sha256:"), segments=tuple(segments))


def _under(base: str) -> tuple[Resource, Resource]:
    """Match of everything at or below a path, and the rewrite that takes it off."""
    if not base:
        return {"prefix": "/"}, {}
    rewrite = {"pattern": {"regex": f"^{re.escape(base)}/?"}, "substitution": "/"}
    return {"path_separated_prefix": base}, {"regex_rewrite": rewrite}


def _split(table: RouteTable) -> Resource:
    weighted = [_weighted(table, name, share) for name, share in _shares(table).items()]
    action: Resource = {"weighted_clusters": {"clusters": weighted}}
    if mirrored := _mirrored(table):
        action["request_mirror_policies"] = [_mirror(table, name, points) for name, points in mirrored.items()]
    return action


def _shares(table: RouteTable) -> dict[str, int]:
    """Shares that are not 0, stable's first."""
    shares = {STABLE: table.shares.share(STABLE)} | dict(sorted(table.shares.shares.items()))
    return {name: share for name, share in shares.items() if share}


def _weighted(table: RouteTable, variant: str, weight: int) -> Resource:
    """``weight`` of the whole to a variant: its share, or one segment of it."""
    return {
        "name": cluster_name(_key(table, variant, table.entry)),
        "weight": weight,
        "request_headers_to_add": [
            _set(VARIANT_HEADER, variant),
            _set(ALLOCATION_HEADER, str(table.epoch)),
            _set(PROPENSITY_HEADER, f"{table.shares.share(variant) / WHOLE:.4f}"),
        ],
        "response_headers_to_add": [_set(VARIANT_HEADER, variant)],
    }


def _mirror(table: RouteTable, variant: str, points: int) -> Resource:
    return {
        "cluster": mirror_name(_key(table, variant, table.entry)),
        "runtime_fraction": {"default_value": {"numerator": points, "denominator": "TEN_THOUSAND"}},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [
            {"append": _set(VARIANT_HEADER, variant)},
            {"append": _set(MIRROR_HEADER, "1")},
            {"remove": PROPENSITY_HEADER},
        ],
    }


def _set(header: str, value: str) -> Resource:
    return {"header": {"key": header, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _inner(table: RouteTable) -> Iterator[Resource]:
    for variant, backends in table.backends.items():
        for component in backends:
            yield _hop(table, variant, component)


def _hop(table: RouteTable, variant: str, component: str) -> Resource:
    match, action = _under(f"/{table.release}/{component}")
    route: Resource = {
        "match": match,
        "route": {
            **action,
            "cluster": cluster_name(_key(table, variant, component)),
            "timeout": _seconds(table.route.timeout),
        },
    }
    if variant == STABLE:
        # No variant, or one that is gone: from here on the request is stable's, on all further hops too.
        return {**route, "request_headers_to_add": [_set(VARIANT_HEADER, STABLE)]}
    exact = {"name": VARIANT_HEADER, "string_match": {"exact": variant}}
    return {**route, "match": {**match, "headers": [exact]}}


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.3f}s"
