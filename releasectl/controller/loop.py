"""Passes, one after the other, until told to stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta

import structlog

from releasectl.controller.passes import Controller, Report

log = structlog.get_logger(__name__)

QUICK = timedelta(milliseconds=150)
"""Between looks while a process starts or a route settles: users wait for nothing here, people do."""
LONGEST_SULK = timedelta(seconds=30)
_GATHERING = timedelta(milliseconds=20)
"""After being woken: what happens at a git host comes in several events, and many of them need one pass."""


async def run_until_stopped(
    controller: Controller,
    *,
    stop: asyncio.Event,
    on_report: Callable[[Report], None],
    wake: asyncio.Event | None = None,
) -> None:
    """Run passes at the pace of the fastest environment until ``stop`` is set; the pass under way is finished.

    ``wake`` brings the next pass forward and is taken back by it: it says that a look is worth while, not at what.
    Traffic stays as it is when this returns. A pass that fails as a whole is our bug: it is logged and tried
    again, ever more slowly.
    """
    failures = 0
    woken = wake or asyncio.Event()
    while not stop.is_set():
        woken.clear()
        try:
            report = await controller.run_pass()
            failures = 0
            on_report(report)
            pause = QUICK if report.busy else _interval(controller)
        except Exception:
            failures += 1
            log.exception("a pass failed", failures=failures)
            pause = min(LONGEST_SULK, timedelta(seconds=2.0 ** min(failures, 10)))
        # Being woken mends no bug: after a failure the time is waited for.
        await _wait(stop, asyncio.Event() if failures else woken, pause.total_seconds() * random.uniform(0.95, 1.05))  # noqa: S311


def _interval(controller: Controller) -> timedelta:
    sites = [controller.sites.get(name) for name in controller.sites.names]
    intervals = [site.environment.spec.interval for site in sites if site]
    return min(intervals, default=timedelta(seconds=1))


async def _wait(stop: asyncio.Event, wake: asyncio.Event, seconds: float) -> None:
    """Until the time has passed, or one of the two is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in (stop, wake)]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()
    if wake.is_set() and not stop.is_set():
        await asyncio.sleep(min(seconds, _GATHERING.total_seconds()))
