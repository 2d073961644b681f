"""A virtual environment with MLflow and scikit-learn, made once per version and kept outside the source tree."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

PACKAGES = ("mlflow==3.17.2", "scikit-learn>=1.6")
_INSTALL_SECONDS = 1200


def python() -> Path:
    """The environment's interpreter; installs what it needs if nobody has yet."""
    recipe = hashlib.sha256(repr((PACKAGES, sys.version_info[:2])).encode()).hexdigest()[:12]
    place = _cache() / f"mlflow-{recipe}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                _install(place)
    return place / "bin" / "python"


def _cache() -> Path:
    given = os.environ.get("RELEASECTL_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "releasectl-tests"


def _install(place: Path) -> None:
    """Beside the place and then renamed into it, so that an interruption leaves nothing that looks finished."""
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".installing-") as scratch:
        made = Path(scratch) / "environment"
        venv.create(made, with_pip=True)
        # Called through the interpreter it works after the move as well; scripts would name the old place.
        subprocess.run(
            [made / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile", *PACKAGES],
            timeout=_INSTALL_SECONDS,
            check=True,
        )
        made.rename(place)
