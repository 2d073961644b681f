"""Little traffic: looks hold a request or two, and are joined until both arms have enough.

What is proven stays as rarely wrong as promised, a steady rate or one that swings, and harm is found that no look by
itself could show. The tolerance is three standard errors of a share of so many runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from releasectl.domain.policy import Margin
from releasectl.evaluate.comparison import LEAST, Comparison, Folded
from releasectl.evaluate.joining import WaitingRuns, joined_runs
from releasectl.stats import Trials

pytestmark = [pytest.mark.slow, pytest.mark.simulation, pytest.mark.timeout(600)]

ALPHA = 0.05
THRESHOLD = math.log(1 / ALPHA)
RUNS = 2000


@dataclass(frozen=True)
class Sparse:
    """``per_look`` requests on average in both arms; rates of bad outcomes of stable and of the candidate."""

    per_look: float
    share: float
    stable: float
    tried: float
    looks: int
    swing: float = 0.0
    """Part of themselves by which both rates go up and down together, once in as many looks as joined looks take."""

    def drawn(self, runs: int) -> np.ndarray:
        """Trials and events of both arms, shape (looks, runs, 2, 2)."""
        rng = np.random.default_rng([20261125, round(1000 * self.per_look), round(1000 * self.tried)])
        period = max(4.0, 1 / (self.per_look * min(self.share, 1 - self.share)))
        now = 1 + self.swing * np.sin(2 * np.pi * np.arange(self.looks) / period)
        total = rng.poisson(self.per_look, (self.looks, runs))
        of_candidate = rng.binomial(total, self.share)
        trials = np.stack([total - of_candidate, of_candidate], axis=-1)
        rates = now[:, None, None] * np.array([self.stable, self.tried])
        return np.stack([trials, rng.binomial(trials, np.broadcast_to(rates, trials.shape))], axis=-1)

    def judged(self, rule: Comparison, *, runs: int = RUNS, least: int = LEAST) -> Folded:
        """The statistics of all runs after the last look; with ``least`` 0 no looks are joined."""
        looks = self.drawn(runs)
        epoch = np.zeros(runs, dtype=np.int64)
        waiting = WaitingRuns(np.zeros_like(looks[0]), epoch)
        for n in range(self.looks):
            looks[n], waiting = joined_runs(waiting, looks[n], epoch, least)
        n, x = np.moveaxis(looks, 0, -1).transpose(2, 1, 0, 3)
        ticks = Trials.of_good(x_b=x[0], n_b=n[0], x_c=x[1], n_c=n[1])
        return rule.fold_arrays(rule.fresh_arrays((runs,)), ticks)


def guardrail(min_samples: int = 100, **margin: float) -> Comparison:
    return Comparison("next", "lower", Margin(**(margin or {"points": 2})), "non-inferior", ALPHA, ALPHA, min_samples)


def at_most(rate: float, runs: int = RUNS) -> float:
    return rate + 3 * math.sqrt(rate * (1 - rate) / runs)


# The worst harmless candidate, exactly at the margin. The fewer samples a policy asks for, the earlier evidence counts.
AT_THE_MARGIN = [
    pytest.param(Sparse(per_look, share, rate, rate + 0.02, looks), id=f"{per_look} a look, {share:.0%}, {rate:.0%}")
    for per_look, share, looks in [(0.2, 0.5, 1000), (1.0, 0.5, 300), (1.0, 0.05, 1000), (2.5, 0.05, 500)]
    for rate in (0.01, 0.2)
]


@pytest.mark.parametrize("world", AT_THE_MARGIN)
def test_a_candidate_at_the_margin_is_called_neither_harmful_nor_harmless_more_often_than_alpha(world: Sparse) -> None:
    found = world.judged(guardrail(min_samples=10))
    assert (found.peak >= THRESHOLD).mean() <= at_most(ALPHA)
    assert (found.safe.peak >= THRESHOLD).mean() <= at_most(ALPHA)


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_rate_that_swings_within_joined_looks_raises_no_alarms(share: float) -> None:
    world = Sparse(1.0, share, 0.2, 0.2, 1000, swing=0.9)
    found = world.judged(guardrail(min_samples=10, percent=0.001))
    assert (found.peak >= THRESHOLD).mean() <= at_most(ALPHA)
    assert (found.safe.peak >= THRESHOLD).mean() <= at_most(ALPHA)


def test_intervals_hold_the_difference_of_a_rare_candidate_that_is_far_worse() -> None:
    # Compared one by one, a candidate's request borrows its variance from the twenty of stable beside it, which hardly
    # ever fail: such intervals are three times too narrow.
    world, rule, runs = Sparse(2.0, 0.05, 0.01, 0.2, 3000), guardrail(min_samples=10), 300
    missed = []
    for least in (1, LEAST):
        limits = rule.limits(world.judged(rule, runs=runs, least=least))
        missed.append(((limits.lower > 0.19) | (limits.upper < 0.19)).mean())
    assert missed[0] > at_most(ALPHA, runs)
    assert missed[1] <= at_most(ALPHA, runs)


def test_harm_that_no_look_by_itself_shows_is_found() -> None:
    # 0.4 requests a second, looked at twice a second for four minutes: some 50 requests to each arm.
    world = Sparse(0.2, 0.47, 0.176, 0.8, 480)
    apart, together = (world.judged(guardrail(), runs=400, least=least) for least in (0, LEAST))
    assert (apart.peak >= THRESHOLD).mean() < 0.1
    assert (together.peak >= THRESHOLD).mean() > 0.95
