"""Values known by simulation: simulate again, smaller, and compare within four combined standard errors.

What a case simulates is in its id:

- ``peek_A_B``: a two-sided 5 % z test looked at after every observation from A to B, under the null;
- ``cs_V``: the two-sided normal mixture tuned to intrinsic time V, crossed by observation 10,000;
- ``ts_G_D``, ``ucb1_G_D``, ``klucb_G_D``: pseudo-regret of ten arms, one at .5 and nine worse by G, over
  10,000 plays with feedback released every D plays.
"""

import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from releasectl import stats

Array = NDArray[np.float64]

_UNTRIED = 1e6  # an arm without feedback comes first


@dataclass(frozen=True)
class Estimate:
    """A simulated mean and its standard error."""

    value: float
    se: float


def differences(case: Mapping[str, Any]) -> list[str] | None:
    """One line when our simulation disagrees; None when the id names no simulation."""
    for pattern, simulate in SIMULATIONS:
        found = re.fullmatch(pattern, case["id"])
        if found:
            rng = np.random.default_rng([20261124, zlib.crc32(case["id"].encode())])
            ours = simulate(rng, found)
            allowed = 4 * math.hypot(float(case["se"]), ours.se)
            if abs(ours.value - float(case["value"])) <= allowed:
                return []
            return [f"value: got {ours.value:.6g} (se {ours.se:.2g}), expected {case['value']} (se {case['se']:.2g})"]
    return None


def exact_differences(name: str, expected: float) -> list[str] | None:
    """One line when a constant known in closed form differs; None when its name is not known."""
    gap = re.fullmatch(r"lai_robbins_slope_eps_([\d.]+)", name)
    if gap:
        found = stats.lai_robbins_slope(np.array([0.5] + [0.5 - float(gap[1])] * 9))
    elif name == "cs_width_over_fixed_95ci_at_t_opt_two_sided":
        found = _bound_at_v_opt(one_sided=False) / float(special.ndtri(0.975))
    elif name == "cs_width_over_fixed_at_t_opt_one_sided":
        found = _bound_at_v_opt(one_sided=True) / float(special.ndtri(0.95))
    else:
        return None
    return [] if math.isclose(found, expected, rel_tol=1e-6) else [f"value: got {found!r}, expected {expected!r}"]


def _bound_at_v_opt(*, one_sided: bool) -> float:
    bound = stats.normal_mixture_bound(v=1.0, alpha=0.05, v_opt=1.0, alpha_opt=0.05, is_one_sided=one_sided)
    return float(np.asarray(bound))


def peek(rng: np.random.Generator, found: re.Match[str]) -> Estimate:
    """How often a repeated z test rejects."""
    first, last = int(found["first"]), int(found["last"])
    limit = float(special.ndtri(0.975)) * np.sqrt(np.arange(1, last + 1, dtype=float))
    limit[: first - 1] = math.inf
    return _crossing(rng, runs=20_000 if last <= 1000 else 5_000, limit=limit)


def mixture(rng: np.random.Generator, found: re.Match[str]) -> Estimate:
    """How often the normal mixture is crossed by observation 10,000."""
    bound = stats.normal_mixture_bound(
        v=np.arange(1.0, 10_001.0), alpha=0.05, v_opt=float(found["v"]), alpha_opt=0.05, is_one_sided=False
    )
    return _crossing(rng, runs=5_000, limit=np.asarray(bound))


def _crossing(rng: np.random.Generator, *, runs: int, limit: Array) -> Estimate:
    crossed = 0
    for size in _blocks(runs, 250):
        walk = np.cumsum(rng.standard_normal((size, limit.size)), axis=1)
        crossed += int(np.count_nonzero(np.any(np.abs(walk) >= limit, axis=1)))
    share = crossed / runs
    return Estimate(share, math.sqrt(share * (1 - share) / runs))


def _blocks(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]


def regret(choose: Callable[..., Array], *, runs: int) -> Callable[[np.random.Generator, re.Match[str]], Estimate]:
    """A simulation of ten arms under an index policy; the index is recomputed at every play."""

    def simulate(rng: np.random.Generator, found: re.Match[str]) -> Estimate:
        gap, delay, plays, arms = float(found["gap"]), int(found["delay"]), 10_000, 10
        rates = np.array([0.5] + [0.5 - gap] * (arms - 1))
        wins, trials = np.zeros((runs, arms)), np.zeros((runs, arms))
        new_wins, new_trials = np.zeros_like(wins), np.zeros_like(wins)
        bad, rows = np.zeros(runs), np.arange(runs)
        for play in range(plays):
            arm = np.argmax(choose(rng, wins, trials, play + 1), axis=1)
            new_wins[rows, arm] += rng.random(runs) < rates[arm]
            new_trials[rows, arm] += 1
            bad += arm != 0
            if (play + 1) % delay == 0:
                wins, trials = wins + new_wins, trials + new_trials
                new_wins[:], new_trials[:] = 0, 0
        return Estimate(float(gap * bad.mean()), float(gap * bad.std(ddof=1) / math.sqrt(runs)))

    return simulate


def thompson_index(rng: np.random.Generator, wins: Array, trials: Array, play: int) -> Array:
    """A draw from each arm's posterior under a uniform prior."""
    del play
    return rng.beta(1 + wins, 1 + trials - wins)


def ucb1_index(rng: np.random.Generator, wins: Array, trials: Array, play: int) -> Array:
    """Auer et al. (2002): mean + sqrt(2 ln t / n); an arm without trials comes first, ties at random."""
    tie = 1e-9 * rng.random(wins.shape)
    n = np.maximum(trials, 1)
    return np.where(trials > 0, wins / n + np.sqrt(2 * math.log(play) / n), _UNTRIED) + tie


def klucb_index(rng: np.random.Generator, wins: Array, trials: Array, play: int) -> Array:
    """Garivier & Cappe (2011): the largest q with n kl(p, q) <= ln t."""
    tie = 1e-9 * rng.random(wins.shape)
    return np.where(trials > 0, stats.kl_ucb(successes=wins, n=np.maximum(trials, 1), t=play), _UNTRIED) + tie


SIMULATIONS: tuple[tuple[str, Callable[[np.random.Generator, re.Match[str]], Estimate]], ...] = (
    (r"peek_(?P<first>\d+)_(?P<last>\d+)", peek),
    (r"cs_(?P<v>[\d.]+)", mixture),
    (r"ts_(?P<gap>[\d.]+)_(?P<delay>\d+)", regret(thompson_index, runs=100)),
    (r"ucb1_(?P<gap>[\d.]+)_(?P<delay>\d+)", regret(ucb1_index, runs=40)),
    (r"kl_?ucb_(?P<gap>[\d.]+)_(?P<delay>\d+)", regret(klucb_index, runs=20)),
)
