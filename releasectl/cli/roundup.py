"""What one pass came to, for whoever runs `run --once` and leaves again: a line for each thing to know."""

from __future__ import annotations

import structlog

from releasectl.controller.passes import Report
from releasectl.domain.reasons import Reason
from releasectl.domain.status import StatusReport

log = structlog.get_logger(__name__)

SHOWN = 20
"""Releases told one by one; of the others their number."""


def tell_pass(report: Report, status: StatusReport) -> None:
    """Log what was done and what waits, and why. Decisions, problems and stalled releases have told themselves."""
    adopted = sum(entry.decision.reason is Reason.ADOPTED for entry in report.recorded)
    stalled = sum(bool(one.condition and one.condition.type == "Stalled") for one in status.releases)
    waits = [one for one in status.releases if one.condition and one.condition.type == "Reconciling"]
    log.info(
        "pass made",
        releases=len(status.releases),
        adopted=adopted,
        decided=len(report.recorded) - adopted,
        waiting=len(waits),
        stalled=stalled,
        problems=len(status.problems),
    )
    if report.git.heads is not None and not status.releases:
        log.warning("the manifests branch declares no release", look="releases/, with kind: Release")
    for one in waits[:SHOWN]:
        if one.condition:
            log.info("waits", release=one.name, reason=one.condition.reason.value, message=one.condition.message)
    if len(waits) > SHOWN:
        log.info("more wait", number=len(waits) - SHOWN, see="releasectl status")
    if waits:
        log.info("the next pass goes on", run="the same command again, or without --once")
