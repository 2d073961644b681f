"""``python -m tests.bench.latency``: what people and users wait for, on this machine.

Commands are whole processes. The rest is a stage of its own for each round: a bare repository, a controller as
a process, a real Envoy, components over HTTP, 200 requests a second on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.e2e import measures
from tests.e2e.stage import Stage, Users, a_stage

Row = tuple[str, Sequence[float]]


def commands(folder: Path, rounds: int) -> list[Row]:
    """Wall-clock and processor time of commands, without a controller and with one."""
    with a_stage(folder) as stage:
        stage.call("status")
        rows = timed("--help", [sys.executable, "-m", "releasectl", "--help"], rounds)
        rows += timed("status, from git alone", stage.command("status"), rounds)
        rows += timed("history", stage.command("history"), rounds)
        stage.run()
        asyncio.run(stage.serving())
        rows += timed("status, from the controller", stage.command("status"), rounds)
    return rows


def timed(name: str, command: Sequence[str], rounds: int) -> list[Row]:
    walls, processors = [], []
    for _ in range(rounds):
        before, started = _children_seconds(), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        walls.append(time.perf_counter() - started)
        processors.append(_children_seconds() - before)
    return [(f"{name}: wall clock", walls), (f"{name}: processor", processors)]


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def trial(stage: Stage) -> dict[str, float]:
    """One candidate from its merge to its end."""
    stage.run()
    url = await stage.serving()
    async with Users(url, per_second=200) as users:
        merged = await measures.first_request(stage, users)
        seen = await measures.rollback(stage, users)
    failed = sum(count for status, count in seen.statuses["stable"].items() if status != 200)
    return {
        "merge of a candidate -> its first request": merged,
        "first bad answer of a candidate at 10 % -> its last": seen.seconds,
        "bad answers that users got meanwhile (count)": float(seen.bad_answers),
        "requests of stable that failed (count)": float(failed),
        "requests lost (count)": float(len(seen.lost)),
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="trials, and runs of each command")
    rounds = parser.parse_args().rounds
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        rows += commands(Path(folder), rounds)
    trials = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, a_stage(Path(folder)) as stage:
            trials.append(asyncio.run(trial(stage)))
    rows += [(name, [one[name] for one in trials]) for name in trials[0]]
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {rounds} rounds; seconds")
    print(f"{'':56}{'median':>9}{'least':>9}{'most':>9}")
    for name, values in rows:
        print(f"{name:56}{statistics.median(values):9.2f}{min(values):9.2f}{max(values):9.2f}")


if __name__ == "__main__":
    main()
