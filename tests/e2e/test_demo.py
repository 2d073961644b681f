"""The demo from its start to its end, and from its start to Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.envoy, pytest.mark.slow, pytest.mark.timeout(500)]

DEMO = [sys.executable, "-m", "releasectl", "demo", "--headless"]


def of_this(folder: Path) -> list[str]:
    """Whatever runs with something of this folder on its command line or in its environment's marker."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            said = [*process.cmdline(), process.environ().get("RELEASECTL_PROCESS", "")]
            if process.pid != os.getpid() and any(str(folder) in each for each in said):
                found.append(f"{process.pid}: {' '.join(said)}")
    return found


def test_the_demo_ends_as_the_story_has_it_and_leaves_nothing_running(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--dir", str(tmp_path / "desk")], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ROLLBACK GuardrailBreached" in done.stdout
    assert "PROMOTE EvidenceSufficient" in done.stdout
    assert (tmp_path / "desk/press-desk.git").is_dir()
    assert of_this(tmp_path) == []
    # Whoever has the repository can make every decision of it again.
    place = ["-R", str(tmp_path / "desk/press-desk.git"), "--state", str(tmp_path / "reader")]
    again = subprocess.run([*DEMO[:3], "replay", *place], capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.splitlines()[-1].endswith("decisions: all equal")


def _hear_interrupts() -> None:
    # Whoever runs the tests in the background has them ignored, and a child inherits that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_demo_leaves_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    started = subprocess.Popen(
        DEMO,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_hear_interrupts,  # noqa: PLW1509  # no other thread runs here
    )
    assert started.stdout
    with started.stdout as lines:
        deadline = time.monotonic() + 60
        while "Readers send" not in lines.readline():
            assert time.monotonic() < deadline
        # As a terminal does: the signal goes to the whole foreground group.
        os.killpg(started.pid, signal.SIGINT)
        lines.read()
    assert started.wait(30) == 130
    assert of_this(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep me")
    done = subprocess.run([*DEMO, "--dir", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 64
    assert done.stderr == f"error: {tmp_path} is not empty\nhint: give a folder that is new, or empty it\n"
    assert (tmp_path / "mine").read_text() == "keep me"
