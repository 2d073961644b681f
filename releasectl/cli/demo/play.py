"""The story, played: chapters one after the other, each until the controller has decided it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from releasectl.cli.decisions import Recorded, history
from releasectl.cli.demo.controller import DemoController
from releasectl.cli.demo.readers import Readers
from releasectl.cli.demo.stage import Stage
from releasectl.cli.demo.telling import Teller
from releasectl.domain.status import ReleaseStatus
from releasectl.errors import Unavailable

LONGEST_SECONDS = 300.0
"""Mostly it takes 60 or so; a machine that has much else to do gives readers fewer answers to judge by."""
LOOK_SECONDS = 0.25

T = TypeVar("T")


@dataclass
class Ending:
    """How the demo ended."""

    decisions: list[Recorded] = field(default_factory=list)
    """The ledger, oldest first."""
    wrong: list[str] = field(default_factory=list)
    """What is not as the story has it."""
    answered: int = 0
    failed: dict[str, int] = field(default_factory=dict)


async def play(stage: Stage, teller: Teller) -> Ending:
    """Play to the end, or until the time is up; nothing runs any more when this returns."""
    ending = Ending()
    until = time.monotonic() + LONGEST_SECONDS
    async with DemoController(stage) as controller:
        try:
            await _tell(stage, controller, teller, until, ending)
        except Unavailable as error:
            ending.wrong += [error.message, *_last_words(controller, stage)]
    _check(stage, ending)
    return ending


async def _tell(stage: Stage, controller: DemoController, teller: Teller, until: float, ending: Ending) -> None:
    teller.say("The controller starts the models; stable must be ready before anybody is served.")
    first = await _until(lambda: _serving(controller, stage, teller), until, "stable to serve")
    readers = Readers(stage.story, first.url or "", controller.events_url)
    stop = asyncio.Event()
    reading = asyncio.create_task(readers.read(stop))
    teller.say(f"Readers send lines of the press to {first.url}")
    try:
        for chapter in stage.story.CHAPTERS:
            await _chapter(stage, chapter, controller, teller, until)
    finally:
        stop.set()
        await reading
        ending.answered = sum(readers.answered.values())
        ending.failed = dict(readers.failed)


def _last_words(controller: DemoController, stage: Stage) -> list[str]:
    """What the controller says of it, for whoever must find out why."""
    try:
        report = controller.status()
    except Unavailable:
        return []
    if report is None:
        return [f"the controller does not answer; its log is {controller.log}"]
    release = next((one for one in report.releases if one.name == stage.story.RELEASE), None)
    condition = release.condition if release else None
    return [*report.problems, *([f"{condition.reason}: {condition.message}"] if condition else [])]


async def _chapter(stage: Stage, chapter: Any, controller: DemoController, teller: Teller, until: float) -> None:
    teller.chapter(chapter)
    await asyncio.to_thread(stage.propose, chapter)
    done = await _until(
        lambda: _decided(controller, stage, chapter, teller), until, f"a decision on {chapter.candidate}"
    )
    if done.last:
        teller.say(f"{done.last.action} {done.last.reason}: {done.last.message}")


def _serving(controller: DemoController, stage: Stage, teller: Teller) -> ReleaseStatus | None:
    release = _release(controller, stage, teller)
    return release if release and release.url and all(one.served is not None for one in release.variants) else None


def _decided(controller: DemoController, stage: Stage, chapter: Any, teller: Teller) -> ReleaseStatus | None:
    release = _release(controller, stage, teller)
    if release is None or release.last is None or release.unrecorded:
        return None
    ended = release.last.candidate == chapter.candidate and release.last.action in ("ROLLBACK", "PROMOTE")
    served = all(one.served in (None, one.share) for one in release.variants)
    return release if ended and served else None


def _release(controller: DemoController, stage: Stage, teller: Teller) -> ReleaseStatus | None:
    report = controller.status()
    if report is None:
        return None
    release = next((one for one in report.releases if one.name == stage.story.RELEASE), None)
    if release is not None:
        teller.show(release, report.at)
    return release


async def _until(look: Callable[[], T | None], until: float, what: str) -> T:
    while time.monotonic() < until:
        found = await asyncio.to_thread(look)
        if found is not None:
            return found
        await asyncio.sleep(LOOK_SECONDS)
    raise Unavailable(f"the time is up, waiting for {what}")


def _check(stage: Stage, ending: Ending) -> None:
    """Compare what stands in git with the story."""
    repo = stage.location.open_repo(mirror="mirror-check")
    try:
        heads = repo.fetch()
        ending.decisions = list(reversed(history(repo, heads.ledger, stage.story.RELEASE, None)))
    finally:
        repo.close()
    ends = [one.fields for one in ending.decisions if one.fields["action"] in ("ROLLBACK", "PROMOTE")]
    found = [(one.get("variant"), one["action"], one["reason"]) for one in ends]
    wanted = [(one.candidate, one.action, one.reason) for one in stage.story.CHAPTERS]
    if found != wanted:
        ending.wrong.append(f"git holds the decisions {found}, the story has {wanted}")
