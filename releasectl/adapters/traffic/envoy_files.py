"""The configuration as Envoy watches it: one file for each kind, versioned by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from releasectl.adapters import files as disk
from releasectl.adapters.traffic.envoy_bootstrap import discovery

Resource = dict[str, Any]

_CLUSTER = "cluster.v3.Cluster"
_LISTENER = "listener.v3.Listener"
_ROUTES = "route.v3.RouteConfiguration"


class WatchedFile:
    """One file of resources. Its version is the digest of the resources, so equal content is equal version."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self._kind = kind
        self.version, self.resources = _read(path)

    @property
    def exists(self) -> bool:
        return bool(self.version)

    def write(self, resources: Sequence[Resource]) -> bool:
        """Put the resources there, unless they are; says whether anything was written."""
        version = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()[:16]
        if version == self.version:
            return False
        self._put(version, resources)
        self.version, self.resources = version, list(resources)
        return True

    def rewrite(self) -> None:
        """Put the same content there again: Envoy reads it once more."""
        self._put(self.version, self.resources)

    def _put(self, version: str, resources: Sequence[Resource]) -> None:
        disk.replace(self._path, json.dumps(discovery(version, self._kind, list(resources))).encode())


def clusters_file(path: Path) -> WatchedFile:
    return WatchedFile(path, _CLUSTER)


def listeners_file(path: Path) -> WatchedFile:
    return WatchedFile(path, _LISTENER)


def routes_file(path: Path) -> WatchedFile:
    return WatchedFile(path, _ROUTES)


def _read(path: Path) -> tuple[str, list[Resource]]:
    try:
        content: Mapping[str, Any] = json.loads(disk.read(path) or b"{}")
        bare = [{name: value for name, value in each.items() if name != "@type"} for each in content["resources"]]
        return str(content["version_info"]), bare
    except (ValueError, KeyError, TypeError):
        # Absent or damaged alike: the next write makes it anew.
        return "", []
