"""The promotion bots of one forge: rounds over the subscriptions, beside the passes and beside the desk."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from releasectl.errors import ReleasectlError
from releasectl.ports import Clock
from releasectl.pulls.proposals import Proposer
from releasectl.pulls.seen import Reading

log = structlog.get_logger(__name__)


class Bots:
    """Reads the repository and lets the proposer look. A round that fails is told once and followed by the next."""

    def __init__(self, proposer: Proposer, reading: Reading, clock: Clock) -> None:
        self.proposer = proposer
        self._reading = reading
        self._clock = clock
        self._told = ""

    async def run(self, every: timedelta) -> None:
        """Rounds until cancelled; each subscription is looked at when its own interval has passed."""
        while True:
            try:
                await self.proposer.look(await self._reading.look(), self._clock.now())
                self._told = ""
            except ReleasectlError as error:
                if error.message != self._told:
                    log.warning("bots wait", error=error.message, hint=error.hint)
                self._told = error.message
            except Exception:
                log.exception("fault in releasectl", where="bots")
            await asyncio.sleep(every.total_seconds())
