"""``python -m tests.bench.webhooks``: from a push to the pass that decides on it, with a webhook and by polling.

The controller is ``Service`` as `run` has it, its repository is behind git's http-backend on loopback, and the
webhook is sent by the hook of that repository's host, as a forge does after it has taken a push.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import structlog

from releasectl.cli.location import Location
from releasectl.cli.service import Service
from releasectl.controller.passes import Report
from releasectl.domain.status import StatusReport
from releasectl.ports import Commit
from tests.adapters.api.hooks import SECRET, encoded, signed
from tests.adapters.git.http_host import serve
from tests.scenarios.world import World

RUNS = 15
INTERVAL = 1.0
"""Seconds between polls where nothing is asked for otherwise."""


async def _measured(folder: Path, url: str, world: World, *, hooked: bool) -> list[float]:
    service = await Service.start(
        Location(url, "main", "releasectl/ledger", folder / f"state-{hooked}"),
        cwd=folder,
        host="127.0.0.1",
        port=0,
        hook_secrets=[SECRET],
    )
    seen: dict[str, float] = {}
    news = asyncio.Event()

    def look(report: Report, _: StatusReport) -> None:
        if report.git.heads:
            seen.setdefault(report.git.heads.manifests, time.perf_counter())
        news.set()

    service.listen(look)
    stop = asyncio.Event()
    running = asyncio.create_task(service.until(stop))
    took = []
    async with httpx.AsyncClient() as forge:
        for number in range(RUNS):
            await asyncio.sleep(0.37)
            base = await asyncio.to_thread(world.person.fetch)
            note = Commit("Note", {f"notes/{number}-{hooked}.md": b"text"})
            commit = (await asyncio.to_thread(world.person.push, base, manifests=[note])).manifests
            pushed = time.perf_counter()
            if hooked:
                body = encoded({"ref": "refs/heads/main", "after": commit})
                answer = await forge.post(
                    f"{service.url}/v1/hooks/github",
                    content=body,
                    headers=signed("github", "push", body, delivery=str(number)),
                )
                assert answer.json() == {"taken": True}
            while commit not in seen:
                news.clear()
                await news.wait()
            took.append(seen[commit] - pushed)
    stop.set()
    await running
    await service.close()
    return took


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as name, serve(Path(name)) as server:
        world = World(Path(name), releases=())
        url = server.url("origin.git")
        for hooked in (True, False):
            took = sorted(asyncio.run(_measured(Path(name), url, world, hooked=hooked)))
            how = "with a webhook" if hooked else f"by polling every {INTERVAL:g} s"
            print(
                f"from a push to its pass, {how:24} median {statistics.median(took) * 1000:5.0f} ms"
                f"   worst of {RUNS} {took[-1] * 1000:5.0f} ms"
            )
        world.close()


if __name__ == "__main__":
    main()
