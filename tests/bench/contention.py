"""``python -m tests.bench.contention``: decisions recorded over HTTP, by one controller and by several that contend.

The git server (git's own http-backend, on loopback) and the controllers share this machine's cores; router and
workloads are in memory, so that what is timed is deciding, committing and pushing.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from pathlib import Path

import structlog

from tests.adapters.git.http_host import serve
from tests.scenarios.contention import ask_much, contend
from tests.scenarios.world import World


def _row(controllers: int, releases: int, decisions: int) -> str:
    shards = [[f"r{number}-{place}" for place in range(releases)] for number in range(controllers)]
    names = [name for shard in shards for name in shard]
    with tempfile.TemporaryDirectory() as name, serve(Path(name)) as server:
        world = World(Path(name), releases=names)
        ask_much(world, names, decisions - 1)
        began = time.perf_counter()
        contenders = asyncio.run(contend(Path(name), server.url("origin.git"), shards, decisions))
        took = time.perf_counter() - began
        world.close()
    pushes, lost = sum(one.repo.pushes for one in contenders), sum(one.repo.lost for one in contenders)
    recorded = sum(one.recorded for one in contenders)
    return f"{controllers:11} {recorded:9} {pushes:7} {lost:11} {took:9.1f} {recorded / took:8.1f}"


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=50, help="of each of the 8 contending controllers")
    wanted = parser.parse_args().decisions
    print("controllers decisions  pushes  lost races   seconds a second")
    print(_row(1, 500, 1))
    print(_row(1, 50, 10))
    print(_row(1, 1, 50))
    print(_row(8, 1, wanted))


if __name__ == "__main__":
    main()
