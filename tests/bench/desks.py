"""``python -m tests.bench.desks``: how long passes are held up while a pull request is planned.

The longest time that the event loop, in which passes run, was late for a tick of 5 ms: with nothing to do, with the
plan made in a thread, and in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from releasectl.adapters.git.repo import GitRepo
from releasectl.cli.planner import Planner
from releasectl.pulls.check import Merge, plan_of
from tests.bench.plan import repository
from tests.scenarios.world import run_git

TICK = 0.005
PLANS = 5


async def latest(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Seconds that the loop was late at most while something was done, and that this took."""
    late, ended = 0.0, asyncio.Event()

    async def ticks() -> None:
        nonlocal late
        while not ended.is_set():
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            late = max(late, time.perf_counter() - due)

    ticking, started = asyncio.create_task(ticks()), time.perf_counter()
    await asyncio.sleep(0)
    await work()
    took = time.perf_counter() - started
    ended.set()
    await ticking
    return late, took


async def measure(folder: Path, count: int) -> None:
    origin, clone = repository(folder, count)
    run_git("push", "--quiet", "origin", "HEAD:refs/pull/1/head", cwd=clone)
    repo, planner = GitRepo(str(origin), mirror=folder / "pulls"), Planner(folder / "pulls")
    heads, head = repo.fetch(), repo.pull_head("refs/pull/1/head", 1)
    tree = repo.merged(heads.manifests, head)
    merge = Merge(heads.manifests, head, tree, heads.ledger, datetime.now(UTC))
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "nothing": lambda: asyncio.sleep(2),
        "a thread": lambda: asyncio.to_thread(plan_of, repo, merge),
        "a process": lambda: planner(merge),
    }
    try:
        for title, work in ways.items():
            found = [await latest(work) for _ in range(PLANS)]
            late = ", ".join(f"{1000 * one:.0f}" for one, _ in found)
            took = ", ".join(f"{one:.1f}" for _, one in found)
            print(f"{title} ({count} releases)".ljust(30), f"late by {late} ms at most; took {took} s")
    finally:
        await planner.close()
        repo.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", type=int, default=1000)
    count = parser.parse_args().releases
    os.environ |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gc.auto", "GIT_CONFIG_VALUE_0": "0"}
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(Path(name), count))


if __name__ == "__main__":
    main()
