"""Controllers that each have releases of their own in one repository, all behind one git server.

What a controller is asked for comes as people's requests: each is answered by a decision, one a pass, so that the
number of decisions is known beforehand and every pass has something to push.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from releasectl.adapters.git.repo import GitRepo
from releasectl.adapters.git.trailers import append_trailers
from releasectl.adapters.store import SqliteStore
from releasectl.adapters.traffic.memory import MemoryRouter
from releasectl.adapters.workloads.memory import MemoryWorkloads
from releasectl.controller.ledger import dump, request_path
from releasectl.controller.passes import Controller
from releasectl.controller.site import Site
from releasectl.domain.decision import PersonAction, PersonRequest
from releasectl.errors import Conflict
from releasectl.ports import Commit, Heads, TreeEntry
from tests.scenarios.world import START, ManualClock, World


class Shard:
    """A repository of which only some releases are seen, and what became of each push."""

    def __init__(self, repo: GitRepo, releases: Sequence[str]) -> None:
        self._repo = repo
        self._mine = {f"releases/{name}.yaml" for name in releases} | set(releases)
        self.pushes = 0
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repo, name)

    def tree(self, commit: str) -> Mapping[str, TreeEntry]:
        return {path: entry for path, entry in self._repo.tree(commit).items() if self._sees(path)}

    def push(self, base: Heads, *, manifests: Sequence[Commit] = (), ledger: Sequence[Commit] = ()) -> Heads:
        try:
            heads = self._repo.push(base, manifests=manifests, ledger=ledger)
        except Conflict:
            self.lost += 1
            raise
        self.pushes += 1
        return heads

    def _sees(self, path: str) -> bool:
        return not path.startswith("releases/") or path in self._mine or path.split("/")[1] in self._mine


@dataclass
class Contender:
    """One controller, and how it fared."""

    repo: Shard
    controller: Controller
    store: SqliteStore
    passes: int = 0
    recorded: int = 0

    async def run(self, decisions: int) -> None:
        """Passes until so many decisions are recorded."""
        while self.recorded < decisions:
            before = self.repo.pushes
            report = await self.controller.run_pass()
            self.passes += 1
            self.recorded += len(report.recorded)
            assert self.repo.pushes - before == bool(report.recorded), "more than one push in a pass"


def ask_much(world: World, releases: Sequence[str], requests: int) -> None:
    """Ask each release so many times to pause or to resume, in one commit."""
    writes = {}
    for name in releases:
        for number in range(requests):
            action = PersonAction.RESUME if number % 2 else PersonAction.PAUSE
            at = START + timedelta(seconds=number)
            request = PersonRequest(id=f"{number:04d}", action=action, by="ada", at=at, reason="because")
            writes[request_path(name, request.id)] = dump(request)
    if writes:
        world.person.push(world.person.fetch(), ledger=[Commit("Ask for much", writes)])


def contender(folder: Path, url: str, releases: Sequence[str]) -> Contender:
    """A controller with a mirror, a store and a data plane of its own."""
    folder.mkdir()
    repo = Shard(GitRepo(url, mirror=folder / "mirror"), releases)
    store = SqliteStore(folder / "evidence.sqlite")
    router, workloads = MemoryRouter(), MemoryWorkloads()
    controller = Controller(
        repo=repo,
        store=store,
        sites=lambda environment, _: Site(environment, router, workloads, ()),
        clock=ManualClock(),
        with_trailers=append_trailers,
        git_patience=timedelta(minutes=5),
    )
    return Contender(repo, controller, store)


async def contend(folder: Path, server_url: str, shards: Sequence[Sequence[str]], decisions: int) -> list[Contender]:
    """A controller for each shard, all at once, until each release has its decisions: adopted, then asked."""
    contenders = [contender(folder / f"controller-{number}", server_url, some) for number, some in enumerate(shards)]
    try:
        await asyncio.gather(*(one.run(decisions * len(some)) for one, some in zip(contenders, shards, strict=True)))
    finally:
        for one in contenders:
            one.repo.close()
            one.store.close()
    return contenders
