"""Processes that outlive the controller: started detached, found again, ended with all they started.

Each carries a marker in its environment, inherited by its own children. So one that was started just before
the controller was killed, before anything was written down, is found as well. The marker leads; a remembered
pid is only a short cut, and counts while the start time is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from releasectl.errors import Unavailable

MARKER = "RELEASECTL_PROCESS"

# Below the range from which Linux takes ports for outgoing connections: a port stays free while its process is down.
_PORTS = range(20_000, 32_000)
_CLOCK_SLACK = 1.0

# Handles of our own children, so that they are reaped; whoever starts them may be gone before they are.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Running:
    """A process, told apart from a later one of the same pid by when it started."""

    pid: int
    started: float

    @property
    def alive(self) -> bool:
        """Whether it runs. A child of ours that has ended is reaped on the way."""
        process = _process(self.pid)
        alive = process is not None and abs(process.create_time() - self.started) < _CLOCK_SLACK
        if not alive and (child := _children.get(self.pid)):
            child.poll()
        return alive


def spawn(
    command: Sequence[str], *, marker: str, environment: Mapping[str, str], log: Path, cwd: Path | None = None
) -> Running:
    """Start a process in a session of its own, its output appended to ``log``. Raises Unavailable if it cannot."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                command,
                cwd=cwd,
                env={**environment, MARKER: marker},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"cannot start {command[0]}: {error.strerror or error}", hint=f"see {log}") from error
    _children[child.pid] = child
    process = _process(child.pid)
    return Running(child.pid, process.create_time() if process else 0.0)


def find(prefix: str) -> dict[str, list[Running]]:
    """Every leader of a session whose marker begins with ``prefix``, by marker, oldest first."""
    found: dict[str, list[Running]] = {}
    for process, marker in _marked(prefix):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == process.pid:
                found.setdefault(marker, []).append(Running(process.pid, process.create_time()))
    return {marker: sorted(group, key=lambda each: each.started) for marker, group in found.items()}


def interrupt(running: Running, kind: signal.Signals) -> None:
    """Signal a process and the group it leads, if it is still the one we know."""
    if running.alive:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, kind)


def kill_remains(marker: str) -> None:
    """Kill whatever still carries a marker: a leader, or what it left behind."""
    for process, found in list(_marked(marker)):
        if found == marker:
            with contextlib.suppress(psutil.Error):
                process.kill()


async def ended(running: Running, *, within: float) -> bool:
    """Wait for a process to end, for so many seconds at most; says whether it has."""
    deadline = time.monotonic() + within
    while True:
        if not running.alive:
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)


def exit_code(running: Running) -> int | None:
    """How a child of ours has ended; told once, None for any other process."""
    child = _children.pop(running.pid, None)
    return child.wait() if child else None


def free_port(*, taken: frozenset[int] = frozenset()) -> int:
    """A loopback port nobody listens on, not one of ``taken``."""
    for port in random.sample(_PORTS, 200):
        if port not in taken and is_free(port):
            return port
    raise Unavailable("no free port on 127.0.0.1", hint=f"looked between {_PORTS.start} and {_PORTS.stop}")


def is_free(port: int) -> bool:
    """Whether a port can be listened on right now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _process(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def _marked(prefix: str) -> Iterator[tuple[psutil.Process, str]]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (marker := process.environ().get(MARKER, "")).startswith(prefix) and marker:
                yield process, marker
