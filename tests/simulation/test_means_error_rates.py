"""Equal means are rarely called different, whatever the shape of the values; covariates narrow and never mislead.

Two hundred ticks, a thousand runs, fixed seeds. Tolerances are three standard errors of the rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from releasectl.stats.adjusted import AdjustedMoments, no_slope
from releasectl.stats.stratified_means import MeanDifference

pytestmark = [pytest.mark.slow, pytest.mark.simulation]

ALPHA, RUNS, TICKS = 0.05, 1000, 200
LIMIT = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / RUNS)

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]

CAP = math.exp(1.5 * 3.09)


def lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Latencies: a tail that is cut where one value in a thousand lies."""
    return np.minimum(np.exp(1.5 * rng.standard_normal(shape)), CAP)


def sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Order values: nothing of nineteen in twenty."""
    return np.where(rng.random(shape) < 0.05, rng.exponential(1.0, shape), 0.0)


def sparser(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Half as often and twice as much: the same mean, and more variance."""
    return np.where(rng.random(shape) < 0.025, rng.exponential(2.0, shape), 0.0)


def even(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.random(shape)


def narrow(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape)


def wide(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return 2.0 * rng.standard_normal(shape)


WORLDS: dict[str, tuple[Draw, Draw]] = {
    "even values": (even, even),
    "latencies": (lognormal, lognormal),
    "order values": (sparse, sparse),
    "a candidate that varies more": (narrow, wide),
    "rarer and larger orders": (sparse, sparser),
}


def sums(y: Floats, x: Floats | None = None) -> Floats:
    parts = [np.full(y.shape[:-1], float(y.shape[-1])), y.sum(-1), (y * y).sum(-1)]
    parts += [x.sum(-1), (x * x).sum(-1), (x * y).sum(-1)] if x is not None else [np.zeros(y.shape[:-1])] * 3
    return np.stack(parts, axis=-1)


def alarms(b: Floats, c: Floats, *, claim: str = "worse", worse: str, v_opt: float) -> Floats:
    """Runs in which the claim was taken to be proven at any tick."""
    rule = MeanDifference(v_opt=v_opt, alpha_opt=ALPHA, claim=claim, worse=worse)  # type: ignore[arg-type]
    block = AdjustedMoments.of(b=b, c=c, slope=no_slope(b.shape[:-2]))
    return rule.step(rule.init((len(b),)), block).breached(ALPHA)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("n_b", "n_c"), [(45, 10), (90, 10), (180, 20)])
@pytest.mark.parametrize("worse", ["lower", "higher"])
def test_c6_equal_means_are_called_worse_at_most_as_often_as_promised(
    world: str, n_b: int, n_c: int, worse: str
) -> None:
    rng = np.random.default_rng([41, n_b, n_c, len(world)])
    of_b, of_c = WORLDS[world]
    b, c = sums(of_b(rng, (RUNS, TICKS, n_b))), sums(of_c(rng, (RUNS, TICKS, n_c)))
    variance = float(of_b(rng, (100_000,)).var())
    found = alarms(b, c, worse=worse, v_opt=10 * n_b * n_c / (n_b + n_c) * variance / 4)
    assert found.mean() <= LIMIT


@pytest.mark.parametrize("worse", ["lower", "higher"])
def test_c6_a_day_that_moves_every_value_while_shares_grow_is_no_harm(worse: str) -> None:
    rng = np.random.default_rng([42, len(worse)])
    level = 1 + 0.5 * np.sin(2 * np.pi * np.arange(TICKS) / TICKS)
    b, c = [], []
    for tick in range(TICKS):
        n_c = (10, 20, 50, 100)[tick * 4 // TICKS]
        b.append(sums(level[tick] * lognormal(rng, (RUNS, 200 - n_c))))
        c.append(sums(level[tick] * lognormal(rng, (RUNS, n_c))))
    found = alarms(np.stack(b, axis=1), np.stack(c, axis=1), worse=worse, v_opt=1000.0)
    assert found.mean() <= LIMIT


@pytest.mark.parametrize("worse", ["lower", "higher"])
@pytest.mark.parametrize(("n_b", "n_c"), [(90, 10), (12, 12)])
def test_c6_a_covariate_whose_slope_is_learned_on_the_way_keeps_the_error(n_b: int, n_c: int, worse: str) -> None:
    """Skewed, and not linear in the covariate: nothing the adjustment takes for granted is true."""
    rng = np.random.default_rng([43, n_b, len(worse)])

    def arm(n: int) -> Floats:
        x = rng.exponential(1.0, (RUNS, TICKS, n))
        return sums(np.sqrt(x) * rng.exponential(1.0, x.shape) + 0.3 * x * x, x)

    found = alarms(arm(n_b), arm(n_c), worse=worse, v_opt=10 * n_b * n_c / (n_b + n_c))
    assert found.mean() <= LIMIT


def test_a_covariate_finds_small_harm_sooner() -> None:
    """At a correlation of .8 the variance is .36 of what it was, and so is, about, the time."""
    rng = np.random.default_rng(44)
    n_b, n_c = 90, 30

    def arm(n: int, shift: float) -> tuple[Floats, Floats]:
        x = rng.standard_normal((RUNS, TICKS, n))
        y = 0.8 * x + 0.6 * rng.standard_normal(x.shape) - shift
        return sums(y, x), sums(y)

    (b, plain_b), (c, plain_c) = arm(n_b, 0.0), arm(n_c, 0.05)
    v_opt = 10 * n_b * n_c / (n_b + n_c)
    with_it = alarms(b, c, worse="lower", v_opt=v_opt).mean()
    without = alarms(plain_b, plain_c, worse="lower", v_opt=v_opt).mean()
    error = math.sqrt(0.5 / RUNS)
    assert with_it > without + 4 * error
