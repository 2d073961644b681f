"""``python -m tests.bench.passes``: a pass over many releases at rest, decisions a second, and what they cost.

Real git and SQLite in a temporary folder; router and workloads in memory, so that what is timed is ours.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import tempfile
import time
from pathlib import Path

import structlog

from tests.scenarios.world import World


async def idle(count: int, folder: Path) -> list[tuple[str, str]]:
    """Adopt ``count`` releases in one pass, then look at them while nothing happens."""
    world = World(folder, releases=[f"release-{number}" for number in range(count)])
    world.users.requests_per_second = 0
    try:
        started = time.perf_counter()
        await world.run_pass()
        first = time.perf_counter() - started
        started = time.perf_counter()
        await world.run_pass()
        adopting = time.perf_counter() - started
        await world.run_pass()
        looks = []
        for _ in range(5):
            started = time.perf_counter()
            await world.run_for(1)
            looks.append(time.perf_counter() - started)
        adopted = len(world.states())
    finally:
        world.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        (f"first pass: read {count} manifests, start workloads", f"{first:.2f} s"),
        (
            f"adopt {adopted} releases: decide, record in one push",
            f"{adopting:.2f} s, {adopted / adopting:.0f} a second",
        ),
        (f"a pass over {count} releases at rest (best of {len(looks)})", f"{min(looks) * 1000:.0f} ms"),
        ("largest memory of the process", f"{peak:.0f} MiB"),
    ]


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", type=int, default=1000)
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(idle(parser.parse_args().releases, Path(folder)))
    for name, value in rows:
        print(f"{name:60} {value}")


if __name__ == "__main__":
    main()
