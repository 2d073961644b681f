"""Detached processes: found by marker, ended with what they started, never confused with others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from releasectl.adapters import files, processes
from releasectl.errors import Unavailable
from tests.detached import until

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
WITH_CHILD = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print('up', flush=True); time.sleep(600)",
]


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[str]:
    marker = f"test:{tmp_path}/"
    yield marker
    for found in processes.find(marker):
        processes.kill_remains(found)


async def test_it_leads_a_session_of_its_own_and_is_found_by_its_marker(marker: str, tmp_path: Path) -> None:
    running = processes.spawn(SLEEP, marker=f"{marker}a", environment={}, log=tmp_path / "log")
    assert os.getsid(running.pid) == running.pid != os.getsid(0)
    found = await until(lambda: processes.find(marker))
    assert found == {f"{marker}a": [running]}
    processes.interrupt(running, signal.SIGKILL)
    assert await processes.ended(running, within=5)
    assert processes.find(marker) == {}


async def test_how_it_ended_is_told_once(marker: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    running = processes.spawn(command, marker=marker, environment={}, log=tmp_path / "log")
    assert await processes.ended(running, within=10)
    assert processes.exit_code(running) == 3
    assert processes.exit_code(running) is None


async def test_children_that_outlive_their_parent_are_ended_with_it(marker: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    running = processes.spawn(WITH_CHILD, marker=marker, environment={}, log=log)
    await until(lambda: (files.read(log) or b"").startswith(b"up"))
    (child,) = psutil.Process(running.pid).children()
    os.kill(running.pid, signal.SIGKILL)
    assert await processes.ended(running, within=5)
    processes.kill_remains(marker)
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_pid_that_is_somebody_elses_by_now_is_neither_alive_nor_signalled() -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as other:
        impostor = processes.Running(other.pid, psutil.Process(other.pid).create_time() - 60)
        assert not impostor.alive
        processes.interrupt(impostor, signal.SIGKILL)
        assert other.poll() is None
        other.kill()


def test_a_program_that_is_not_there_is_reported_by_name(marker: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no-such-program"):
        processes.spawn(["no-such-program"], marker=marker, environment={}, log=tmp_path / "log")


def test_a_port_that_is_listened_on_is_not_free() -> None:
    port = processes.free_port()
    assert processes.is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not processes.is_free(port)


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "file"
    assert files.read(target) is None
    files.replace(target, b"one")
    with target.open("rb") as reader:
        files.replace(target, b"two")
        assert reader.read() == b"one"
    assert files.read(target) == b"two"
    assert list(tmp_path.iterdir()) == [target]
