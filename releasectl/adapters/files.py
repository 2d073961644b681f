"""Files that are whole or not there: what another process reads while we write."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from releasectl.errors import Unavailable


def replace(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` in one step: aside, synced, renamed. A reader or a crash sees old or new, no mix.

    Raises Unavailable where it cannot be written; what was there is there still.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as fault:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise Unavailable(f"{path} cannot be written: {fault.strerror}", hint="is the disk full?") from fault


def read(path: Path) -> bytes | None:
    """The content, or None where there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for it; for moments only. It is given up when its holder ends, however it ends."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
