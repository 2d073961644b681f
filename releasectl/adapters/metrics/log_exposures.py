"""Exposures with what became of them, row by row, for questions about shares that did not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from releasectl.adapters.metrics.event_log import EventLog, milliseconds
from releasectl.domain.metric import LogQuery

_EVER = 2**60

_ROWS = """
SELECT variant, tag, propensity, segment, value >= :threshold FROM (
    SELECT p.id, p.variant, p.tag, p.propensity, p.segment, (
        SELECT o.value FROM joined j JOIN outcome o ON o.id = j.outcome
        WHERE j.exposure = p.id AND j.metric = :metric AND o.observed_at <= p.ts + :span
        ORDER BY o.observed_at DESC, o.id DESC LIMIT 1) AS value
    FROM prediction p
    WHERE p.release = :release AND p.mirrored = 0 AND p.ts <= :mature
        AND p.allocation_id BETWEEN :first_epoch AND :last_epoch
        AND EXISTS (SELECT 1 FROM joined j WHERE j.exposure = p.id AND j.metric = :metric)
)
WHERE value IS NOT NULL ORDER BY id
"""


@dataclass(frozen=True)
class LoggedExposure:
    """One exposure whose outcome is known. ``propensity`` is None where whoever logged it left that out."""

    variant: str
    propensity: float | None
    reward: int
    segment: str


def logged_exposures(
    log: EventLog,
    release: str,
    query: LogQuery,
    *,
    maturity: timedelta,
    epochs: tuple[int, int],
    tags: Mapping[str, str],
    now: datetime,
) -> tuple[LoggedExposure, ...]:
    """Exposures under the allocations of ``epochs`` (first and last), in the order they were logged.

    ``tags`` are of the variants as they were then: rows that tell of other versions under a name are left out.
    With a maturity only exposures that are old enough count, and outcomes that were observed within it.
    """
    span = round(maturity.total_seconds() * 1000)
    given = {
        "release": release,
        "metric": query.outcome,
        "threshold": query.threshold,
        "span": span or _EVER,
        "mature": milliseconds(now) - span,
        "first_epoch": epochs[0],
        "last_epoch": epochs[1],
    }
    with log.reading() as db:
        rows = db.execute(_ROWS, given).fetchall()
    return tuple(
        LoggedExposure(variant, propensity, int(reward), segment or "")
        for variant, tag, propensity, segment, reward in rows
        if tag is None or tags.get(variant, tag) == tag
    )
