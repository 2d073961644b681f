"""Reading objects through one ``git cat-file --batch`` that stays up: no process per object, none per pass."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from subprocess import Popen
from typing import IO

from releasectl.adapters.git.mirror import Suspect
from releasectl.adapters.git.process import Runner, TimedOut, end, pipes
from releasectl.errors import Denied

_NAME = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_WINDOW = 256
"""Names asked for before an answer is read: few enough to fit the pipe, so neither side waits for the other."""
BLOB_CAP = 64 << 20


def object_name(text: str) -> str:
    """The text, if it is the full name of an object and so can be nothing else to git."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of an object")
    return text


class Objects:
    """The objects of a mirror by name. One caller at a time."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._process: Popen[bytes] | None = None

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """Contents by name. Raises Suspect for an object that is not there, Denied for one over the cap."""
        wanted = iter(dict.fromkeys(object_name(name) for name in names))
        found: dict[str, bytes] = {}
        first = next(wanted, None)
        if first is None:
            return found
        process = self._running()
        late = threading.Event()

        def give_up() -> None:
            # Ends any read from it.
            late.set()
            process.kill()

        watch = threading.Timer(self._runner.timeout, give_up)
        watch.daemon = True
        watch.start()
        try:
            for window in _windows(first, wanted):
                found |= _ask(process, window)
        except (OSError, EOFError) as fault:
            raise self._broken(late.is_set()) from fault
        except BaseException:
            self.close()
            raise
        finally:
            watch.cancel()
        return found

    def tree_of(self, commit: str) -> str:
        """Name of a commit's tree."""
        return self.read([commit])[commit].split(b"\n", 1)[0].removeprefix(b"tree ").decode()

    def close(self) -> None:
        """End the process; the next read starts another."""
        process, self._process = self._process, None
        if process is not None:
            end(process)

    def _running(self) -> Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._process = self._runner.start("cat-file", "--batch")
        return self._process

    def _broken(self, late: bool) -> Exception:
        self.close()
        if late:
            return TimedOut(f"reading objects of {self._runner.remote.url} took over {self._runner.timeout:g} s")
        return Suspect("git stopped while reading objects", "")


def _windows(first: str, rest: Iterator[str]) -> Iterator[list[str]]:
    window = [first, *islice(rest, _WINDOW - 1)]
    while window:
        yield window
        window = list(islice(rest, _WINDOW))


def _ask(process: Popen[bytes], names: list[str]) -> dict[str, bytes]:
    feed, answers, _ = pipes(process)
    feed.write("".join(f"{name}\n" for name in names).encode())
    feed.flush()
    return {name: _answer(answers, name) for name in names}


def _answer(stream: IO[bytes], name: str) -> bytes:
    header = stream.readline().split()
    if not header:
        raise EOFError
    if header[-1] == b"missing":
        raise Suspect(f"object {name} is not in the mirror", "missing object")
    size = int(header[2])
    if size > BLOB_CAP:
        raise Denied(f"object {name} has {size >> 20} MB, over the limit of {BLOB_CAP >> 20} MB")
    content = stream.read(size)
    if len(content) != size or stream.read(1) != b"\n":
        raise EOFError
    return content
