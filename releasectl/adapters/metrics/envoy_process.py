"""Which Envoy process answers, so that counters that start again from 0 are known to.

Falling values alone do not tell: a counter may have passed its old value by the next look. The uptime alone
does not either: it follows the wall clock, which may be set, and believing a restart that was none would count
everything twice. So the uptime raises the question and the time at which the process read its bootstrap, which
never changes, answers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

SLACK_SECONDS = 8.0
"""How far the computed start may wander: the uptime is in whole seconds and as old as Envoy's last flush (5 s)."""

IDENTITY_PATH = "/config_dump?mask=last_updated"


class Life(NamedTuple):
    """What was known of the process at one look."""

    at: float
    """When we looked."""
    uptime: float | None
    identity: str | None
    """When it read its bootstrap; None if that was never learnt."""

    def looks_like(self, before: Life) -> bool:
        """Whether this is surely the process of before: a false yes loses counts, a no only costs a question."""
        if self.uptime is None or before.uptime is None or self.uptime < before.uptime:
            return False
        # A process that was younger than this can have been replaced with a start that differs by no more than slack.
        if before.uptime < 2 * SLACK_SECONDS:
            return False
        return abs((self.at - self.uptime) - (before.at - before.uptime)) <= SLACK_SECONDS


def identity(config_dump: Mapping[str, Any]) -> str | None:
    """The process's identity from the answer to ``IDENTITY_PATH``."""
    for config in config_dump.get("configs", ()):
        if str(config.get("@type", "")).endswith("BootstrapConfigDump"):
            return str(config["last_updated"])
    return None
