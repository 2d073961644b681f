"""How long to leave something alone that has failed: ever longer, and never quite as long as others do."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from releasectl.ports import Clock

LONGEST_PAUSE = timedelta(seconds=60)


class Backoff:
    """Counts failures in a row; doubles the pause with each, from one second up to ``LONGEST_PAUSE``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._until = clock.now()

    @property
    def waiting(self) -> bool:
        """Whether it is to be left alone now."""
        return self._clock.now() < self._until

    @property
    def until(self) -> datetime:
        """When it may be tried again."""
        return self._until

    def failed(self, *, at_least: timedelta | None = None) -> None:
        """It failed; ``at_least`` is the pause that the other side asked for."""
        self._failures += 1
        seconds = min(2.0 ** min(self._failures - 1, 10), LONGEST_PAUSE.total_seconds())
        pause = timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311
        self._until = self._clock.now() + max(pause, at_least or pause)

    def succeeded(self) -> None:
        """It worked: the next failure is the first again."""
        self._failures = 0
        self._until = self._clock.now()
