"""Numbers in sentences, the same way everywhere."""

from __future__ import annotations

from releasectl.domain.evidence import Arm
from releasectl.evaluate.comparison import Reading


def rate(arm: Arm) -> str:
    """``1.25 % of 800``."""
    return f"{100 * arm.events / arm.trials:.3g} % of {arm.trials}" if arm.trials else "nothing yet"


def rates(numbers: Reading) -> str:
    """Candidate's rate against stable's."""
    return f"{rate(numbers.tried)} against {rate(numbers.stable)}"


def difference(numbers: Reading) -> str:
    """The difference in points with its always-valid interval."""
    if numbers.estimate is None:
        return "difference not known"
    if numbers.lower is None or numbers.upper is None:
        return f"difference {numbers.estimate * 100:+.3g} points"
    return (
        f"difference {numbers.estimate * 100:+.3g} points "
        f"(interval {numbers.lower * 100:+.3g} to {numbers.upper * 100:+.3g})"
    )
