"""What the log lacks is told, not guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from releasectl.adapters.metrics.event_log import EventLog
from releasectl.adapters.metrics.log_quality import label_maturity, logged_requests, loss_ratio
from releasectl.ports import Outcome, Prediction

NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.db")
    yield log
    log.close()


def shown(request: str, hours_ago: float, variant: str = "stable", **more: object) -> Prediction:
    return Prediction(request, "desk", variant, NOW - timedelta(hours=hours_ago), **more)  # type: ignore[arg-type]


def test_maturity_is_the_share_of_an_age_that_has_its_outcome(log: EventLog) -> None:
    log.append(
        [shown("a", 1), shown("b", 1), shown("c", 30), shown("c", 30, component="ocr"), shown("m", 1, mirrored=True)],
        [Outcome("label", 1, NOW, request_id=request) for request in ("a", "c")],
    )
    edges = [timedelta(0), timedelta(days=1), timedelta(days=2), timedelta(days=3)]
    cohorts = label_maturity(log, "desk", "label", edges, NOW)
    assert [(cohort.exposures, cohort.maturity) for cohort in cohorts] == [(2, 0.5), (1, 1.0), (0, None)]


def test_the_loss_is_what_the_router_counted_and_the_log_has_not(log: EventLog) -> None:
    log.append([shown("a", 1), shown("b", 1), shown("c", 1, "tiny"), shown("d", 99)], [])
    logged = logged_requests(log, "desk", "stable", NOW - timedelta(hours=2), NOW)
    assert logged == 2
    assert loss_ratio(logged, 4) == 0.5
    assert loss_ratio(0, 0) is None
