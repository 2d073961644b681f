"""Freeze: a time in which nothing may go forward."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from releasectl.domain.base import Model

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOMENT = r"^((Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):[0-5]\d|\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))$"

Moment = Annotated[str, StringConstraints(pattern=MOMENT)]
"""A time such as ``2026-12-23T17:00:00Z``, or one of every week in UTC such as ``Fri 16:00``."""


class Freeze(Model):
    """No start, no further share and no promotion from one moment until another, once or every week.

    What is on trial keeps its shares, evidence goes on being gathered, and the time does not count towards
    ``maxDuration``. What takes a candidate back always works, and so does a person's edit of ``stable``: that is
    how something is repaired by hand.
    """

    from_: Moment = Field(alias="from")
    """When it begins: ``2026-12-23T17:00:00Z``, or every week in UTC: ``Fri 16:00``."""
    until: Moment
    """When it ends, in the same form."""
    reason: Annotated[str, StringConstraints(min_length=1)]
    """Why; shown with every hold."""
    owner: Annotated[str, StringConstraints(min_length=1)]
    """Whom to ask about it."""

    @property
    def weekly(self) -> bool:
        return self.from_[:3] in WEEKDAYS

    @model_validator(mode="after")
    def _in_order(self) -> Freeze:
        if self.weekly != (self.until[:3] in WEEKDAYS):
            raise ValueError("from and until must both be times, or both be moments of the week such as Fri 16:00")
        if self.weekly:
            ordered = self.from_ != self.until
        else:
            ordered = datetime.fromisoformat(self.from_) < datetime.fromisoformat(self.until)
        if not ordered:
            raise ValueError("a freeze must end after it begins")
        return self
