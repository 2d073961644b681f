"""How far the event log can be believed: how many predictions have their outcome, and how many were lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from releasectl.adapters.metrics.event_log import EventLog, milliseconds

_COUNT = """
SELECT COUNT(*), COALESCE(SUM(EXISTS (SELECT 1 FROM joined j WHERE j.exposure = s.id AND j.metric = :outcome)), 0)
FROM shown s WHERE s.release = :release AND s.id = s.exposure AND s.ts > :after AND s.ts <= :until
"""
_LOGGED = """
SELECT COUNT(DISTINCT request_id) FROM prediction
WHERE release = ? AND variant = ? AND mirrored = 0 AND ts > ? AND ts <= ?
"""


@dataclass(frozen=True)
class Cohort:
    """Exposures of one range of ages."""

    younger_than: timedelta
    exposures: int
    with_outcome: int

    @property
    def maturity(self) -> float | None:
        """Share of them that have their outcome; None where there are none."""
        return self.with_outcome / self.exposures if self.exposures else None


def label_maturity(
    log: EventLog, release: str, outcome: str, edges: Sequence[timedelta], now: datetime
) -> tuple[Cohort, ...]:
    """Cohorts by age at ``now``, between growing ``edges`` that begin with 0. Arms are compared at equal age only."""
    with log.reading() as db:
        cohorts = []
        for younger, older in pairwise(edges):
            until, after = milliseconds(now - younger), milliseconds(now - older)
            given = {"release": release, "outcome": outcome, "after": after, "until": until}
            exposures, having = db.execute(_COUNT, given).fetchone()
            cohorts.append(Cohort(older, int(exposures), int(having)))
        return tuple(cohorts)


def logged_requests(log: EventLog, release: str, variant: str, start: datetime, end: datetime) -> int:
    """Requests of a variant that were logged with a time in (start, end]; mirrored copies are none."""
    with log.reading() as db:
        bounds = (release, variant, milliseconds(start), milliseconds(end))
        return int(db.execute(_LOGGED, bounds).fetchone()[0])


def loss_ratio(logged: int, routed: int) -> float | None:
    """Share of the router's requests that never reached the log; None where it routed none.

    Negative where the log has more than the router counted: then one of the two counts something else.
    """
    return 1 - logged / routed if routed else None
