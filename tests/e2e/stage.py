"""`releasectl run` as users run it: a process, a bare repository, a real Envoy, components over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from releasectl.adapters.processes import MARKER
from releasectl.cli.commands.down import stop_serving
from releasectl.cli.location import Location

COMPONENT = Path(__file__).with_name("component.py")

RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: shop}
spec:
  environment: local
  components:
    - name: app
      versions:
        - {name: "1", run: {command: [python, COMPONENT, "0"]}}
        - {name: "2", run: {command: [python, COMPONENT, "0.01", POISON]}}
  stable: {app: "1"}   # what serves now
  strategy: [{type: canary, steps: [10, 50], interval: 60s}]
  policy: careful
"""
CANDIDATE = """  candidates:
    - {name: next, versions: {app: "2"}}
"""
POLICY = """\
apiVersion: releasectl.dev/v1alpha1
kind: PromotionPolicy
metadata: {name: careful}
spec:
  guardrails: [{metric: error-rate, margin: {points: 2}}]
  minSamples: 50
  maxDuration: 30m
"""
ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
spec: {router: {type: envoy, port: 0}, interval: 500ms}
"""


@dataclass
class Users:
    """Sends requests at a steady rate, open loop, and remembers every answer."""

    url: str
    per_second: int
    statuses: dict[str, dict[int, int]] = field(default_factory=dict)
    """Variant -> status -> answers."""
    lost: list[str] = field(default_factory=list)
    first_seen: dict[str, float] = field(default_factory=dict)
    """Variant -> time of its first answer."""
    last_seen: dict[str, float] = field(default_factory=dict)

    async def __aenter__(self) -> Users:
        self._client = httpx.AsyncClient(
            timeout=10.0, trust_env=False, limits=httpx.Limits(max_connections=40, max_keepalive_connections=40)
        )
        self._sending = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sending.cancel()
        with suppress(asyncio.CancelledError):
            await self._sending
        await self._client.aclose()

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        asking: set[asyncio.Task[None]] = set()
        due = loop.time()
        try:
            while True:
                if len(asking) < 200:
                    task = asyncio.create_task(self._ask())
                    asking.add(task)
                    task.add_done_callback(asking.discard)
                due = max(due + 1 / self.per_second, loop.time() - 1.0)
                await asyncio.sleep(max(0.0, due - loop.time()))
        finally:
            await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self) -> None:
        try:
            answer = await self._client.get(self.url)
        except httpx.HTTPError as error:
            self.lost.append(repr(error))
            return
        variant = answer.headers.get("x-releasectl-variant", "?")
        counts = self.statuses.setdefault(variant, {})
        counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
        now = time.time()
        self.first_seen.setdefault(variant, now)
        self.last_seen[variant] = now


class Stage:
    """A folder with a repository and a state; ``run`` starts controllers on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = folder / "origin.git"
        self.state = folder / "state"
        self.poison = folder / "poison"
        self.log = folder / "controller.log"
        self.controllers: list[subprocess.Popen[bytes]] = []
        self.work = folder / "work"
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.origin), cwd=folder)
        self.git("clone", "--quiet", str(self.origin), str(self.work), cwd=folder)
        self.manifest = RELEASE.replace("COMPONENT", f'"{COMPONENT}"').replace("POISON", f'"{self.poison}"')
        self.commit(
            {
                "releases/shop.yaml": self.manifest,
                "policies/careful.yaml": POLICY,
                "environments/local.yaml": ENVIRONMENT,
            },
            "Serve",
        )

    # --- people -----------------------------------------------------------------------------------------

    def commit(self, files: Mapping[str, str], message: str) -> None:
        """A person's commit on main, pushed."""
        for path, text in files.items():
            (self.work / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / path).write_text(text)
        self.git("add", "--all")
        who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
        self.git(*who, "commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "HEAD:main")

    def propose(self) -> float:
        """Merge a candidate; returns when."""
        text = self.manifest.replace("  strategy:", CANDIDATE + "  strategy:")
        self.commit({"releases/shop.yaml": text}, "Try 2")
        return time.time()

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.work, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    # --- the controller ---------------------------------------------------------------------------------

    def run(self, *options: str, repo: str | None = None) -> subprocess.Popen[bytes]:
        """Start a controller."""
        command = [*self.command("run", repo=repo), "--listen", "127.0.0.1:0", *options]
        with self.log.open("ab") as log:
            started = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.controllers.append(started)
        return started

    def command(self, verb: str, *, repo: str | None = None) -> list[str]:
        where = ["-R", repo or str(self.origin), "--state", str(self.state)]
        return [sys.executable, "-m", "releasectl", verb, *where]

    def call(self, verb: str, *options: str, repo: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        command = [*self.command(verb, repo=repo), *options]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)

    def terminate(self, controller: subprocess.Popen[bytes]) -> int:
        controller.send_signal(signal.SIGTERM)
        return controller.wait(20)

    @property
    def location(self) -> Location:
        return Location(str(self.origin), "main", "releasectl/ledger", self.state)

    @property
    def api(self) -> str:
        """Where the controller listens."""
        return str(json.loads((self.state / "controller.json").read_text())["url"])

    def shop(self) -> dict[str, Any] | None:
        """The release as the controller tells it; None until it does."""
        try:
            answer = httpx.get(f"{self.api}/v1/releases/shop", timeout=5, trust_env=False)
        except (OSError, ValueError, httpx.HTTPError):
            return None
        return answer.json() if answer.status_code == 200 else None

    async def shop_when(self, so: Callable[[dict[str, Any]], object], *, within: float = 30.0) -> dict[str, Any]:
        """Wait until what the controller says of the release is so."""
        deadline = time.monotonic() + within
        while True:
            seen = await asyncio.to_thread(self.shop)
            if seen is not None and so(seen):
                return seen
            assert self.controllers[-1].poll() is None, f"the controller has ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"not within {within:g} s; last seen: {seen}\n{self.tail()}"
            await asyncio.sleep(0.05)

    async def serving(self) -> str:
        """Wait until users are served; returns where."""
        await self.shop_when(lambda shop: shop.get("url") and _served(shop, "stable") == 10_000)
        shop = self.shop()
        assert shop
        return str(shop["url"])

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:]) if self.log.exists() else ""

    # --- what runs --------------------------------------------------------------------------------------

    def running(self) -> dict[int, str]:
        """Router and components of this state, by pid: whatever carries its marker."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if str(self.state.resolve()) in (marker := process.environ().get(MARKER, "")):
                    found[process.pid] = marker.partition(":")[0]
        return found

    def end(self) -> None:
        """Whatever happened: nothing of it runs afterwards, and the test fails if something had to be killed."""
        for controller in self.controllers:
            if controller.poll() is None:
                controller.terminate()
        stubborn = []
        for controller in self.controllers:
            try:
                controller.wait(20)
            except subprocess.TimeoutExpired:
                stubborn.append(controller.pid)
                controller.kill()
                controller.wait()
        asyncio.run(stop_serving(self.location))
        left = self.running()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not stubborn, f"controllers did not end: {stubborn}\n{self.tail()}"
        assert not left, f"left behind: {left}"


@contextmanager
def a_stage(folder: Path) -> Iterator[Stage]:
    """A stage that is empty of processes afterwards."""
    stage = Stage(folder)
    try:
        yield stage
    finally:
        stage.end()


def share(shop: dict[str, Any], variant: str) -> int | None:
    """Decided basis points, None for a variant that is not there."""
    return next((one["share"] for one in shop.get("variants", ()) if one["name"] == variant), None)


def _served(shop: dict[str, Any], variant: str) -> int | None:
    return next((one.get("served") for one in shop.get("variants", ()) if one["name"] == variant), None)


served = _served
