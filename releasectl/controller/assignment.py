"""The document that tells applications which variant a unit has; ``releasectl.assign`` reads it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from releasectl.assignment import FORMAT
from releasectl.domain.base import format_time
from releasectl.domain.decision import EffectiveState

IN_GIT = timedelta(days=7)
"""How long a document on the ledger branch may be used: it is written when something is decided, not renewed."""
FROM_API = timedelta(hours=1)
"""How long one that was asked for may be used."""


def assignment_path(release: str) -> str:
    """Where it lies on the ledger branch."""
    return f"rendered/{release}/assignment.json"


def assignment_document(state: EffectiveState, expires: datetime) -> dict[str, Any] | None:
    """The document of a state; None for a release that is not sticky or is gone."""
    if state.assignment is None or state.route.sticky is None or state.removed:
        return None
    return {
        "format": FORMAT,
        "release": state.release,
        "epoch": state.epoch,
        "unit": state.route.sticky.to_data(),
        "salt": state.release,
        "key": state.assignment.key,
        "expires": format_time(expires),
        "segments": [segment.to_data() | {"start": segment.start} for segment in state.assignment.in_order],
    }
