"""How long a supervisor waits for what, in seconds."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Defaults fit model servers, which start slowly and answer late under load; tests use shorter ones."""

    first_delay: float = 1.0
    """Before a process that has ended is started again; doubles each time."""
    longest_delay: float = 60.0
    steady: float = 30.0
    """Ready for so long, its failures are forgotten."""
    failures: int = 3
    """Ends in a row after which it counts as failed."""
    unanswered: int = 5
    """Probes in a row that a ready process may leave unanswered before it is started anew."""
    grace: float = 5.0
    """From the request to end to the end by force."""
    probe_timeout: float = 2.0
    probe_interval: float = 1.0
    """Between probes of a ready process; one that is starting is probed at every look."""

    def delay(self, failures: int) -> float:
        """Back-off after so many failures in a row, spread so that many do not come back together."""
        doubled = self.first_delay * 2.0 ** min(failures - 1, 30)
        return min(doubled, self.longest_delay) * random.uniform(0.8, 1.0)  # noqa: S311 - no secret
