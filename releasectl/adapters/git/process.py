"""One git command at a time: bounded, without a terminal, and deaf to the machine's own configuration.

Contract of every call:
- argument list, no shell; what is not a literal of ours stands behind ``--`` or is a checked object name;
- the environment pins prompts, hooks, protocols, locale and configuration, so that a user's or a hook's
  settings change nothing; settings and credentials travel in the environment, never in the arguments;
- a time limit and a cap on output; at either the whole process group is asked to end, then made to, and is reaped;
- text on stderr leaves here only redacted.

git itself is started through GitPython. Needs git 2.31 or newer.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from typing import IO, cast

from releasectl.adapters.git.remote import Remote
from releasectl.errors import Denied, Unavailable

OUTPUT_CAP = 256 << 20
_TALK_CAP = 64 << 10
_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.01

_CONFIG: tuple[tuple[str, str], ...] = (
    ("core.hooksPath", os.devnull),
    ("core.fsync", "none"),  # The mirror is a cache: a torn one is found and made anew.
    ("core.quotePath", "false"),
    ("core.logAllRefUpdates", "false"),
    ("transfer.fsckObjects", "true"),
    ("transfer.credentialsInUrl", "die"),
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    ("push.followTags", "false"),
    ("push.gpgSign", "false"),
    ("gc.auto", "0"),
    ("gc.autoDetach", "false"),
    ("maintenance.auto", "false"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "30"),
    ("i18n.logOutputEncoding", "UTF-8"),
    ("credential.helper", ""),
)


_BLOCK = 512
_LIMITED = ("sh", "-c", 'trap \'\' XFSZ; ulimit -f "$1" && shift && exec "$@"', "sh")
"""A constant program; what it is given are arguments and never part of it. A limit that is set before git starts holds
for all that git starts, whichever way the bytes come. Without the signal git says what is wrong, and tidies up."""


class TimedOut(Unavailable):
    """git did not end in time and was ended."""


@dataclass(frozen=True)
class Result:
    """How a command ended. ``err`` is redacted."""

    status: int
    out: bytes
    err: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def wrote_too_much(self) -> bool:
        """Whether it was ended by ``largest_file``."""
        return not self.ok and "File too large" in self.err


class Runner:
    """Runs git in one bare repository. ``lock`` is a descriptor that children of ``run`` keep open."""

    def __init__(self, directory: Path, remote: Remote, *, timeout: float) -> None:
        self.directory = directory
        self.remote = remote
        self.timeout = timeout
        self.settings: tuple[tuple[str, str], ...] = ()
        self.lock: int | None = None

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        timeout: float | None = None,
        settings: tuple[tuple[str, str], ...] = (),
        variables: Mapping[str, str] | None = None,
        cap: int = OUTPUT_CAP,
        largest_file: int | None = None,
    ) -> Result:
        """Run a command to its end. Raises TimedOut at the limit; a status that is not 0 is a value.

        ``largest_file``: nothing that it starts may write a file of more bytes; see ``wrote_too_much``.
        """
        limit = self.timeout if timeout is None else timeout
        process = self.start(
            *arguments, settings=settings, variables=variables, hold=self.lock, largest_file=largest_file
        )
        try:
            out, err = _talk(process, stdin, time.monotonic() + limit, cap)
        except TimeoutExpired:
            raise TimedOut(
                f"git {arguments[0]} with {self.remote.url} did not end within {limit:g} s",
                hint="the host is slow or gone; it is tried again",
            ) from None
        finally:
            end(process)
        return Result(process.returncode, out, self.remote.redact(err.decode(errors="replace")))

    def start(
        self,
        *arguments: str,
        settings: tuple[tuple[str, str], ...] = (),
        variables: Mapping[str, str] | None = None,
        hold: int | None = None,
        largest_file: int | None = None,
    ) -> Popen[bytes]:
        """Start a command with pipes; the caller ends it."""
        limited = () if largest_file is None else (*_LIMITED, str(largest_file // _BLOCK))
        try:
            import git
        except ImportError as fault:
            raise Denied("git is not installed", hint="install git 2.31 or newer and put it on PATH") from fault
        try:
            started = git.Git().execute(
                [*limited, "git", "--literal-pathspecs", *arguments],
                as_process=True,
                istream=PIPE,
                env={**self._environment(settings), **(variables or {})},
                start_new_session=True,
                pass_fds=() if hold is None else (hold,),
            )
        except (OSError, git.GitCommandNotFound) as fault:
            raise Unavailable(f"git could not be started: {fault}") from fault
        process, started.proc = started.proc, None  # GitPython's wrapper would end it when the wrapper is collected.
        if process is None:
            raise Unavailable("git could not be started")
        return process

    def _environment(self, settings: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
        config = (*_CONFIG, *self.settings, *self.remote.config, *settings)
        pairs = {f"GIT_CONFIG_KEY_{n}": key for n, (key, _) in enumerate(config)}
        pairs |= {f"GIT_CONFIG_VALUE_{n}": value for n, (_, value) in enumerate(config)}
        home = str(self.directory)
        return {
            # Named one by one, because a git that runs us as its hook leaves its own values behind.
            "GIT_DIR": home,
            "GIT_COMMON_DIR": home,
            "GIT_OBJECT_DIRECTORY": f"{home}/objects",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
            "GIT_NAMESPACE": "",
            "GIT_CONFIG_PARAMETERS": "",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": str(len(config)),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_TRACE_REDACT": "1",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_SSH_COMMAND": os.environ.get(
                "GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=10"
            ),
            "LC_ALL": "C",
            **pairs,
        }


def end(process: Popen[bytes]) -> None:
    """End a process and all it started, and reap it."""
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    if process.poll() is not None:
        return
    # SIGTERM first: git then takes its lock files away, also those of a receiving git on the same machine.
    _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline and _signal(process, 0):
        process.poll()
        time.sleep(_POLL_SECONDS)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: Popen[bytes], number: int) -> bool:
    """Signal all that it started; says whether any of it is left."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def pipes(process: Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    """Its standard input, output and error; a process of ours has all three."""
    return cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr)


def _talk(process: Popen[bytes], stdin: bytes, deadline: float, cap: int) -> tuple[bytes, bytes]:
    """Feed and drain a process until it has ended. Raises TimeoutExpired, or Unavailable past the cap."""
    feed, answer, talk = pipes(process)
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as ready:
        for stream, event, serve in (
            (feed, selectors.EVENT_WRITE, _Feed(stdin)),
            (answer, selectors.EVENT_READ, lambda number: _drain(number, out, cap)),
            (talk, selectors.EVENT_READ, lambda number: _drain(number, err, _TALK_CAP)),
        ):
            os.set_blocking(stream.fileno(), False)
            ready.register(stream, event, serve)
        while ready.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutExpired(process.args, 0)
            events = ready.select(min(left, _GRACE_SECONDS))
            # A daemon that a child left behind (an SSH master) may hold the pipes open for ever.
            if not events and process.poll() is not None:
                break
            for key, _ in events:
                if not key.data(key.fd):
                    ready.unregister(key.fileobj)
                    cast("IO[bytes]", key.fileobj).close()
            if len(out) > cap:
                raise Unavailable(f"git said more than {cap >> 20} MB", hint="is this the repository you mean?")
    process.wait(max(0.0, deadline - time.monotonic()))
    return bytes(out), bytes(err)


class _Feed:
    """Writes what is left of the input; says whether there is more."""

    def __init__(self, content: bytes) -> None:
        self._left = memoryview(content)

    def __call__(self, number: int) -> bool:
        try:
            self._left = self._left[os.write(number, self._left[: 1 << 16]) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            # It has ended early; its status tells why.
            return False
        return bool(self._left)


def _drain(number: int, into: bytearray, cap: int) -> bool:
    """Take what is there, dropping what is past the cap; says whether there may be more."""
    try:
        piece = os.read(number, 1 << 18)
    except BlockingIOError:
        return True
    if len(into) <= cap:
        into += piece
    return bool(piece)
