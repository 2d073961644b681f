"""Freezes in time: absolute and weekly, alone and overlapping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from pydantic import ValidationError

from releasectl.decide.freezes import time_frozen
from releasectl.domain.freeze import Freeze

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def a_freeze(since: str, until: str) -> Freeze:
    return Freeze(from_=since, until=until, reason="quiet", owner="ada")


WEEKEND = a_freeze("Fri 16:00", "Mon 08:00")
HOLIDAY = a_freeze("2026-01-08T00:00:00Z", "2026-01-10T01:00:00+01:00")


def holds(freeze: Freeze, at: datetime) -> bool:
    return time_frozen([freeze], at, at + timedelta(seconds=1)) > timedelta(0)


@pytest.mark.parametrize(
    ("freeze", "at", "expected"),
    [
        (WEEKEND, MONDAY, True),
        (WEEKEND, MONDAY + 8 * HOUR - timedelta(seconds=1), True),
        (WEEKEND, MONDAY + 8 * HOUR, False),
        (WEEKEND, MONDAY + 4 * DAY + 16 * HOUR - timedelta(seconds=1), False),
        (WEEKEND, MONDAY + 4 * DAY + 16 * HOUR, True),
        (WEEKEND, MONDAY + 6 * DAY, True),
        (HOLIDAY, MONDAY + 3 * DAY - timedelta(seconds=1), False),
        (HOLIDAY, MONDAY + 3 * DAY, True),
        (HOLIDAY, MONDAY + 5 * DAY - timedelta(seconds=1), True),
        (HOLIDAY, MONDAY + 5 * DAY, False),
    ],
)
def test_a_freeze_holds_from_its_first_moment_until_before_its_last(
    freeze: Freeze, at: datetime, expected: bool
) -> None:
    assert holds(freeze, at) is expected


@pytest.mark.parametrize(("weeks", "days"), [*product((0, 1, 5), (1, 9))])
def test_frozen_time_adds_up_to_what_counting_minutes_gives(weeks: int, days: int) -> None:
    since = MONDAY + 3 * HOUR
    until = since + weeks * 7 * DAY + days * DAY
    step = timedelta(minutes=30)
    both = [WEEKEND, HOLIDAY]
    counted = timedelta(0)
    at = since
    while at < until:
        counted += step if any(holds(freeze, at) for freeze in both) else timedelta(0)
        at += step
    assert time_frozen(both, since, until) == counted


def test_time_that_two_freezes_share_counts_once() -> None:
    assert time_frozen([HOLIDAY, HOLIDAY], MONDAY, MONDAY + 7 * DAY) == 2 * DAY


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("Fri 16:00", "2026-01-10T00:00:00Z", "both"),
        ("2026-01-10T00:00:00Z", "2026-01-09T00:00:00Z", "end after"),
        ("Fri 16:00", "Fri 16:00", "end after"),
        ("Fri 25:00", "Mon 08:00", "pattern"),
        ("2026-01-10", "2026-01-11", "pattern"),
    ],
)
def test_a_freeze_that_makes_no_sense_is_refused(since: str, until: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        a_freeze(since, until)
