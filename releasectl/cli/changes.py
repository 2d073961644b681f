"""What the log says beside decisions: faults that come and go, releases that stall and go on."""

from __future__ import annotations

import structlog

from releasectl.domain.status import Condition, StatusReport

log = structlog.get_logger(__name__)


class Changes:
    """Told of every pass; says only what is different from the pass before."""

    def __init__(self) -> None:
        self._problems: set[str] = set()
        self._conditions: dict[str, Condition] = {}

    def tell(self, status: StatusReport) -> None:
        """Take in a pass."""
        problems = set(status.problems)
        for problem in sorted(problems - self._problems):
            log.warning("problem", what=problem)
        for problem in sorted(self._problems - problems):
            log.info("problem is over", what=problem)
        self._problems = problems
        conditions = {release.name: release.condition for release in status.releases if release.condition}
        for name, now in conditions.items():
            self._tell_condition(name, self._conditions.get(name), now)
        self._conditions = conditions

    @staticmethod
    def _tell_condition(release: str, before: Condition | None, now: Condition) -> None:
        if before is not None and (before.type, before.reason) == (now.type, now.reason):
            return
        said = {"release": release, "reason": now.reason.value, "message": now.message}
        if now.type == "Stalled":
            log.warning("stalled", **said)
        elif before is not None and before.type == "Stalled":
            log.info("goes on", **said)
        else:
            log.debug(now.type.lower(), **said)
