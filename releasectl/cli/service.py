"""A controller with its API: what `run` keeps up and the demo drives."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from releasectl.api.app import create_app
from releasectl.api.hook_events import HookEvent, HookKind
from releasectl.api.origin import LOOPBACK
from releasectl.api.server import ApiServer
from releasectl.api.webhooks import Webhooks, webhooks_app
from releasectl.cli.changes import Changes
from releasectl.cli.checkedout import refused_push
from releasectl.cli.desks import Desks
from releasectl.cli.late import Late
from releasectl.cli.location import Location
from releasectl.cli.reviewdesk import ReviewDesk
from releasectl.cli.roundup import tell_pass
from releasectl.cli.telemetry import Telemetry
from releasectl.cli.wiring import SteadyClock, Wired, wire
from releasectl.controller.assignment import FROM_API, assignment_document
from releasectl.controller.loop import run_until_stopped
from releasectl.controller.passes import Report
from releasectl.controller.status import StatusBoard
from releasectl.domain.decision import EffectiveState
from releasectl.domain.reasons import Reason
from releasectl.domain.status import StatusReport, SubscriptionStatus
from releasectl.errors import Denied, Unavailable
from releasectl.ports import Heads

log = structlog.get_logger(__name__)

TIDY_SECONDS = 3600.0
KEEP_EVENTS = timedelta(days=90)
"""Predictions and outcomes older than this are dropped from the local log."""


class Service:
    """Made by ``start``. Nothing it starts outside this process ends with it."""

    def __init__(self, location: Location, repository: str) -> None:
        self.repository = repository
        self.url = ""
        self._location = location
        self._board = StatusBoard(repository)
        self._registry = CollectorRegistry()
        self._telemetry = Telemetry(self._registry)
        self._changes = Changes()
        self._listeners: list[Callable[[Report, StatusReport], None]] = []
        self._states: Mapping[str, EffectiveState] = {}
        self._desks: Desks | None = None
        self._servers: list[ApiServer] = []
        self._heads: Heads | None = None
        self._wake = asyncio.Event()
        self._refused = refused_push(location)
        self._on_pulls: list[Callable[[int], None]] = []
        self.wired: Wired

    @classmethod
    async def start(
        cls,
        location: Location,
        *,
        cwd: Path,
        host: str,
        port: int,
        hook_secrets: Sequence[str] = (),
        hooks_at: tuple[str, int] | None = None,
        keep_features: bool = False,
    ) -> Service:
        """Listen, so that processes can be told where events go, then wire the controller.

        With ``hook_secrets`` webhooks are answered, and at ``hooks_at`` as well, where nothing else is. With
        ``keep_features`` the event log keeps what requests were about, for people who judge answers.
        """
        service = cls(location, location.shown_url)
        sink, desk = Late(), Late()
        webhooks = Webhooks(hook_secrets, service.heard, service._registry)
        app = create_app(
            events=sink,
            releases=service._releases,
            status=service._status_text,
            assignment=service._assignment,
            not_ready=service._not_ready,
            registry=service._registry,
            # Listening elsewhere than on loopback was asked for, so is being addressed by other names.
            hosts=LOOPBACK if host in LOOPBACK else None,
            webhooks=webhooks,
            desk=desk,
        )
        server = ApiServer(app, host=host, port=port or _last_port(location))
        service.url = f"http://{host}:{await server.start()}"
        service._servers.append(server)
        if hooks_at:
            outer = ApiServer(webhooks_app(webhooks), host=hooks_at[0], port=hooks_at[1])
            log.info("webhooks", listening=f"{hooks_at[0]}:{await outer.start()}")
            service._servers.append(outer)
        service.wired = wire(location, cwd=cwd, events_url=f"{service.url}/v1/events", keep_features=keep_features)
        service.listen_to_pulls(lambda _: service.wired.controller.pulls_moved())
        sink.target = service.wired.log
        desk.target = ReviewDesk(service.wired.log, service._state, lambda: datetime.now(UTC))
        location.controller_file.write_text(json.dumps({"pid": os.getpid(), "url": service.url}))
        return service

    def listen(self, on_report: Callable[[Report, StatusReport], None]) -> None:
        """Be told after each pass."""
        self._listeners.append(on_report)

    def listen_to_pulls(self, on_pull: Callable[[int], None]) -> None:
        """Be told the number of a pull request that a webhook says has changed or was commented on."""
        self._on_pulls.append(on_pull)

    def heard(self, event: HookEvent) -> None:
        """Take in what a webhook tells."""
        if event.kind is HookKind.PUSH:
            known = {self._location.branch: self._heads and self._heads.manifests}
            known[self._location.ledger] = self._heads and self._heads.ledger
            # Our own pushes come back as events: what was seen already wakes nobody.
            if event.branch in known and event.commit != known[event.branch]:
                self._wake.set()
        elif event.pull is not None:
            for on_pull in self._on_pulls:
                on_pull(event.pull)

    @property
    def woken(self) -> bool:
        """Whether the next pass was brought forward."""
        return self._wake.is_set()

    @property
    def status(self) -> StatusReport | None:
        """What the last pass saw."""
        return self._board.report

    async def once(self) -> int:
        """One pass. 6 if the repository or a router could not be reached, 70 if releasectl failed at a release."""
        report = await self.wired.controller.run_pass()
        tell_pass(report, self._take(report))
        away = report.git.heads is None or report.git.fault or any(view.router_fault for view in report.views.values())
        return 6 if away else 70 if report.faults else 0

    async def until(self, stop: asyncio.Event) -> None:
        """Passes until told to stop."""
        tidying = asyncio.create_task(self._tidy())
        self._desks = desks = Desks(self._location, self.wired.store, SteadyClock(), forges=self.wired.forges)
        self.listen_to_pulls(desks.poke)

        def take(report: Report) -> None:
            self._take(report)
            desks.take(report)

        try:
            await run_until_stopped(self.wired.controller, stop=stop, on_report=take, wake=self._wake)
        finally:
            tidying.cancel()
            await asyncio.gather(tidying, return_exceptions=True)
            await desks.close()

    async def _tidy(self) -> None:
        """Once in a while: drop old events, repack the mirror."""
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            try:
                await asyncio.to_thread(self.wired.log.prune, datetime.now(UTC) - KEEP_EVENTS)
                await asyncio.to_thread(self.wired.repo.maintain)
            except (Unavailable, Denied) as error:
                log.warning("tidying up was put off", error=error.message)

    async def close(self) -> None:
        """Stop listening and let go; traffic goes on."""
        for server in self._servers:
            await server.stop()
        await self.wired.close()
        self._location.controller_file.unlink(missing_ok=True)

    def entry_url(self, release: str) -> str | None:
        """Where users reach a release."""
        return next((url for router in self.wired.sites.routers if (url := router.entry_url(release))), None)

    def _take(self, report: Report) -> StatusReport:
        if self._refused:
            # Asked again only where there is something to remedy: it takes two calls of git.
            self._refused = refused_push(self._location)
        self._states = report.states
        self._heads = report.git.heads
        status = self._board.update(report, self.entry_url, (self._refused,) if self._refused else ())
        self._telemetry.observe(report, status)
        self._changes.tell(status)
        for listener in self._listeners:
            listener(report, status)
        return status

    def _releases(self) -> dict[str, Any]:
        status = self._board.report
        return {release.name: release.to_data() for release in status.releases} if status else {}

    def _state(self, release: str) -> EffectiveState | None:
        return self._states.get(release)

    def _assignment(self, release: str) -> Mapping[str, Any] | None:
        state = self._states.get(release)
        return assignment_document(state, datetime.now(UTC) + FROM_API) if state else None

    def _status_text(self) -> str | None:
        status = self._board.report
        if status is None:
            return None
        rows = sorted(self._desks.subscriptions.items()) if self._desks else ()
        told = tuple(
            SubscriptionStatus(name=name, message=one.told, fault=one.fault, pull=one.pull) for name, one in rows
        )
        return status.model_copy(update={"subscriptions": told}).model_dump_json(by_alias=True)

    def _not_ready(self) -> list[str]:
        status = self._board.report
        if status is None:
            return ["no pass has been made yet"]
        # These hinder no pass: to take the controller out for them would help nobody.
        harmless = (Reason.STORE_UNAVAILABLE.value, Reason.UNTRUSTED.value, Reason.BRANCH_CHECKED_OUT.value)
        return [problem for problem in status.problems if not problem.startswith(harmless)]


def _last_port(location: Location) -> int:
    """Port 0 takes a free one, but the same as last time: processes that still run were told that one."""
    path = location.state / "api-port"
    if path.exists():
        return int(path.read_text())
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(port))
    return port
