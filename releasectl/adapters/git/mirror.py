"""The bare mirror: a folder of ours that may be lost, and is made anew when it is damaged.

Contract:
- the folder is ours only with our marker in it; a folder with other contents is refused, never emptied;
- one process at a time changes it, by a file lock beside it. git's children keep that lock open too, so a
  git that outlives a killed controller is waited for, and a git lock file met while holding ours is stale;
- the marker remembers the heads last seen, so that a rewritten branch is noticed after any restart.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from releasectl.adapters.git.process import Runner
from releasectl.errors import Denied, Unavailable

_MARKER = "releasectl-mirror.json"
_FORMAT = 1
_TURN_SECONDS = 0.01


class Suspect(Unavailable):
    """Something is missing or unreadable on this side: the mirror may be damaged. Stays inside the adapter."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message, hint=said.splitlines()[0][:300] if said else "")


class Mirror:
    """The folder, its marker and its lock."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.directory = runner.directory
        self._depth = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the mirror against other processes; waits for its turn up to the time limit."""
        if self._depth:
            yield
            return
        lock = self.directory.with_name(self.directory.name + ".lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as fault:
            raise Denied(f"{lock} cannot be made: {fault.strerror}", hint="name another folder") from fault
        try:
            self._wait_for(handle)
            self._runner.lock, self._depth = handle, 1
            try:
                yield
            finally:
                self._runner.lock, self._depth = None, 0
                fcntl.flock(handle, fcntl.LOCK_UN)
        finally:
            os.close(handle)

    def _wait_for(self, handle: int) -> None:
        deadline = time.monotonic() + self._runner.timeout
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"another process has been using {self.directory} for {self._runner.timeout:g} s",
                        hint="give each controller its own state folder",
                    ) from None
                time.sleep(_TURN_SECONDS)

    def is_there(self) -> bool:
        """Whether the folder is one of ours; somebody may have deleted it meanwhile."""
        return (self.directory / _MARKER).exists()

    def ensure(self) -> None:
        """Make it, or take over what is there: other contents refused, another remote's emptied, stale locks gone."""
        marker = self._marker()
        if marker is None and self.directory.exists() and any(self.directory.iterdir()):
            raise Denied(f"{self.directory} is not empty and no mirror of ours", hint="name another folder")
        if marker is not None and marker.get("url") != self._runner.remote.url:
            self._make(seen={})
        elif marker is None or not (self.directory / "HEAD").exists() or not (self.directory / "objects").exists():
            self._make(seen=self.seen())
        else:
            self._sweep()

    def rebuild(self) -> None:
        """Throw it away and start with an empty one that still remembers the heads last seen."""
        self._make(seen=self.seen())

    def is_sound(self) -> bool:
        """Whether git finds every object whole and every ref pointing at one."""
        try:
            return self._runner.run("fsck", "--no-dangling", "--no-progress").ok
        except Unavailable:
            return False

    def seen(self) -> dict[str, str]:
        """Heads last seen, by branch."""
        return dict((self._marker() or {}).get("seen", {}))

    def remember(self, seen: Mapping[str, str]) -> None:
        """Write down the heads now seen."""
        text = json.dumps({"format": _FORMAT, "url": self._runner.remote.url, "seen": dict(seen)})
        scratch = self.directory / f"{_MARKER}.new"
        try:
            scratch.write_text(text)
            scratch.replace(self.directory / _MARKER)
        except OSError as fault:
            raise Unavailable(
                f"{self.directory} cannot be written: {fault.strerror}", hint="is the disk full?"
            ) from fault

    def _marker(self) -> dict[str, Any] | None:
        try:
            read = json.loads((self.directory / _MARKER).read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    def _make(self, seen: Mapping[str, str]) -> None:
        aside = self.directory.with_name(f"{self.directory.name}.discarded")
        try:
            shutil.rmtree(aside, ignore_errors=True)
            with suppress(FileNotFoundError):
                self.directory.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
            self.directory.mkdir(parents=True)
            # The marker first: a crash after it leaves a folder that is known to be ours.
            self.remember(seen)
            # All that makes a bare repository; git init would heed templates and variables of the machine.
            for folder in ("objects/info", "objects/pack", "refs/heads"):
                (self.directory / folder).mkdir(parents=True)
            (self.directory / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
            (self.directory / "HEAD").write_text("ref: refs/heads/none\n")
        except OSError as fault:
            raise Denied(f"{self.directory} cannot be made: {fault.strerror}") from fault

    def _sweep(self) -> None:
        """Take away the lock files of a git that was killed."""
        for folder, _, files in os.walk(self.directory):
            for name in files:
                if name.endswith(".lock"):
                    with suppress(FileNotFoundError):
                        Path(folder, name).unlink()
        with suppress(FileNotFoundError):
            (self.directory / "gc.pid").unlink()
