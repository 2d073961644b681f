"""Synthetic traffic of two arms, tick by tick, many independent runs at once.

A world is a description (the rate, the harm, when it begins, ramp, drift, clustering);
drawing it gives integer counts of shape (runs, ticks) for a baseline and a canary. Every
world has a number of its own, so that its random stream depends on nothing but that
number: adding a world or a rule to the bench changes no other row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEED = 20261124
TICKS = 200
REQUESTS_PER_TICK = 1000
RAMP = (0.05, 0.10, 0.25, 0.50)


@dataclass(frozen=True, kw_only=True)
class World:
    """What happens to both arms; `effect` is the relative change of the canary's rate of good outcomes."""

    number: int
    name: str
    rate: float
    effect: float = 0.0
    effect_from: int = 0
    is_ramped: bool = False
    is_drifting: bool = False
    icc: float = 0.0
    canary_share: float = 0.10
    requests_per_tick: int = REQUESTS_PER_TICK


@dataclass(frozen=True)
class Counts:
    """Good outcomes x out of n requests, baseline b and canary c, each of shape (runs, ticks)."""

    x_b: NDArray[np.int64]
    n_b: NDArray[np.int64]
    x_c: NDArray[np.int64]
    n_c: NDArray[np.int64]

    def arguments(self) -> dict[str, NDArray[np.int64]]:
        """The counts under the names that the rules take."""
        return {"x_b": self.x_b, "n_b": self.n_b, "x_c": self.x_c, "n_c": self.n_c}

    def head(self, runs: int) -> "Counts":
        """The first `runs` runs, for rules too slow for all of them."""
        return Counts(self.x_b[:runs], self.n_b[:runs], self.x_c[:runs], self.n_c[:runs])


def common_rate(world: World, ticks: int = TICKS) -> NDArray[np.float64]:
    """The rate of good outcomes of a harmless arm at every tick.

    With drift the odds fall by a factor of exp(0.8) from the first tick to the last and
    swing by exp(+-0.1) four times on the way: a bad week with four days in it, shared by
    both arms. Together with a ramp it makes the later, worse ticks weigh more for the
    canary, which is the trap for every rule that compares running totals.
    """
    if not world.is_drifting:
        return np.full(ticks, world.rate)
    phase = np.linspace(0.0, 1.0, ticks)
    log_odds = np.log(world.rate / (1 - world.rate)) + 0.4 - 0.8 * phase + 0.1 * np.sin(8 * np.pi * phase)
    return 1 / (1 + np.exp(-log_odds))


def canary_requests(world: World, ticks: int = TICKS) -> NDArray[np.int64]:
    """Requests sent to the canary at every tick; the baseline gets the others."""
    if not world.is_ramped:
        return np.full(ticks, round(world.canary_share * world.requests_per_tick))
    step = np.minimum(np.arange(ticks) * len(RAMP) // ticks, len(RAMP) - 1)
    return np.array([round(share * world.requests_per_tick) for share in RAMP])[step]


def draw(world: World, runs: int, ticks: int = TICKS) -> Counts:
    """Counts of `runs` independent releases; the same world and sizes give the same counts."""
    rng = np.random.default_rng([SEED, world.number])
    n_c = canary_requests(world, ticks)
    n_b = world.requests_per_tick - n_c
    p_b = common_rate(world, ticks)
    p_c = p_b * (1 + world.effect * (np.arange(ticks) >= world.effect_from))
    shape = (runs, ticks)
    x_b = rng.binomial(n_b, _clustered(rng, p_b, world.icc, shape))
    x_c = rng.binomial(n_c, _clustered(rng, p_c, world.icc, shape))
    return Counts(x_b, np.broadcast_to(n_b, shape), x_c, np.broadcast_to(n_c, shape))


def _clustered(
    rng: np.random.Generator, rate: NDArray[np.float64], icc: float, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """The rate itself, or one Beta draw per arm and tick whose spread gives that intra-class correlation."""
    if icc == 0:
        return np.broadcast_to(rate, shape)
    concentration = 1 / icc - 1
    return rng.beta(rate * concentration, (1 - rate) * concentration, size=shape)


NULL_WORLDS = (
    World(number=1, name="p=.99", rate=0.99),
    World(number=2, name="p=.80", rate=0.80),
    World(number=3, name="p=.05", rate=0.05),
    World(number=4, name=".99 drift+ramp", rate=0.99, is_ramped=True, is_drifting=True),
    World(number=5, name=".80 drift+ramp", rate=0.80, is_ramped=True, is_drifting=True),
    World(number=6, name=".05 drift+ramp", rate=0.05, is_ramped=True, is_drifting=True),
    World(number=7, name=".80 icc .01", rate=0.80, icc=0.01),
    World(number=8, name=".80 icc .01 drift+ramp", rate=0.80, icc=0.01, is_ramped=True, is_drifting=True),
)

HARM_WORLDS = (
    World(number=11, name=".99 -2%", rate=0.99, effect=-0.02),
    World(number=12, name=".99 -10%", rate=0.99, effect=-0.10),
    World(number=13, name=".80 -2%", rate=0.80, effect=-0.02),
    World(number=14, name=".80 -10%", rate=0.80, effect=-0.10),
    World(number=15, name=".05 -10%", rate=0.05, effect=-0.10),
    World(number=16, name=".05 -30%", rate=0.05, effect=-0.30),
)

LATE_WORLDS = (
    World(number=21, name=".99 -2%", rate=0.99, effect=-0.02, effect_from=100),
    World(number=22, name=".80 -10%", rate=0.80, effect=-0.10, effect_from=100),
    World(number=23, name=".80 -2%", rate=0.80, effect=-0.02, effect_from=100),
    World(number=24, name=".05 -30%", rate=0.05, effect=-0.30, effect_from=100),
)
