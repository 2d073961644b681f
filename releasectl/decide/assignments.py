"""Units of a sticky release to variants: shares that change move the difference and nothing more.

Nothing is drawn at random: the key of a trial follows from the decision that it starts from, so two controllers
that come to the same decision place every unit alike.
"""

from __future__ import annotations

from collections.abc import Mapping

from releasectl import stats
from releasectl.domain.assignment import Assignment, Segment
from releasectl.domain.base import WHOLE, digest_of
from releasectl.domain.release import STABLE


def first_assignment(release: str, decision: str, intent: str) -> Assignment:
    """Stable has every unit. A trial begins from here, with a key of its own: who was on trial before is no more
    likely than others to be on trial again."""
    key = digest_of({"release": release, "decision": decision, "intent": intent}).removeprefix("sha256:")
    return Assignment(key=key, segments=(Segment(start=0, end=WHOLE, variant=STABLE),))


def reassigned(before: Assignment, shares: Mapping[str, int]) -> Assignment:
    """The assignment for other shares that moves the fewest units."""
    layout = stats.Layout(tuple(stats.Range(one.start, one.end, one.variant) for one in before.segments))
    after = stats.rearrange(layout, shares)
    segments = tuple(Segment(start=one.start, end=one.end, variant=one.arm) for one in after.ranges)
    return Assignment(key=before.key, segments=segments)
