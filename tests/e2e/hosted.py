"""``releasectl run`` as a process on a hosted repository, asked over its API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from releasectl.adapters.processes import free_port
from tests.gitea.server import Gitea, Repository

TOKEN = "RELEASECTL_TEST_FORGE_TOKEN"
"""The variable in which a controller finds the bot's token."""


class Running:
    """The process; what it says goes to ``log``."""

    def __init__(self, folder: Path, gitea: Gitea, repository: Repository, variables: Mapping[str, str]) -> None:
        self.log = folder / "log"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._where = ["-R", repository.clone_url_as(gitea.bot), "--state", str(folder / "state")]
        command = [sys.executable, "-m", "releasectl", "run", *self._where]
        command += ["--listen", self.url.removeprefix("http://")]
        environment = {**os.environ, TOKEN: gitea.bot.token, **variables}
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, env=environment)

    def status(self) -> dict[str, Any]:
        """What ``GET /v1/status`` says; nothing while it does not answer."""
        try:
            answer = httpx.get(f"{self.url}/v1/status", timeout=5, trust_env=False)
        except httpx.HTTPError:
            return {}
        found: dict[str, Any] = answer.json() if answer.is_success else {}
        return found

    def subscription(self) -> dict[str, Any] | None:
        """What the controller says of the first subscription."""
        rows = self.status().get("subscriptions", [])
        return rows[0] if rows else None

    def stop(self) -> None:
        """End it and what it started."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        down = [sys.executable, "-m", "releasectl", "down", "--yes", *self._where]
        subprocess.run(down, check=True, capture_output=True, timeout=60)


@contextmanager
def running(
    folder: Path, gitea: Gitea, repository: Repository, variables: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Start it, end it."""
    started = Running(folder, gitea, repository, variables or {})
    try:
        yield started
    finally:
        started.stop()


def eventually(asked: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """What was asked for once it is there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := asked():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")
