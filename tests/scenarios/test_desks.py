"""Desks come and go with what manifests say, and a forge that is gone delays no pass."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from releasectl.adapters.forge.memory import MemoryForge
from releasectl.cli.desks import Desks
from releasectl.cli.location import Location
from releasectl.cli.wiring import SteadyClock
from releasectl.domain.forge import ForgeSpec
from releasectl.errors import Unavailable
from releasectl.ports import Forge, Pull
from tests.scenarios.pulling import FORGED
from tests.scenarios.world import ENVIRONMENT, World


class Gone(MemoryForge):
    """Takes its time and then does not answer."""

    def __init__(self) -> None:
        super().__init__(heads=lambda _: None, land=lambda _: "")
        self.asked = asyncio.Event()

    async def open_pulls(self) -> list[Pull]:
        self.asked.set()
        await asyncio.sleep(60)
        raise Unavailable("nobody answers")


def desks(world: World, forge: Forge) -> tuple[Desks, list[ForgeSpec | None]]:
    made: list[ForgeSpec | None] = []

    def forges(spec: ForgeSpec | None) -> Forge:
        made.append(spec)
        return forge

    location = Location(str(world.origin), "main", "releasectl/ledger", world.folder / "state")
    return Desks(location, world.store, SteadyClock(), forges=forges, every=timedelta(seconds=60)), made


async def test_a_forge_that_is_gone_delays_no_pass_and_no_end(world: World) -> None:
    forge = Gone()
    found, _ = desks(world, forge)
    world.write("environments/local.yaml", FORGED, "Name the forge", by="ada")
    found.take(await world.run_pass())
    await forge.asked.wait()
    world.add_candidate()
    for _ in range(3):
        found.take(await world.run_pass())
        await world.run_for(1)
    assert world.state().progress is not None
    await found.close()
    assert not running()


async def test_desks_follow_the_manifests(world: World) -> None:
    forge = MemoryForge(heads=lambda _: None, land=lambda _: "")
    found, made = desks(world, forge)
    found.take(await world.run_pass())
    assert made == []
    world.write("environments/local.yaml", FORGED, "Name the forge", by="ada")
    found.take(await world.run_pass())
    found.take(await world.run_pass())
    assert [spec.project for spec in made if spec] == ["acme/models"]
    world.write("environments/local.yaml", ENVIRONMENT, "Take it out", by="ada")
    found.take(await world.run_pass())
    await found.close()
    assert len(made) == 1
    assert not running()


def running() -> bool:
    """Whether the task of some desk is still there."""
    return any(getattr(task.get_coro(), "__qualname__", "") == "Desk.run" for task in asyncio.all_tasks())
