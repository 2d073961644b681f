"""A program of ours in a process of its own, asked one line at a time.

What it computes takes no turn from the loop that asks: Python runs one thread at a time, and a second of work in a
thread is a second in which nothing else here is sure to run. The process is started when it is first needed, ended
with everything it started when it takes too long or has had nothing to do for a while, and never left unreaped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

import releasectl
from releasectl.errors import ReleasectlError, Unavailable

LONGEST_LINE = 64 << 20
"""Bytes of an answer."""
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
"""All that the process gets to know of our environment: tokens stand in it, and what it reads may be a stranger's."""


class TookTooLong(ReleasectlError):
    """There was no answer in time; the process was ended."""


class Worker:
    """One process for one caller at a time; further callers wait for their turn."""

    def __init__(self, module: str, arguments: Sequence[str] = (), *, seconds: float, idle_seconds: float = 60) -> None:
        """``module`` is run as ``python -m``, reads lines, and answers each with one, within ``seconds``."""
        self._command = (sys.executable, "-P", "-m", module, *arguments)
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._rest: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process else None

    async def ask(self, line: bytes) -> bytes:
        """The answer to a line without its end. TookTooLong, or Unavailable if the process ends before it answers."""
        async with self._turn:
            if self._rest:
                self._rest.cancel()
            answered = False
            try:
                async with asyncio.timeout(self._seconds):
                    answer = await self._answer(line)
                answered = True
            except TimeoutError as fault:
                raise TookTooLong(f"there was no answer within {self._seconds:g} s") from fault
            finally:
                # Also when the caller is cancelled: an answer that nobody waits for must not be the next one's.
                if not answered:
                    await self._end()
            self._rest = asyncio.get_running_loop().call_later(self._idle_seconds, self._let_go)
            return answer

    async def close(self) -> None:
        """End the process. A later question starts another."""
        if self._rest:
            self._rest.cancel()
        await self._end()
        await asyncio.gather(*self._ending)

    async def _answer(self, line: bytes) -> bytes:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await self._start()
        if process.stdin is None or process.stdout is None:
            raise AssertionError("the process was started with pipes")
        try:
            process.stdin.write(line + b"\n")
            await process.stdin.drain()
            answer = await process.stdout.readuntil(b"\n")
        except asyncio.LimitOverrunError as fault:
            raise Unavailable(f"an answer has more than {LONGEST_LINE >> 20} MB") from fault
        except (asyncio.IncompleteReadError, ConnectionError) as fault:
            code = await process.wait()
            raise Unavailable(f"the process ended with {code} before it had answered") from fault
        return answer[:-1]

    async def _start(self) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                env=_environment(),
                limit=LONGEST_LINE,
                start_new_session=True,
            )
        except OSError as fault:
            raise Unavailable(f"{sys.executable} cannot be started: {fault.strerror}") from fault

    def _let_go(self) -> None:
        if not self._turn.locked():
            ending = asyncio.create_task(self._end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # Its whole group, also if it has ended itself: it may have left a git behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())


def _environment() -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # Threads of linear algebra only cost memory for what is small.
    return {**kept, "PYTHONPATH": str(Path(releasectl.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
