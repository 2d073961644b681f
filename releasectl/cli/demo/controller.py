"""The controller as a process of its own: `releasectl run`, the same that users run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

from releasectl.cli.commands.down import stop_serving
from releasectl.cli.demo.stage import Stage
from releasectl.cli.readmodel import read_status
from releasectl.domain.status import StatusReport
from releasectl.errors import Unavailable


class DemoController:
    """Runs from ``async with`` entry to exit; at exit nothing of it runs any more, whatever happened."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the controller said."""
        return self._stage.folder / "state" / "controller.log"

    async def __aenter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        location = self._stage.location
        command = [sys.executable, "-m", "releasectl", "run", "--repo", location.url, "--state", str(location.state)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [*command, "--listen", "127.0.0.1:0"],
                cwd=self._stage.desk,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, 20)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        await stop_serving(self._stage.location)

    def status(self) -> StatusReport | None:
        """The read model; None while it does not answer yet. Raises Unavailable if the controller has ended."""
        if self._process is not None and self._process.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
            raise Unavailable(f"the controller ended with {self._process.returncode}:\n{tail}")
        if self._stage.location.controller_url() is None:
            return None
        report = read_status(self._stage.location)
        return report if report.source == "controller" else None

    @property
    def events_url(self) -> str:
        """Where outcomes are posted."""
        url = self._stage.location.controller_url()
        if url is None:
            raise Unavailable("the controller does not listen")
        return f"{url}/v1/events"
