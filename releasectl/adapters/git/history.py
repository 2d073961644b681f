"""Commits read back, with their trailers: one ``git log``, however long the history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from releasectl.adapters.git.blobs import object_name
from releasectl.adapters.git.mirror import Suspect
from releasectl.adapters.git.process import Runner
from releasectl.adapters.git.trailers import read_trailers
from releasectl.ports import LogEntry

_FORMAT = "%H%x00%ct%x00%an <%ae>%x00%B"
_FIELDS = 4


def history(runner: Runner, commit: str, *, limit: int | None, path: str | None) -> tuple[LogEntry, ...]:
    """Commits reachable from one, newest first; with a path, those that changed it or something below it."""
    options = [] if limit is None else [f"--max-count={int(limit)}"]
    paths = [] if path is None else [path]
    result = runner.run("log", "-z", f"--format={_FORMAT}", *options, object_name(commit), "--", *paths)
    if not result.ok:
        raise Suspect(f"the history of {commit} cannot be read", result.err)
    return tuple(_parse(result.out))


def _parse(out: bytes) -> Iterator[LogEntry]:
    pieces = out.decode("utf-8", "replace").split("\0")
    for start in range(0, len(pieces) - _FIELDS + 1, _FIELDS):
        sha, at, author, message = pieces[start : start + _FIELDS]
        yield LogEntry(sha, datetime.fromtimestamp(int(at), UTC), author, message, read_trailers(message))
