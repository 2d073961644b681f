"""C25: after many passes a controller holds no more processes, files and memory than after a few hundred."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import psutil
import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.domain.decision import PersonAction
from tests.adapters.git.http_host import serve
from tests.scenarios.world import World

GROWTH = 8 << 20
"""Bytes that may be added between two looks a thousand passes apart: the allocator's, not the passes'."""


class Held:
    """What this process holds now."""

    def __init__(self) -> None:
        gc.collect()
        me = psutil.Process()
        children = me.children(recursive=True)
        self.zombies = {one.pid for one in children if one.status() == psutil.STATUS_ZOMBIE}
        self.children = len(children)
        self.files = len(list(Path("/proc/self/fd").iterdir()))
        self.threads = threading.active_count()
        self.resident = me.memory_info().rss


async def churn(world: World, repo: GitRepo, passes: int, *, decide_every: int) -> None:
    """Passes, and now and then something to decide and to record."""
    for number in range(passes):
        if number % decide_every == 0:
            world.ask(PersonAction.RESUME if (number // decide_every) % 2 else PersonAction.PAUSE)
        if number % 100 == 0:
            repo.maintain()
        await world.run_for(1)


async def soak(folder: Path, *, warm: int, passes: int, decide_every: int) -> tuple[Held, Held]:
    """What is held after a warm-up and after many more passes, with git over HTTP in every one of them."""
    world = World(folder, releases=[f"r{number}" for number in range(20)] + ["shop"])
    with serve(folder) as server:
        repo = GitRepo(server.url("origin.git"), mirror=folder / "soaked")
        world.wrap = lambda kind, port: repo if kind == "repo" else port
        world.restart()
        await churn(world, repo, warm, decide_every=decide_every)
        before = Held()
        await churn(world, repo, passes, decide_every=decide_every)
        after = Held()
        repo.close()
    world.check()
    world.close()
    return before, after


def same(before: Held, after: Held) -> None:
    # Other tests of this process may have left some; the passes must leave none.
    assert not after.zombies - before.zombies
    assert after.children <= before.children
    # One of the server's connections may be open at the moment of a look.
    assert after.files <= before.files + 2
    assert after.threads <= before.threads + 2


async def test_passes_leave_no_process_behind_and_no_file_open(tmp_path: Path) -> None:
    same(*await soak(tmp_path, warm=15, passes=30, decide_every=10))


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_c25_after_1500_passes_no_more_is_held_than_after_300(tmp_path: Path) -> None:
    before, after = await soak(tmp_path, warm=300, passes=1200, decide_every=25)
    same(before, after)
    assert after.resident <= before.resident + GROWTH, f"{(after.resident - before.resident) / (1 << 20):.1f} MiB more"
