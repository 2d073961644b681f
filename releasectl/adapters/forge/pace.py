"""How fast one host may be asked: a token bucket, and the pause that the host itself wants.

Time is monotonic seconds. A short wait is slept through; a long one is the caller's to plan, so it is raised as
Unavailable with the time to wait: a pass that guards traffic must not sleep because a forge is busy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from releasectl.errors import Unavailable

RATE_PER_SECOND = 10.0
BURST = 20.0
LONGEST_SLEEP = 2.0
LONGEST_PAUSE = timedelta(minutes=15)
"""No longer than this is a host left alone, whatever it asks for."""


class Pace:
    """Shared by all that ask one host."""

    def __init__(
        self,
        *,
        rate: float = RATE_PER_SECOND,
        burst: float = BURST,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """``rate`` requests per second in the long run, ``burst`` at once."""
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._tokens = burst
        self._counted_at = clock()
        self._not_before = clock()

    async def turn(self, host: str) -> None:
        """Wait until a request may be sent. Raises Unavailable where that would take long."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._rate)
        self._counted_at = now
        wait = max(self._not_before - now, (1 - self._tokens) / self._rate)
        if wait > LONGEST_SLEEP:
            raise Unavailable(
                f"{host} is asked no more for {wait:.0f} s",
                hint="too many requests",
                retry_after=timedelta(seconds=wait),
            )
        # Taken before the sleep, so that those who come meanwhile queue up behind.
        self._tokens -= 1
        if wait > 0:
            await self._sleep(wait)

    def pause(self, span: timedelta) -> timedelta:
        """The host wants to be left alone; returns for how long it is."""
        span = min(max(span, timedelta(0)), LONGEST_PAUSE)
        self._not_before = max(self._not_before, self._clock() + span.total_seconds())
        return span
