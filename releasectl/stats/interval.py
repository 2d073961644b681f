"""An interval for one number, or for an array of them.

Also the two small tools that every interval here is made from: normal quantiles, and a bisection that
takes the same number of steps whatever the data, so that its answer is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, floats

Alternative = Literal["two-sided", "larger", "smaller"]

_ALTERNATIVES: dict[str, Alternative] = {
    "two-sided": "two-sided", "two_sided": "two-sided", "2s": "two-sided",
    "larger": "larger", "greater": "larger", "l": "larger",
    "smaller": "smaller", "less": "smaller", "s": "smaller",
}  # fmt: skip


@dataclass(frozen=True)
class Interval:
    """Both ends, in the unit of what is estimated; shape of the broadcast inputs."""

    lower: Floats
    upper: Floats


def alternative_of(name: str) -> Alternative:
    """The alternative hypothesis by any of its usual names; the first sample is larger, smaller, or either."""
    try:
        return _ALTERNATIVES[name.lower()]
    except KeyError:
        raise ValueError(f"alternative must be two-sided, larger or smaller, not {name!r}") from None


def normal_quantile(upper_tail: ArrayLike) -> Floats:
    """The z with this chance above it."""
    return floats(-special.ndtri(floats(upper_tail)))


def normal_p_value(z: ArrayLike, alternative: str) -> Floats:
    """The chance of a standard normal as extreme as z in the direction of the alternative."""
    kind = alternative_of(alternative)
    if kind == "larger":
        return floats(special.ndtr(-floats(z)))
    if kind == "smaller":
        return floats(special.ndtr(floats(z)))
    return floats(2.0 * special.ndtr(-np.abs(floats(z))))


def bisect(function: Callable[[Floats], Floats], low: ArrayLike, high: ArrayLike, *, steps: int = 64) -> Floats:
    """Where a falling function changes from positive to not positive, elementwise.

    The function is called ``steps`` times with arrays of one shape. Where it is positive throughout the
    answer is ``high``, where nowhere it is ``low``.
    """
    left, right = (np.array(end) for end in np.broadcast_arrays(floats(low), floats(high)))
    for _ in range(steps):
        middle = 0.5 * (left + right)
        positive = function(middle) > 0
        left, right = np.where(positive, middle, left), np.where(positive, right, middle)
    return floats(0.5 * (left + right))
