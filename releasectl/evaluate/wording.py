"""Numbers in sentences, the same way everywhere: rates in percent and points, means in the metric's own unit."""

from __future__ import annotations

from releasectl.domain.evidence import Arm
from releasectl.domain.policy import Margin
from releasectl.evaluate.comparison import Reading


def rates(numbers: Reading, unit: str | None) -> str:
    """Candidate's rate or mean against stable's."""
    return f"{_level(numbers.tried, unit)} against {_level(numbers.stable, unit)}"


def difference(numbers: Reading, unit: str | None) -> str:
    """The difference with its always-valid interval."""
    if numbers.estimate is None:
        return "difference not known"
    told = f"difference {amount(numbers.estimate, unit, sign='+')}"
    if numbers.lower is None or numbers.upper is None:
        return told
    return f"{told} (interval {_number(numbers.lower, unit, '+')} to {_number(numbers.upper, unit, '+')})"


def amount(value: float, unit: str | None, *, sign: str = "") -> str:
    """A difference with its unit: ``2 points``, ``5 ms``, ``5`` where the metric names none."""
    return f"{_number(value, unit, sign)} {'points' if unit is None else unit}".rstrip()


def margin_in_words(margin: Margin, unit: str | None) -> str:
    """``2 points``, ``5 ms`` or ``10 %``."""
    if margin.percent is not None:
        return f"{margin.percent:g} %"
    return amount(margin.units if margin.units is not None else (margin.points or 0.0) / 100, unit)


def _level(arm: Arm, unit: str | None) -> str:
    if not arm.trials:
        return "nothing yet"
    if arm.mean is None:
        return f"{100 * arm.events / arm.trials:.3g} % of {arm.trials}"
    shown = f"{arm.mean:.4g} {unit or ''}".rstrip()
    return f"a mean of {shown} over {arm.trials}"


def _number(value: float, unit: str | None, sign: str) -> str:
    return f"{value * 100 if unit is None else value:{sign}.3g}"
