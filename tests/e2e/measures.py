"""What users wait for, measured on a stage: tests assert it generously, the bench prints it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.e2e.stage import Stage, Users, served, share


@dataclass(frozen=True)
class Rollback:
    """From the first poisoned answer to share 0 at the router, in seconds, and what users saw meanwhile."""

    seconds: float
    statuses: dict[str, dict[int, int]]
    lost: list[str]
    bad_answers: int


async def first_request(stage: Stage, users: Users) -> float:
    """Seconds from the merge of a candidate to its first answer."""
    merged = await asyncio.to_thread(stage.propose)
    deadline = time.time() + 60
    while "next" not in users.first_seen:
        assert time.time() < deadline, f"the candidate got no request\n{stage.tail()}"
        await asyncio.sleep(0.01)
    return users.first_seen["next"] - merged


async def rollback(stage: Stage, users: Users, *, healthy_seconds: float = 2.0, rate: float = 0.3) -> Rollback:
    """A candidate that serves 10 % turns bad: how long until it serves nothing?

    The clock starts at its first bad answer and ends when the router's own configuration gives it no share; the
    last answer that a user got from it is checked against that.
    """
    await stage.shop_when(lambda shop: served(shop, "next") == 1000)
    await asyncio.sleep(healthy_seconds)
    await asyncio.to_thread(poison, stage, rate)
    note = stage.poison.with_suffix(".first")
    deadline = time.time() + 60
    while not note.exists() or not note.read_text():
        assert time.time() < deadline, "no bad answer was given"
        await asyncio.sleep(0.005)
    began = float(note.read_text())
    await stage.shop_when(lambda shop: share(shop, "next") is None and served(shop, "stable") == 10_000)
    ended = users.last_seen["next"]
    bad = users.statuses["next"].get(500, 0)
    return Rollback(ended - began, dict(users.statuses), list(users.lost), bad)


def poison(stage: Stage, rate: float) -> None:
    """From now on the candidate fails at this rate."""
    part = stage.poison.with_suffix(".part")
    part.write_text(str(rate))
    part.replace(stage.poison)
