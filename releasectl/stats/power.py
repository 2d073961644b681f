"""How long a comparison will take, before it begins.

A fixed sample size by formula; planned looks by recursion; the sequential rules by seeded simulation, with
the standard error of what it found. All are answers for an effect one *supposes*.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from releasectl.stats.determinism import Floats, at_least, floats
from releasectl.stats.interval import alternative_of
from releasectl.stats.mixture import normal_mixture_bound
from releasectl.stats.planned import crossing_chances

RunningLogE = Callable[..., Floats]


@dataclass(frozen=True)
class StoppingTime:
    """When a sequential rule stops, in ticks, over ``runs`` simulated comparisons from ``seed``.

    ``detected`` is the share that stopped by the last tick, ``median`` and ``p90`` quantiles over all runs
    (inf where the quantile never stopped), ``mean`` with never counted as the last tick.
    """

    detected: float
    detected_se: float
    mean: float
    mean_se: float
    median: float
    p90: float
    ticks: int
    runs: int
    seed: int


@dataclass(frozen=True)
class PlannedPower:
    """The chance to stop at the upper bound, and the mean information when stopping."""

    power: float
    expected_info: float


def norm_ind_power_n1(
    *, effect: float, alpha: float, power: float, ratio: float = 1.0, alternative: str = "two-sided"
) -> float:
    """Units of the first sample for a z test of two means with this power.

    effect: the difference in standard deviations. ratio: n2 / n1; 0 tests one sample against a constant.
    Two-sided counts rejections on both sides. An effect of 0, or against the alternative, never gets
    there: inf.
    """
    kind = alternative_of(alternative)
    gap = effect if kind == "larger" else (-effect if kind == "smaller" else abs(effect))
    if gap <= 0:
        return math.inf
    crit = float(-special.ndtri(alpha / 2 if kind == "two-sided" else alpha))
    shift = max(crit + float(special.ndtri(power)), 0.0)
    if kind == "two-sided":
        shift = _two_sided_shift(crit, power)
    return (shift / gap) ** 2 * (1.0 + (1.0 / ratio if ratio else 0.0))


def proportion_n1(
    *,
    rate1: float,
    rate2: float,
    alpha: float,
    power: float,
    ratio: float = 1.0,
    margin: float = 0.0,
    alternative: str = "two-sided",
) -> float:
    """Trials in the first arm for an unpooled z test of rate1 - rate2 against ``margin``; n2 = ratio n1."""
    variance = rate1 * (1 - rate1) + rate2 * (1 - rate2) / ratio
    return norm_ind_power_n1(
        effect=(rate1 - rate2 - margin) / math.sqrt(variance) if variance else 0.0,
        alpha=alpha, power=power, ratio=0.0, alternative=alternative,
    )  # fmt: skip


def planned_power(*, upper: ArrayLike, info: ArrayLike, drift: float, lower: ArrayLike | None = None) -> PlannedPower:
    """Power and expected information of planned looks; E Z_k = drift sqrt(info_k)."""
    found = crossing_chances(upper=upper, info=info, lower=lower, drift=drift)
    return PlannedPower(math.fsum(found.upper.tolist()), found.expected_info)


def mixture_stopping_time(
    *,
    drift: float,
    variance: float,
    ticks: int,
    v_opt: float,
    alpha: float = 0.05,
    is_one_sided: bool = True,
    runs: int = 2_000,
    seed: int = 1,
) -> StoppingTime:
    """When the normal mixture bound is crossed by sums with this drift and variance per tick."""
    v = variance * np.arange(1.0, ticks + 1.0)
    bound = normal_mixture_bound(v=v, alpha=alpha, v_opt=v_opt, is_one_sided=is_one_sided)
    rng = np.random.Generator(np.random.PCG64(seed))

    def crossed(size: int) -> NDArray[np.bool_]:
        walk = np.add.accumulate(drift + math.sqrt(variance) * rng.standard_normal((size, ticks)), axis=1)
        return np.asarray((walk if is_one_sided else np.abs(walk)) >= bound)

    return _stopping_time(crossed, ticks=ticks, runs=runs, seed=seed)


def proportion_stopping_time(
    *,
    rule: RunningLogE,
    rate_b: ArrayLike,
    rate_c: ArrayLike,
    n_b: int,
    n_c: int,
    ticks: int,
    alpha: float = 0.05,
    runs: int = 1_000,
    seed: int = 1,
) -> StoppingTime:
    """When a rule for proportions stops: ``rule(x_b=, n_b=, x_c=, n_c=)`` gives log e after each tick.

    Rates are numbers or one for each tick; trials are per tick and arm.
    """
    rng = np.random.Generator(np.random.PCG64(seed))

    def crossed(size: int) -> NDArray[np.bool_]:
        x_b = rng.binomial(n_b, np.broadcast_to(floats(rate_b), (size, ticks)))
        x_c = rng.binomial(n_c, np.broadcast_to(floats(rate_c), (size, ticks)))
        return at_least(rule(x_b=x_b, n_b=n_b, x_c=x_c, n_c=n_c), math.log(1.0 / alpha))

    return _stopping_time(crossed, ticks=ticks, runs=runs, seed=seed)


def _stopping_time(crossed: Callable[[int], NDArray[np.bool_]], *, ticks: int, runs: int, seed: int) -> StoppingTime:
    block = max(1, 500_000 // ticks)
    times = np.concatenate([_first(crossed(min(block, runs - at))) for at in range(0, runs, block)])
    stopped = np.minimum(times, ticks)
    detected = float(np.count_nonzero(np.isfinite(times))) / runs
    mean = math.fsum(stopped.tolist()) / runs
    spread = math.fsum(((stopped - mean) ** 2).tolist()) / max(runs - 1, 1)
    ordered = np.sort(times)
    return StoppingTime(
        detected=detected,
        detected_se=math.sqrt(detected * (1 - detected) / runs),
        mean=mean,
        mean_se=math.sqrt(spread / runs),
        median=float(ordered[math.ceil(0.5 * runs) - 1]),
        p90=float(ordered[math.ceil(0.9 * runs) - 1]),
        ticks=ticks,
        runs=runs,
        seed=seed,
    )


def _first(crossed: NDArray[np.bool_]) -> Floats:
    return floats(np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1.0, math.inf))


def _two_sided_shift(crit: float, power: float) -> float:
    """The shift at which ndtr(shift - crit) + ndtr(-shift - crit) is the power."""
    low, high = 0.0, crit + float(special.ndtri(power)) if power > 0.5 else crit + 1.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        reached = float(special.ndtr(middle - crit)) + float(special.ndtr(-middle - crit))
        low, high = (middle, high) if reached < power else (low, middle)
    return 0.5 * (low + high)
