"""The life of one process: started, probed, started again when it ends, ended when it is told to.

It moves only when ``step`` or ``probe`` is called, so it has no task or thread of its own and a controller
that is killed leaves nothing half done but what the record tells.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import httpx
import structlog

from releasectl.adapters import files, processes
from releasectl.adapters.processes import Running
from releasectl.adapters.workloads import record as records
from releasectl.adapters.workloads.patience import Patience
from releasectl.adapters.workloads.probe import probe_http
from releasectl.adapters.workloads.record import Record
from releasectl.domain.release import Process
from releasectl.errors import Unavailable
from releasectl.ports import Address, Workload, WorkloadKey, WorkloadPhase, WorkloadStatus

log = structlog.get_logger(__name__)

_HOST = "127.0.0.1"
_LOG_LIMIT = 10_000_000


class Supervised:
    """One workload's process. ``name`` names its files; ``workload`` is None for one only known from its record."""

    def __init__(
        self,
        name: str,
        workload: Workload | None,
        *,
        directory: Path,
        cwd: Path,
        patience: Patience,
        running: Running | None = None,
    ) -> None:
        self.name = name
        self.workload = workload
        self.ready = False
        self.wanted = True
        self._cwd = cwd
        self._patience = patience
        self._marker = marker(directory, name)
        self._path = directory / f"{name}.json"
        self._log = directory / "logs" / f"{name}.log"
        self._record = records.read(self._path)
        self._running = running
        self._began = time.monotonic()
        self._ready_since = 0.0
        self._probed = 0.0
        self._unanswered = 0
        self._trouble = "not probed yet"
        self._failures = 0
        self._failed = False
        self._why = ""
        self._restarts = 0
        self._next_start = 0.0
        self._ending_since: float | None = None

    @property
    def key(self) -> WorkloadKey:
        if self.workload:
            return self.workload.key
        if self._record:
            return self._record.key
        raise LookupError(f"{self.name} has neither a workload nor a record")

    @property
    def gone(self) -> bool:
        """Not wanted and not running: nothing is left to do."""
        return not self.wanted and self._running is None

    def status(self) -> WorkloadStatus:
        return WorkloadStatus(
            phase=self._phase(),
            address=Address(_HOST, self._record.port) if self._record else None,
            detail=self._trouble if self.ready else self._why or self._trouble,
            restarts=self._restarts,
            pid=self._running.pid if self._running else None,
            log=str(self._log),
        )

    def step(self, now: float) -> None:
        """Do what is due: notice its end, end it, start it."""
        running = self._running
        if running and not running.alive:
            self._has_ended(running, now)
        elif running and self._ending_since is not None:
            if now - self._ending_since > self._patience.grace:
                processes.interrupt(running, signal.SIGKILL)
        elif running and not self.ready and now - self._began > self._start_within:
            self._give_up(f"not ready within {self._start_within:g} s: {self._trouble}", now, hopeless=True)
        elif running and self.ready and self._unanswered >= self._patience.unanswered:
            self._give_up(f"stopped answering: {self._trouble}", now)
        if self._running is None and self.wanted and self.workload and now >= self._next_start:
            self._start(now)

    def end(self, now: float) -> None:
        """Ask it to end; ``step`` sees to it that it does."""
        self.wanted = False
        if self._running and self._ending_since is None:
            self._ending_since = now
            processes.interrupt(self._running, signal.SIGTERM)

    def forget(self) -> None:
        """Remove the record of one that is gone."""
        self._path.unlink(missing_ok=True)

    def probe_is_due(self, now: float) -> bool:
        """Whether asking it makes sense now."""
        if self._running is None or self._ending_since is not None:
            return False
        return not self.ready or now - self._probed >= self._patience.probe_interval

    async def probe(self, client: httpx.AsyncClient) -> None:
        """Ask whether it is ready, and take note."""
        running, record = self._running, self._record
        if running is None or record is None:
            return
        self._probed = time.monotonic()
        trouble = await probe_http(
            client, Address(_HOST, record.port), record.ready, within=self._patience.probe_timeout
        )
        # The answer may come after a restart; and whoever answers counts only while ours is alive.
        if self._running is running and running.alive:
            self._note_probe(trouble, time.monotonic())

    def _note_probe(self, trouble: str, now: float) -> None:
        self._trouble = trouble
        self._unanswered = self._unanswered + 1 if trouble else 0
        if trouble:
            return
        if not self.ready:
            self.ready, self._failed, self._why, self._ready_since = True, False, "", now
            log.info("workload.ready", workload=self.name, seconds=round(now - self._began, 2))
        elif now - self._ready_since > self._patience.steady:
            self._failures = 0

    def _phase(self) -> WorkloadPhase:
        if self.ready:
            return WorkloadPhase.READY
        return WorkloadPhase.FAILED if self._failed else WorkloadPhase.STARTING

    @property
    def _start_within(self) -> float:
        process = self.workload.process if self.workload else None
        return process.start_within.total_seconds() if process else float("inf")

    def _has_ended(self, running: Running, now: float) -> None:
        code = processes.exit_code(running)
        self._running = None
        processes.kill_remains(self._marker)
        if self._ending_since is None:
            told = f"exited with {code}" if code is not None else "ended"
            self._count_failure(f"{told}: {self._last_line()}", now)
        self._ending_since, self.ready = None, False

    def _give_up(self, why: str, now: float, *, hopeless: bool = False) -> None:
        """End it in order to start it anew."""
        self._count_failure(why, now)
        self._failed |= hopeless
        self.ready = False
        self._ending_since = now
        if self._running:
            processes.interrupt(self._running, signal.SIGTERM)

    def _count_failure(self, why: str, now: float) -> None:
        self._failures += 1
        self._failed |= self._failures >= self._patience.failures
        self._next_start = now + self._patience.delay(self._failures)
        self._why = why
        log.warning("workload.failed", workload=self.name, why=why, failures=self._failures)

    def _start(self, now: float) -> None:
        process = self.workload.process if self.workload else None
        if process is None or self.workload is None:
            return
        try:
            with files.exclusive(self._path.with_name("lock")):
                self._running = self._started_elsewhere() or self._spawn(process, self.workload)
        except Unavailable as error:
            self._count_failure(error.message, now)
            return
        self._restarts = self._restarts + 1 if self._failures else self._restarts
        self._began, self._unanswered = now, 0
        log.info("workload.started", workload=self.name, pid=self._running.pid)

    def _spawn(self, process: Process, workload: Workload) -> Running:
        port = self._record.port if self._record and processes.is_free(self._record.port) else processes.free_port()
        key = workload.key
        self._record = Record(
            release=key.release,
            component=key.component,
            version=key.version,
            digest=key.digest,
            port=port,
            ready=process.ready,
        )
        records.write(self._path, self._record)
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".log.1"))
        running = processes.spawn(
            command_line(process),
            marker=self._marker,
            environment=environment(process, workload, port),
            log=self._log,
            cwd=self._cwd,
        )
        self._record = self._record.model_copy(update={"pid": running.pid, "started": running.started})
        records.write(self._path, self._record)
        return running

    def _started_elsewhere(self) -> Running | None:
        """The process that another controller started since we last looked."""
        written = records.read(self._path)
        if written and written.running and written.running.alive:
            self._record = written
            return written.running
        return None

    def _last_line(self) -> str:
        lines = (files.read(self._log) or b"")[-4000:].decode(errors="replace").strip().splitlines()
        return lines[-1][-200:] if lines else "it wrote nothing"


def marker(directory: Path, name: str) -> str:
    """What the environment of a workload's process carries."""
    return f"workload:{directory}/{name}"


def command_line(process: Process) -> list[str]:
    """The command; ``python`` is the interpreter that runs the controller, wherever it is installed."""
    first, *rest = process.command
    return [sys.executable if first == "python" else first, *rest]


def environment(process: Process, workload: Workload, port: int) -> dict[str, str]:
    """The controller's environment without its own settings, the manifest's variables, then ours."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RELEASECTL_")}
    return {
        # Lines of the log are complete up to the last one, also when the process is killed.
        "PYTHONUNBUFFERED": "1",
        **inherited,
        **process.env,
        **workload.env,
        process.port_variable: str(port),
    }
