"""A webhook brings the next pass forward; without one the pace of polling stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from releasectl.api.hook_events import HookEvent, HookKind
from releasectl.cli.location import Location
from releasectl.cli.service import Service
from releasectl.controller.loop import run_until_stopped
from releasectl.controller.passes import Report
from tests.scenarios.world import World


class Looping:
    """A controller that runs passes by itself, an hour apart."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.wake = asyncio.Event()
        self.stop = asyncio.Event()
        self.reports: asyncio.Queue[Report] = asyncio.Queue()

    async def run(self) -> None:
        await run_until_stopped(
            self._world.controller, stop=self.stop, on_report=self.reports.put_nowait, wake=self.wake
        )

    async def at_rest(self) -> None:
        """Passes until one finds nothing to do; the next is an hour away."""
        while (await asyncio.wait_for(self.reports.get(), 30)).busy:
            pass


@asynccontextmanager
async def looping(world: World) -> AsyncIterator[Looping]:
    world.write("environments/local.yaml", world.read("environments/local.yaml") + "spec: {interval: 1h}\n")
    world.restart()
    loop = Looping(world)
    running = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        loop.stop.set()
        await running


async def test_a_wake_makes_the_next_pass_come_at_once(world: World) -> None:
    async with looping(world) as loop:
        await loop.at_rest()
        world.add_candidate("2")
        loop.wake.set()
        report = await asyncio.wait_for(loop.reports.get(), 30)
        assert "next" in {one.name for one in report.git.desired.desired["shop"].release.spec.candidates}
        assert not loop.wake.is_set()


async def test_many_wakes_at_once_make_one_pass(world: World) -> None:
    async with looping(world) as loop:
        await loop.at_rest()
        for _ in range(100):
            loop.wake.set()
            await asyncio.sleep(0)
        await asyncio.wait_for(loop.reports.get(), 30)
        with suppress(TimeoutError):
            await asyncio.wait_for(loop.reports.get(), 0.2)
            pytest.fail("a second pass was made")


async def test_pushes_that_were_seen_already_and_of_other_branches_wake_nobody(tmp_path: Path) -> None:
    world = World(tmp_path, releases=())
    service = await Service.start(
        Location(str(world.origin), "main", "releasectl/ledger", tmp_path / "state"),
        cwd=tmp_path,
        host="127.0.0.1",
        port=0,
    )
    pulls: list[int] = []
    service.listen_to_pulls(pulls.append)
    try:
        await service.once()
        seen = world.person.fetch().manifests
        for event in (
            HookEvent(HookKind.PUSH, "main", seen),
            HookEvent(HookKind.PUSH, "feature", "1" * 40),
            HookEvent(HookKind.PULL, pull=7),
            HookEvent(HookKind.COMMENT, pull=8),
        ):
            service.heard(event)
            assert not service.woken, event
        assert pulls == [7, 8]
        service.heard(HookEvent(HookKind.PUSH, "main", "1" * 40))
        assert service.woken
    finally:
        await service.close()
        world.close()


async def test_a_webhook_that_comes_before_the_controller_is_wired_does_no_harm(tmp_path: Path) -> None:
    service = Service(Location(str(tmp_path / "origin.git"), "main", "releasectl/ledger", tmp_path / "state"), "here")
    pulls: list[int] = []
    service.listen_to_pulls(pulls.append)
    service.heard(HookEvent(HookKind.PULL, pull=7))
    service.heard(HookEvent(HookKind.PUSH, "main", "1" * 40))
    assert (pulls, service.woken) == ([7], True)
