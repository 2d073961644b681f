"""A desk and bots for each forge that environments name, beside the passes.

Each is a task of its own with a mirror of its own. What goes wrong there, or takes long, delays comments only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from releasectl.adapters.git.repo import GitRepo
from releasectl.adapters.git.trailers import append_trailers
from releasectl.adapters.registries.registries import registry_of
from releasectl.cli.location import Location
from releasectl.cli.planner import Planner
from releasectl.controller.desired import DesiredSet
from releasectl.controller.passes import Report
from releasectl.domain.forge import ForgeSpec
from releasectl.errors import ReleasectlError
from releasectl.ports import Clock, Forge
from releasectl.pulls.bots import Bots
from releasectl.pulls.desk import Desk, Notes
from releasectl.pulls.proposals import Proposer, Standing
from releasectl.pulls.seen import Reading

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=30)
"""Between looks at the forge; a webhook brings the next one forward."""


@dataclass
class _Open:
    desk: Desk
    bots: Bots
    repos: tuple[GitRepo, ...]
    planner: Planner
    tasks: tuple[asyncio.Task[None], ...]


class Desks:
    """Follows what manifests say: a forge that is named gets a desk, one that is no longer named loses it."""

    def __init__(
        self,
        location: Location,
        notes: Notes,
        clock: Clock,
        *,
        forges: Callable[[ForgeSpec | None], Forge | None],
        every: timedelta = EVERY,
    ) -> None:
        self._location = location
        self._notes = notes
        self._clock = clock
        self._forges = forges
        self._every = every
        self._seen: DesiredSet | None = None
        self._open: dict[ForgeSpec, _Open] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def take(self, report: Report) -> None:
        """After each pass; does something only when the manifests have changed."""
        if report.git.desired is self._seen:
            return
        self._seen = report.git.desired
        found = (one.environment.spec.forge for one in report.git.desired.desired.values())
        named = {spec for spec in found if spec is not None}
        for gone in self._open.keys() - named:
            closing = asyncio.create_task(self._end(self._open.pop(gone)))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        for spec in named - self._open.keys():
            self._start(spec)

    def poke(self, number: int) -> None:
        """A webhook told of a pull request."""
        for one in self._open.values():
            one.desk.poke(number)

    @property
    def subscriptions(self) -> Mapping[str, Standing]:
        """What the last look at each subscription came to."""
        return {name: standing for one in self._open.values() for name, standing in one.bots.proposer.standing.items()}

    async def close(self) -> None:
        """End all of them; what a round has begun is made good by the next process."""
        for spec in list(self._open):
            await self._end(self._open.pop(spec))
        await asyncio.gather(*self._closing)

    def _start(self, spec: ForgeSpec) -> None:
        try:
            forge = self._forges(spec)
        except ReleasectlError as error:
            log.warning("no desk for pull requests", forge=spec.url, error=error.message, hint=error.hint)
            return
        if forge is None:
            log.info("no desk for pull requests: the forge has no token", forge=spec.url)
            return
        # Projects may share a host; each has a mirror of its own.
        name = "-".join(part for part in (spec.type, *spec.project.split("/")) if part.strip("."))
        repos = tuple(self._location.open_repo(mirror=f"mirror-{what}-{name}") for what in ("pulls", "bots"))
        planner = Planner(repos[0].directory)
        desk = Desk(forge, repos[0], self._notes, self._clock, where=self._location.shown_url, planner=planner)
        reading = Reading(repos[1])
        proposer = Proposer(
            forge=forge, branches=reading, registry=registry_of, with_trailers=append_trailers, spec=spec
        )
        bots = Bots(proposer, reading, self._clock)
        running = (desk.run(self._every), bots.run(self._every))
        self._open[spec] = _Open(desk, bots, repos, planner, tuple(asyncio.create_task(one) for one in running))
        log.info("pull requests are checked", forge=spec.url, project=spec.project)

    async def _end(self, one: _Open) -> None:
        for task in one.tasks:
            task.cancel()
        await asyncio.gather(*one.tasks, return_exceptions=True)
        await one.planner.close()
        await one.bots.proposer.aclose()
        for repo in one.repos:
            # A call to git that is under way in a thread is waited for.
            await asyncio.to_thread(repo.close)
