"""How often rules promote within 200 ticks, at equal arms and on either side of it.

Business rules on posteriors (P(best), expected loss, value remaining) use the normal approximation to the log odds
of a Beta posterior, which at 500 requests a tick and arm differs from the exact value by less than the noise of
this table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, ndtr, polygamma

from releasectl.stats import Horizon, Odds, Stratified, Trials, expected_variance, glr_pair
from tests.bench.peers import Ticks, first_true
from tests.bench.worlds import TICKS, Counts, World

Floats = NDArray[np.float64]
RATE = 0.05
EFFECTS = (-0.05, -0.02, 0.0, 0.05, 0.10)
WORLDS = tuple(
    World(number=40 + i, name=f"{effect:+.0%}", rate=RATE, effect=effect, canary_share=0.5)
    for i, effect in enumerate(EFFECTS)
)
PLAN = float(expected_variance(ticks=TICKS, n_b=500, n_c=500, rate=RATE))


@dataclass(frozen=True)
class PromotionRule:
    """A rule that promotes the canary, and whose it is."""

    name: str
    whose: Literal["ours", "peer"]
    judge: Callable[[Counts], Ticks]


def _log_odds(counts: Counts) -> tuple[Floats, Floats]:
    """Difference of the arms' posterior log odds, canary less baseline: mean and standard deviation."""
    mean, variance = 0.0, 0.0
    for sign, x, n in ((-1, counts.x_b, counts.n_b), (1, counts.x_c, counts.n_c)):
        a = 1 + np.cumsum(x, axis=-1)
        b = 1 + np.cumsum(n - x, axis=-1)
        mean = mean + sign * (digamma(a) - digamma(b))
        variance = variance + polygamma(1, a) + polygamma(1, b)
    return np.asarray(mean), np.sqrt(variance)


def p_best(counts: Counts, *, at_least: float) -> Ticks:
    """Promote when the canary is the better arm with this posterior chance."""
    mean, sd = _log_odds(counts)
    return first_true(ndtr(mean / sd) >= at_least)


def expected_loss(counts: Counts, *, at_most: float) -> Ticks:
    """Promote when the relative loss expected of choosing the canary is small."""
    mean, sd = _log_odds(counts)
    z = mean / sd
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return first_true((sd * density - mean * ndtr(-z)) * (1 - RATE) <= at_most)


def value_remaining(counts: Counts, *, at_most: float) -> Ticks:
    """Promote when, with 95 % chance, the other arm is better by no more than this, relatively."""
    mean, sd = _log_odds(counts)
    return first_true((1.6448536269514722 * sd - mean) * (1 - RATE) <= at_most)


def glr(counts: Counts, *, delta: float = 0.05) -> Ticks:
    """Garivier & Kaufmann's stopping rule, two-sided, promoting when the canary leads."""
    x_b, n_b, x_c, n_c = (np.cumsum(a, axis=-1) for a in (counts.x_b, counts.n_b, counts.x_c, counts.n_c))
    statistic = np.asarray(glr_pair(s1=x_c, n1=n_c, s2=x_b, n2=n_b))
    return first_true((x_c * n_b > x_b * n_c) & (np.abs(statistic) > np.log((1 + np.log(n_b + n_c)) / delta)))


def always_valid(counts: Counts, *, margin: float = 0.0) -> Ticks:
    """The stratified confidence sequence of the difference lies above the margin."""
    rule = Stratified(v_opt=PLAN / 2, claim="better", margin=margin)
    log_e = rule.run(rule.init(counts.x_b.shape[:1]), Trials.of_good(**counts.arguments()))[1]
    return first_true((log_e >= np.log(20)) & (np.arange(TICKS) + 1 >= 5))


def horizon(counts: Counts, *, margin: float = 0.0) -> Ticks:
    """The same claim with all error spent by the last tick."""
    rule = Horizon(last_tick=TICKS, claim="better", margin=margin)
    score = rule.run(rule.init(counts.x_b.shape[:1]), Trials.of_good(**counts.arguments()))[1]
    return first_true(score >= rule.boundary)


def odds(counts: Counts, *, margin: float = 0.0) -> Ticks:
    """The same claim by the odds rule."""
    rule = Odds(v_plan=PLAN, looks=TICKS, claim="better", margin=margin)
    log_e = rule.run(rule.init(counts.x_b.shape[:1]), Trials.of_good(**counts.arguments()))[1]
    return first_true(log_e >= rule.threshold)


RULES = (
    PromotionRule("P(best) >= .95", "peer", lambda c: p_best(c, at_least=0.95)),
    PromotionRule("P(best) >= .99", "peer", lambda c: p_best(c, at_least=0.99)),
    PromotionRule("expected loss <= .1 %", "peer", lambda c: expected_loss(c, at_most=0.001)),
    PromotionRule("value remaining <= 1 %", "peer", lambda c: value_remaining(c, at_most=0.01)),
    PromotionRule("GLR", "peer", glr),
    PromotionRule("CS > 0", "ours", always_valid),
    PromotionRule("CS > -2 % (non-inferior)", "ours", lambda c: always_valid(c, margin=0.02)),
    PromotionRule("horizon > 0", "ours", horizon),
    PromotionRule("horizon > -2 %", "ours", lambda c: horizon(c, margin=0.02)),
    PromotionRule("odds > 0", "ours", odds),
    PromotionRule("odds > -2 %", "ours", lambda c: odds(c, margin=0.02)),
)
