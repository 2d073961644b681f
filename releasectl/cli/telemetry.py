"""The controller's own metrics. Never a label of release and commit together."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from releasectl.controller.passes import Report
from releasectl.domain.status import StatusReport


class Telemetry:
    """Counters of decisions, gauges of conditions and shares."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._passes = Counter("releasectl_passes", "Passes made", registry=registry)
        self._decisions = Counter("releasectl_decisions", "Decisions recorded", ["action", "reason"], registry=registry)
        self._conditions = Gauge(
            "releasectl_releases", "Releases by condition", ["condition", "reason"], registry=registry
        )
        self._shares = Gauge("releasectl_share", "Share decided, 0 to 1", ["release", "variant"], registry=registry)
        self._problems = Gauge("releasectl_problems", "Faults of git, router and the like now", registry=registry)

    def observe(self, report: Report, status: StatusReport) -> None:
        """Take in a pass."""
        self._passes.inc()
        for entry in report.recorded:
            self._decisions.labels(entry.decision.action.value, entry.decision.reason.value).inc()
        self._problems.set(len(status.problems))
        self._conditions.clear()
        self._shares.clear()
        for release in status.releases:
            if release.condition:
                self._conditions.labels(release.condition.type, release.condition.reason.value).inc()
            for variant in release.variants:
                self._shares.labels(release.name, variant.name).set(variant.share / 10_000)
