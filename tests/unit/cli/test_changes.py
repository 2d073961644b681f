"""The log tells what changes, once."""

from __future__ import annotations

from datetime import UTC, datetime

from structlog.testing import capture_logs

from releasectl.cli.changes import Changes
from releasectl.domain.reasons import Reason
from releasectl.domain.status import Condition, ReleaseStatus, StatusReport

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def report(*problems: str, kind: str = "Ready", reason: Reason = Reason.IDLE) -> StatusReport:
    condition = Condition(type=kind, reason=reason, message="said", since=NOW)  # type: ignore[arg-type]
    shop = ReleaseStatus(name="shop", phase="idle", condition=condition)
    return StatusReport(source="controller", at=NOW, repository="/r.git", problems=problems, releases=(shop,))


def told(changes: Changes, status: StatusReport) -> list[tuple[str, str]]:
    with capture_logs() as lines:
        changes.tell(status)
    return [(line["log_level"], line["event"]) for line in lines if line["log_level"] != "debug"]


def test_a_fault_is_told_when_it_comes_and_when_it_goes() -> None:
    changes = Changes()
    assert told(changes, report()) == []
    assert told(changes, report("GitUnavailable: away")) == [("warning", "problem")]
    assert told(changes, report("GitUnavailable: away")) == []
    assert told(changes, report()) == [("info", "problem is over")]


def test_a_release_that_stalls_is_told_once_and_again_when_it_goes_on() -> None:
    changes = Changes()
    told(changes, report())
    stalled = report(kind="Stalled", reason=Reason.INVALID_MANIFEST)
    assert told(changes, stalled) == [("warning", "stalled")]
    assert told(changes, stalled) == []
    assert told(changes, report()) == [("info", "goes on")]
