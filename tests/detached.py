"""Real routers and runners for tests, which leave no process behind; and waiting with a deadline."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from releasectl.adapters import processes
from releasectl.adapters.traffic.envoy import EnvoyRouter
from releasectl.adapters.workloads.local import LocalWorkloads
from releasectl.adapters.workloads.patience import Patience

HASTE = Patience(
    first_delay=0.05, longest_delay=0.4, steady=1.0, grace=1.0, probe_timeout=0.3, probe_interval=0.05, unanswered=3
)


@asynccontextmanager
async def an_envoy(directory: Path, *, drain: float = 0.3, port: int = 0) -> AsyncIterator[EnvoyRouter]:
    """A router that has not been started; whatever it starts has ended afterwards."""
    router = EnvoyRouter(directory, port=port, drain=timedelta(seconds=drain), concurrency=2)
    try:
        yield router
    finally:
        await router.stop()
        await router.close()
        assert not left("envoy", directory), "an Envoy was left behind"


@asynccontextmanager
async def a_runner(
    directory: Path, *, cwd: Path | None = None, drain: float = 0.2, patience: Patience = HASTE
) -> AsyncIterator[LocalWorkloads]:
    """A runner in a hurry; whatever it starts has ended afterwards."""
    runner = LocalWorkloads(directory, cwd=cwd or directory.parent, drain=timedelta(seconds=drain), patience=patience)
    try:
        yield runner
    finally:
        await runner.stop_all()
        await runner.close()
        assert not left("workload", directory), "a workload was left behind"


def left(kind: str, directory: Path) -> list[int]:
    """Process ids of what runs for a state directory: ``envoy`` or ``workload``."""
    found = processes.find(f"{kind}:{directory.resolve()}")
    return sorted(running.pid for group in found.values() for running in group)


async def until(look: Callable[[], Any], so: Callable[[Any], object] = bool, *, within: float = 10.0) -> Any:
    """Look again and again until what is seen is so; AssertionError with the last sight after the deadline."""
    deadline = time.monotonic() + within
    while True:
        sight = look()
        if inspect.isawaitable(sight):
            sight = await sight
        if so(sight):
            return sight
        assert time.monotonic() < deadline, f"not within {within:g} s; last seen: {sight}"
        await asyncio.sleep(0.02)
