"""Freezes in time: which one holds now, and how long they held within a span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from releasectl.decide.inputs import Desired, Finding, Input
from releasectl.domain.base import format_time
from releasectl.domain.freeze import WEEKDAYS, Freeze
from releasectl.domain.reasons import Reason

WEEK = timedelta(days=7)
Span = tuple[datetime, datetime]
"""From, inclusive, until, exclusive."""


def frozen(given: Input) -> Finding | None:
    """A freeze of the environment or of the policy holds now; of several, the one that ends last is told."""
    holding = [
        (until, freeze)
        for freeze in (freezes_of(given.desired) if given.desired else ())
        for since, until in _spans(freeze, given.now, given.now)
        if since <= given.now < until
    ]
    if not holding:
        return None
    until, freeze = max(holding, key=lambda pair: pair[0])
    ends = format_time(until).replace(".000Z", "Z")
    return Finding(Reason.FROZEN, f"frozen until {ends}: {freeze.reason} (ask {freeze.owner})")


def freezes_of(desired: Desired) -> tuple[Freeze, ...]:
    """All that concern a release."""
    return desired.environment.spec.freeze + desired.policy.spec.freeze


def time_frozen(all_of_them: Iterable[Freeze], since: datetime, until: datetime) -> timedelta:
    """How much of a span was frozen; where freezes overlap it counts once."""
    spans = sorted(
        (max(begin, since), min(end, until)) for freeze in all_of_them for begin, end in _spans(freeze, since, until)
    )
    total, reached = timedelta(0), since
    for begin, end in spans:
        total += max(timedelta(0), end - max(begin, reached))
        reached = max(reached, end)
    return total


def _spans(freeze: Freeze, since: datetime, until: datetime) -> Iterator[Span]:
    """When it holds, as far as that can touch a span."""
    if not freeze.weekly:
        yield datetime.fromisoformat(freeze.from_), datetime.fromisoformat(freeze.until)
        return
    length = (_of_week(freeze.until) - _of_week(freeze.from_)) % WEEK
    midnight = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = midnight - timedelta(days=midnight.weekday()) + _of_week(freeze.from_) - WEEK
    while begin <= until:
        yield begin, begin + length
        begin += WEEK


def _of_week(moment: str) -> timedelta:
    """How long after Monday, 00:00, a moment of the week is."""
    day, _, time = moment.partition(" ")
    hours, _, minutes = time.partition(":")
    return timedelta(days=WEEKDAYS.index(day), hours=int(hours), minutes=int(minutes))
