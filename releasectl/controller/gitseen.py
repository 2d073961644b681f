"""Git as it was last seen, as values: all that reading it once needs, without what following it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from releasectl.controller.desired import DesiredSet
from releasectl.controller.ledger import Ledger
from releasectl.domain.reasons import Reason
from releasectl.ports import Heads


@dataclass(frozen=True)
class GitFault:
    """Why git cannot be used now."""

    reason: Reason
    message: str
    hint: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True)
class GitView:
    """The last good look at git, and what went wrong since, if anything did."""

    heads: Heads | None = None
    desired: DesiredSet = field(default_factory=lambda: DesiredSet(""))
    ledger: Ledger = field(default_factory=Ledger)
    fault: GitFault | None = None
