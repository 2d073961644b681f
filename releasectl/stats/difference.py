"""Estimate and always-valid interval for two arms that were compared inside each tick.

Every tick contributes its difference of means with weight w = n_b n_c / (n_b + n_c), fixed by the sizes
alone; the interval holds at all ticks at once with chance 1 - alpha (normal-mixture confidence sequence,
Howard et al. 2021, with estimated variance, Waudby-Smith et al. 2021). Its target is the weighted mean
of the ticks' true differences, so a rate that drifts is no problem. The ratio's interval inverts
the same bound for M_c - r M_b (Fieller 1954), which stays honest when the baseline is near 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from releasectl.stats.arms import Estimable
from releasectl.stats.determinism import Floats, running_sum
from releasectl.stats.dispersion import Heterogeneity, variance_factor
from releasectl.stats.fold import decoded, empty, encoded
from releasectl.stats.mixture import mixture_bound, tuned_rho

Sides = Literal["two", "lower", "upper"]
MIN_SUPPORT = 5.0
_LARGEST_RATIO = 1e6
_HALVINGS = 80


@dataclass(frozen=True)
class DifferenceState(Heterogeneity):
    """What intervals need; all arrays over leading axes, ``total`` = mean_c - mean_b in weighted sums.

    ``mean_b`` and ``mean_c`` are sums of w times the tick's mean, ``var_b`` and ``var_c`` their variances;
    ``support_b`` and ``support_c`` count observations of the rarer kind, to know when there is enough.
    """

    ticks: int
    mean_b: Floats
    mean_c: Floats
    var_b: Floats
    var_c: Floats
    support_b: Floats
    support_c: Floats

    @classmethod
    def fresh(cls, shape: tuple[int, ...] = ()) -> Self:
        """Before any tick."""
        names = [field.name for field in fields(cls) if field.name != "ticks"]
        return cls(ticks=0, **{name: empty(shape) for name in names})

    def to_json(self) -> dict[str, Any]:
        """Fields as numbers and nested lists, lossless."""
        return encoded(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The state that ``to_json`` wrote."""
        return decoded(cls, data)


@dataclass(frozen=True)
class DifferenceInterval:
    """An estimate with its limits, arrays of one shape. Without enough data the limits are infinite and
    ``enough`` is false: no data never lies inside a margin."""

    estimate: Floats
    low: Floats
    high: Floats
    enough: NDArray[np.bool_]


def difference_init(shape: tuple[int, ...] = ()) -> DifferenceState:
    """Before any tick."""
    return DifferenceState.fresh(shape)


def difference_step(state: DifferenceState, block: Estimable) -> DifferenceState:
    """Add a block of ticks: ``Trials``, ``Moments`` or ``RatioMoments``. Ticks with an arm empty say nothing."""
    if block.ticks == 0:
        return state
    arms = block.arms()
    w = arms.weight
    var_b, var_c = w * w * arms.var_b, w * w * arms.var_c
    sums = state.running(w * (arms.mean_c - arms.mean_b), var_b + var_c, w)
    support = np.where(arms.usable, arms.rarity, 0.0)
    return DifferenceState(
        ticks=state.ticks + block.ticks,
        mean_b=running_sum(state.mean_b, w * arms.mean_b)[..., -1],
        mean_c=running_sum(state.mean_c, w * arms.mean_c)[..., -1],
        var_b=running_sum(state.var_b, var_b)[..., -1],
        var_c=running_sum(state.var_c, var_c)[..., -1],
        support_b=running_sum(state.support_b, arms.n_b * support)[..., -1],
        support_c=running_sum(state.support_c, arms.n_c * support)[..., -1],
        **sums.last(),
    )


def difference_interval(
    state: DifferenceState, *, alpha: float, v_opt: float, sides: Sides = "two", dispersion: bool = False
) -> DifferenceInterval:
    """Mean of the canary minus the baseline's, with limits that hold at all ticks at once.

    ``sides``: both limits at alpha, or only the lower or upper (the other infinite). ``v_opt`` in units of
    the summed variance, fixed in advance. ``dispersion`` widens by the square root of the factor phi.
    """
    some = state.weight > 0
    weight = np.where(some, state.weight, 1.0)
    rho = tuned_rho(v_opt=v_opt, alpha_opt=alpha, is_one_sided=sides != "two")
    spread = state.variance * (variance_factor(state) if dispersion else 1.0)
    half = mixture_bound(spread, alpha, rho, is_one_sided=sides != "two") / weight
    estimate = np.where(some, state.total / weight, np.nan)
    return _limited(estimate, estimate - half, estimate + half, sides, some & _enough(state))


def ratio_interval(
    state: DifferenceState, *, alpha: float, v_opt: float, sides: Sides = "two", dispersion: bool = False
) -> DifferenceInterval:
    """Mean of the canary over the baseline's (1 is equality), with limits that hold at all ticks at once.

    Fieller's inversion: r is kept while |M_c - r M_b| is below the bound at variance V_c + r^2 V_b. For
    quantities whose baseline is positive; the upper limit is infinite when the baseline may be 0.
    """
    some = (state.weight > 0) & (state.mean_b > 0)
    mean_b = np.where(some, state.mean_b, 1.0)
    phi = variance_factor(state) if dispersion else np.ones_like(mean_b)
    rho = tuned_rho(v_opt=v_opt, alpha_opt=alpha, is_one_sided=sides != "two")
    estimate = np.where(some, state.mean_c / mean_b, np.nan)

    def kept(ratio: Floats) -> NDArray[np.bool_]:
        spread = (state.var_c + ratio * ratio * state.var_b) * phi
        bound = mixture_bound(spread, alpha, rho, is_one_sided=sides != "two")
        return np.asarray(np.abs(state.mean_c - ratio * mean_b) <= bound)

    center = np.where(some, state.mean_c / mean_b, 0.0)
    low = _edge(kept, center, np.zeros_like(center))
    high = _edge(kept, center, np.full_like(center, _LARGEST_RATIO))
    high = np.where(high >= _LARGEST_RATIO, np.inf, high)
    return _limited(estimate, low, high, sides, some & _enough(state))


def _edge(kept: Callable[[Floats], NDArray[np.bool_]], inside: Floats, outside: Floats) -> Floats:
    """The border between ``inside``, which is kept, and ``outside``; ``outside`` itself when it is kept."""
    far = kept(outside)
    a, b = inside, outside
    for _ in range(_HALVINGS):
        middle = 0.5 * (a + b)
        good = kept(middle)
        a, b = np.where(good, middle, a), np.where(good, b, middle)
    return np.where(far, outside, a)


def _limited(
    estimate: Floats, low: Floats, high: Floats, sides: Sides, enough: NDArray[np.bool_]
) -> DifferenceInterval:
    low = np.where(enough & (sides != "upper"), low, -np.inf)
    high = np.where(enough & (sides != "lower"), high, np.inf)
    return DifferenceInterval(estimate, low, high, enough)


def _enough(state: DifferenceState) -> NDArray[np.bool_]:
    """Five observations of the rarer kind are to be expected in either arm."""
    return np.asarray(np.minimum(state.support_b, state.support_c) >= MIN_SUPPORT)
