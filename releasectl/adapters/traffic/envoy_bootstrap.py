"""What Envoy is started with, and its two listeners. Pure: settings in, JSON-compatible data out.

Everything that changes while it runs comes from files it watches (xDS on disk), each replaced by a rename.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from releasectl.adapters.traffic.envoy_names import HEADER_PREFIX, PLACE_FILTER
from releasectl.domain.metric import HISTOGRAM_BUCKETS_MS

LOOPBACK = "127.0.0.1"
ENTRY = "entry"
INNER = "inner"

_TYPE = "type.googleapis.com/"
_HTTP = _TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
# A release has some clusters per variant and each cluster some hundred statistics; these are the ones read.
_KEPT_STATISTICS = (
    r"cluster\.[^.]+\.(upstream_rq_([1-5]xx|completed|total|time|timeout|cancelled|active)|upstream_cx_connect_fail)",
    r"(cluster_manager|listener_manager|server|runtime)\..+",
    r"http\.(entry|inner)\..+",
    r"listener\..+",
)


@dataclass(frozen=True)
class Ports:
    """Where one Envoy listens, all on loopback."""

    admin: int
    entry: int
    inner: int


@dataclass(frozen=True)
class Files:
    """The files of one Envoy in its state directory."""

    directory: Path

    @property
    def bootstrap(self) -> Path:
        return self.directory / "bootstrap.json"

    @property
    def clusters(self) -> Path:
        return self.directory / "clusters.json"

    @property
    def listeners(self) -> Path:
        return self.directory / "listeners.json"

    def routes(self, name: str) -> Path:
        """Route configuration of one listener: ``ENTRY`` or ``INNER``."""
        return self.directory / f"routes-{name}.json"

    @property
    def log(self) -> Path:
        return self.directory / "envoy.log"


def bootstrap(ports: Ports, files: Files) -> dict[str, Any]:
    """The static part: admin interface, statistics, where the rest is read from."""
    return {
        "node": {"id": "releasectl", "cluster": "releasectl"},
        "admin": {"address": _address(ports.admin)},
        "dynamic_resources": {"lds_config": _watched(files.listeners), "cds_config": _watched(files.clusters)},
        # Histograms are merged over the worker threads at each flush: this is how old a latency may be.
        "stats_flush_interval": "1s",
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"prefix": "cluster."}, "buckets": list(HISTOGRAM_BUCKETS_MS)}],
            "stats_matcher": {
                "inclusion_list": {"patterns": [{"safe_regex": {"regex": kept}} for kept in _KEPT_STATISTICS]}
            },
        },
    }


def listeners(ports: Ports, files: Files) -> list[dict[str, Any]]:
    """The entry for users and the inner listener for hops between components."""
    return [
        _listener(f"{ENTRY}-{ports.entry}", ports.entry, _entry(files)),
        _listener(f"{INNER}-{ports.inner}", ports.inner, _connection_manager(INNER, files)),
    ]


def discovery(version: str, kind: str, resources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Content of a watched file."""
    return {
        "version_info": version,
        "resources": [{"@type": f"{_TYPE}envoy.config.{kind}", **resource} for resource in resources],
    }


def _watched(path: Path) -> dict[str, Any]:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3", "initial_fetch_timeout": "5s"}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def _listener(name: str, port: int, manager: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "address": _address(port),
        # With port reuse a second process could share the port, and half of the traffic, unnoticed.
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _entry(files: Files) -> dict[str, Any]:
    ours = {"key_matcher": {"prefix": HEADER_PREFIX, "ignore_case": True}}
    manager = _connection_manager(ENTRY, files)
    return {
        **manager,
        "http_filters": [_place_filter(), *manager["http_filters"]],
        "always_set_request_id_in_response": True,
        "early_header_mutation_extensions": [
            {
                "name": "envoy.http.early_header_mutation.header_mutation",
                "typed_config": {
                    "@type": _TYPE + "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                    "mutations": [{"remove_on_match": ours}],
                },
            }
        ],
    }


def _place_filter() -> dict[str, Any]:
    """Places the units of sticky releases; off for every route that does not turn it on."""
    lua = {"@type": _TYPE + "envoy.extensions.filters.http.lua.v3.Lua"}
    return {
        "name": PLACE_FILTER,
        "disabled": True,
        "typed_config": {**lua, "default_source_code": {"inline_string": _place_script()}},
    }


@cache
def _place_script() -> str:
    return Path(__file__).with_name("place.lua").read_text(encoding="utf-8")


def _connection_manager(name: str, files: Files) -> dict[str, Any]:
    return {
        "@type": _HTTP,
        "stat_prefix": name,
        "codec_type": "AUTO",
        "rds": {"route_config_name": name, "config_source": _watched(files.routes(name))},
        # Every client is an outside one, so x-envoy-* headers that ask for retries or timeouts are not obeyed.
        "use_remote_address": True,
        # A prefix must not be left by "..": /one/../two belongs to two.
        "normalize_path": True,
        "preserve_external_request_id": True,
        "request_id_extension": {
            "typed_config": {
                "@type": _TYPE + "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
            }
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": _TYPE + "envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
