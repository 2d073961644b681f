"""A running MLflow: SQLite behind it, artifacts in a folder, and a way to register real models."""

from __future__ import annotations

import os
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from releasectl.adapters.processes import free_port
from tests.mlflow.environment import python

_START_SECONDS = 120.0
_STOP_SECONDS = 15.0

_TRAIN = """\
import sys
import mlflow, pandas
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
name, strength = sys.argv[1], float(sys.argv[2])
data = pandas.DataFrame({"length": [1.0, 2.0, 3.0, 4.0], "capitals": [0, 1, 0, 1]})
model = LogisticRegression(C=strength).fit(data, [0, 1, 0, 1])
with mlflow.start_run():
    signature = infer_signature(data, model.predict(data))
    mlflow.sklearn.log_model(model, name="model", signature=signature, registered_model_name=name)
"""


@dataclass(frozen=True)
class Mlflow:
    """The server."""

    url: str

    def register(self, name: str, strength: float = 1.0) -> None:
        """Train a small scikit-learn classifier and register it as the model's next version."""
        subprocess.run(
            [python(), "-c", textwrap.dedent(_TRAIN), name, str(strength)],
            env=_environment() | {"MLFLOW_TRACKING_URI": self.url},
            check=True,
            capture_output=True,
            timeout=300,
        )

    def point(self, name: str, alias: str, version: int) -> None:
        """Let an alias of a model stand for a version."""
        body = {"name": name, "alias": alias, "version": str(version)}
        path = "/api/2.0/mlflow/registered-models/alias"
        httpx.post(self.url + path, json=body, timeout=30, trust_env=False).raise_for_status()


@contextmanager
def serve() -> Iterator[Mlflow]:
    """Start a server on loopback; end it with all its workers."""
    with tempfile.TemporaryDirectory(prefix="mlflow-") as folder:
        port, log = free_port(), Path(folder) / "log"
        command = [python(), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command += [
            "--backend-store-uri",
            f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination",
            f"{folder}/files",
        ]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, cwd=folder, env=_environment(), start_new_session=True
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, url, log)
            yield Mlflow(url)
        finally:
            _stop(process)


def _environment() -> dict[str, str]:
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
    return {**os.environ, **quiet}


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health", timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError(f"MLflow did not start:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its workers, which it started in a session of their own."""
    try:
        os.killpg(process.pid, 15)
        process.wait(_STOP_SECONDS)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, 9)
        process.wait(_STOP_SECONDS)
