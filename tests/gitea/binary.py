"""Gitea, built from its Go module and kept outside the source tree.

The build takes minutes, so it is done once per version and recipe and shared by all sessions of a machine: whoever
comes first holds a lock and builds beside the place, and the finished folder is renamed into it. An interrupted
build leaves nothing that could be taken for a finished one.

Needs ``go`` and a C compiler (SQLite is C) on PATH, and the Go module proxy on the first run.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

VERSION = "v1.26.0"
_MODULE = "code.gitea.io/gitea"
_FLAGS = ("-mod=readonly", "-buildvcs=false", "-trimpath", "-tags", "sqlite sqlite_unlock_notify", "-ldflags", "-s -w")
_DATA = ("templates", "options", "public")
"""Folders that the server reads at run time."""
_BUILD_SECONDS = 1800


def installed() -> Path:
    """The folder with ``gitea`` and its data; builds it if nobody has yet."""
    recipe = hashlib.sha256(json.dumps([_MODULE, VERSION, _FLAGS, _DATA]).encode()).hexdigest()[:12]
    place = _cache() / f"gitea-{VERSION}-{recipe}"
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=place.parent, prefix=".building-") as scratch:
                built = Path(scratch) / "gitea"
                _build(built)
                built.rename(place)
    return place


def _cache() -> Path:
    """Gitea does not run as root, and another user cannot look into root's home."""
    if given := os.environ.get("RELEASECTL_TEST_CACHE"):
        return Path(given)
    return Path("/var/cache") / "releasectl-tests" if os.geteuid() == 0 else Path.home() / ".cache" / "releasectl-tests"


def _build(into: Path) -> None:
    told = subprocess.run(
        ["go", "mod", "download", "-json", f"{_MODULE}@{VERSION}"],
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=True,
    )
    source = Path(json.loads(told.stdout)["Dir"])
    into.mkdir()
    subprocess.run(
        ["go", "build", *_FLAGS, "-o", str(into / "gitea"), "."],
        cwd=source,
        env={**os.environ, "CGO_ENABLED": "1", "GOFLAGS": ""},
        timeout=_BUILD_SECONDS,
        check=True,
    )
    for name in _DATA:
        shutil.copytree(source / name, into / name)
    # The module cache is read-only, and the copy may be read by whichever user the server runs as.
    for path in [into, *into.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.name == "gitea" else 0o644)
