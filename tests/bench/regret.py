"""Clicks lost by ways of sharing traffic: our shares, textbook policies, and MABWiser where it is installed.

Every policy sees the feedback of a tick when the tick is over. Regret is expected, not realised: the sum over
requests of the best rate less the rate of the arm that served.
"""

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from releasectl.stats import allocate, prob_best_beta, top_two_shares
from tests.bench.worlds import REQUESTS_PER_TICK, SEED, TICKS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """Rates of the arms before and from tick 101."""

    number: int
    name: str
    rates: tuple[float, ...]
    rates_later: tuple[float, ...] | None = None

    def at(self, tick: int) -> Floats:
        """Rates at a tick, the first being 0."""
        later = self.rates_later is not None and tick >= TICKS // 2
        return np.array(self.rates_later if later else self.rates)


SCENES = (
    Scene(31, ".05 .05 .055 .06", (0.05, 0.05, 0.055, 0.06)),
    Scene(32, ".05 .0525", (0.05, 0.0525)),
    Scene(33, "best swaps at 100", (0.045, 0.05, 0.055, 0.06), (0.06, 0.055, 0.05, 0.045)),
)


@dataclass(frozen=True)
class Outcome:
    """Regret of every run, and the share that the arm best at the end had at the end."""

    regret: Floats
    last_share: Floats

    @property
    def mean(self) -> float:
        """Mean regret."""
        return float(self.regret.mean())

    @property
    def se(self) -> float:
        """Its standard error."""
        return float(self.regret.std(ddof=1) / np.sqrt(self.regret.size))


Sharing = Callable[[Floats, Floats, Floats], Floats]
"""(successes, trials, present shares), each (runs, arms), to shares of the next tick."""


def play(scene: Scene, sharing: Sharing, *, runs: int, discount: float = 1.0, stream: int = 0) -> Outcome:
    """200 ticks of 1000 requests, split at random by the shares that the policy asks for."""
    rng = np.random.default_rng([SEED, scene.number, stream])
    arms = len(scene.rates)
    wins, trials = np.zeros((runs, arms)), np.zeros((runs, arms))
    shares, lost = np.full((runs, arms), 1 / arms), np.zeros(runs)
    for tick in range(TICKS):
        rates = scene.at(tick)
        shares = sharing(wins, trials, shares)
        n = rng.multinomial(REQUESTS_PER_TICK, shares)
        wins = discount * wins + rng.binomial(n, rates)
        trials = discount * trials + n
        lost += n @ (rates.max() - rates)
    return Outcome(lost, shares[:, int(np.argmax(scene.at(TICKS)))])


def equal_split(wins: Floats, trials: Floats, present: Floats) -> Floats:
    """The same share for every arm."""
    return np.full(wins.shape, 1 / wins.shape[1])


def best_chance(*, floor: int = 0, step: int | None = None) -> Sharing:
    """Ours: exact P(best) under Beta(1, 1) priors, then floor and step limit in basis points."""

    def sharing(wins: Floats, trials: Floats, present: Floats) -> Floats:
        return _limited(prob_best_beta(a=1 + wins, b=1 + trials - wins).p_best, present, floor, step)

    return sharing


def top_two(wins: Floats, trials: Floats, present: Floats) -> Floats:
    """Ours: top-two shares, beta 1/2."""
    return _limited(top_two_shares(prob_best_beta(a=1 + wins, b=1 + trials - wins).p_best), present, 0, None)


def _limited(weights: Floats, present: Floats, floor: int, step: int | None) -> Floats:
    now = np.rint(present * 10_000).astype(int)
    shares = [
        allocate(p_best=p.tolist(), floors=floor, present=before.tolist(), step=step).basis_points
        for p, before in zip(weights, now, strict=True)
    ]
    return np.array(shares) / 10_000


def thompson_per_request(scene: Scene, *, runs: int) -> Outcome:
    """Thompson sampling with one posterior draw for each request (Thompson 1933), written out."""
    rng = np.random.default_rng([SEED, scene.number, 1])
    arms = len(scene.rates)
    lost, last = np.zeros(runs), np.zeros(runs)
    for run in range(runs):
        wins, trials = np.zeros(arms), np.zeros(arms)
        for tick in range(TICKS):
            rates = scene.at(tick)
            drawn = rng.beta(1 + wins, 1 + trials - wins, size=(REQUESTS_PER_TICK, arms)).argmax(axis=1)
            n = np.bincount(drawn, minlength=arms)
            wins += rng.binomial(n, rates)
            trials += n
            lost[run] += n @ (rates.max() - rates)
        last[run] = n[int(np.argmax(rates))] / REQUESTS_PER_TICK
    return Outcome(lost, last)


def mabwiser_policies() -> dict[str, Callable[[list[str], int], object]] | None:
    """MABWiser's own policies, by name; None when it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mab = importlib.import_module("mabwiser.mab")
    except ImportError:
        return None
    policy = mab.LearningPolicy
    return {
        "MABWiser Thompson": lambda arms, seed: mab.MAB(arms, policy.ThompsonSampling(), seed=seed),
        "MABWiser UCB1(1)": lambda arms, seed: mab.MAB(arms, policy.UCB1(alpha=1.0), seed=seed),
        "MABWiser eps-greedy .1": lambda arms, seed: mab.MAB(arms, policy.EpsilonGreedy(epsilon=0.1), seed=seed),
    }


def play_mabwiser(scene: Scene, make: Callable[[list[str], int], object], *, runs: int) -> Outcome:
    """MABWiser as it is used in a loop: predict gives one arm for the tick, partial_fit learns its outcomes.

    The first tick is split evenly, so that no policy starts from a single arm.
    """
    rng = np.random.default_rng([SEED, scene.number, 2])
    arms = [str(i) for i in range(len(scene.rates))]
    lost, last = np.zeros(runs), np.zeros(runs)
    for run in range(runs):
        bandit = make(arms, SEED + run)
        served = np.arange(REQUESTS_PER_TICK) % len(arms)
        for tick in range(TICKS):
            rates = scene.at(tick)
            rewards = (rng.random(REQUESTS_PER_TICK) < rates[served]).astype(int)
            learn = bandit.partial_fit if tick else bandit.fit
            learn([arms[i] for i in served], rewards)
            lost[run] += float((rates.max() - rates[served]).sum())
            last[run] = np.mean(served == int(np.argmax(rates)))
            served = np.full(REQUESTS_PER_TICK, int(bandit.predict()))
    return Outcome(lost, last)
