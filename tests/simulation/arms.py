"""Two arms over 200 ticks of a thousand requests: the worlds in which error rates are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from releasectl.stats import Trials

TICKS = 200
RUNS = 4000


@dataclass(frozen=True)
class World:
    """Rate of good outcomes, relative change of it in the canary from a tick on, and what disturbs."""

    rate: float
    change: float = 0.0
    from_tick: int = 1
    ramp: bool = False
    drift: bool = False
    icc: float = 0.0

    def sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Requests of baseline and canary per tick: 90 to 10, or a ramp of 5, 10, 25, 50 %."""
        shares = np.repeat([0.05, 0.10, 0.25, 0.50], TICKS // 4) if self.ramp else np.full(TICKS, 0.10)
        canary = np.round(1000 * shares).astype(int)
        return 1000 - canary, canary

    def draw(self, seed: int, runs: int = RUNS) -> Trials:
        """Outcomes of many runs, shape (runs, ticks)."""
        rng = np.random.default_rng([20261124, seed])
        tick = np.arange(1, TICKS + 1)
        rate = np.full(TICKS, self.rate)
        if self.drift:
            away = 0.5 * np.sin(2 * np.pi * tick / 80) + 0.6 * tick / TICKS
            odds = self.rate / (1 - self.rate) * np.exp(away * np.sign(self.rate - 0.5))
            rate = odds / (1 + odds)
        b = np.broadcast_to(rate, (runs, TICKS))
        c = b * np.where(tick >= self.from_tick, 1 + self.change, 1.0)
        if self.icc:
            mass = 1 / self.icc - 1
            b, c = rng.beta(b * mass, (1 - b) * mass), rng.beta(c * mass, (1 - c) * mass)
        n_b, n_c = self.sizes()
        return Trials.of_good(x_b=rng.binomial(n_b, b), n_b=n_b, x_c=rng.binomial(n_c, c), n_c=n_c)


def found(crossed: np.ndarray) -> tuple[float, float, float]:
    """Share of runs that crossed, median tick of crossing (inf: never), mean ticks until it or the end."""
    hit = crossed.any(axis=-1)
    first = np.where(hit, crossed.argmax(axis=-1) + 1.0, np.inf)
    return float(hit.mean()), float(np.median(first)), float(np.minimum(first, TICKS).mean())


def at_most(rate: float, runs: int = RUNS) -> float:
    """A rate plus three standard errors of its estimate from this many runs."""
    return rate + 3 * (rate * (1 - rate) / runs) ** 0.5
