"""Always-valid interval for the mean of paired differences that are -1, 0 or 1, from how many there were of each.

Such differences arise when two variants answer the same requests and each answer is or is not an event: McNemar's
discordant pairs, looked at as they come. A capital process bets a constant fraction lambda on each difference d:
prod(1 + lambda (d - m)) is a martingale if the mean is m, whatever else the pairs have in common, and so is a
mixture of it over fractions fixed in advance (Waudby-Smith & Ramdas, Estimating means of bounded random variables by
betting, 2024: "grid Kelly"). With constant bets the product depends on the counts alone, so neither their order nor
the times at which one looks matter. By Ville's inequality a mean m is given up once the capital reaches 1/alpha.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.determinism import Floats, floats, log, log1p, log_sum_exp

FRACTIONS = (0.99, 0.9, *(2.0 ** (-k / 2) for k in range(1, 21)))
"""Bets as parts of the largest that cannot lose everything: from nearly all, for rare differences, to a thousandth."""
_HALVINGS = 60
_NEAREST = 1e-12
_FEWEST = 10


def paired_log_e(*, up: ArrayLike, down: ArrayLike, pairs: ArrayLike, mean: ArrayLike) -> Floats:
    """ln E against "the mean difference is at most ``mean``", elementwise, for -1 < mean < 1.

    ``up`` and ``down`` count the differences of 1 and of -1 among ``pairs``. It falls as ``mean`` grows, so that
    it is an e-process for every mean up to there. Without pairs it is 0.
    """
    b, c, n, m = (values[..., None] for values in np.broadcast_arrays(*map(floats, (up, down, pairs, mean))))
    f = floats(FRACTIONS)
    # A bet of f/(1+m) makes a difference of -1 leave exactly 1-f of the capital.
    gains = b * log1p(f * (1.0 - m) / (1.0 + m)) + c * log1p(-f) + (n - b - c) * log1p(-f * m / (1.0 + m))
    return log_sum_exp(floats(gains)) - math.log(len(FRACTIONS))


def paired_interval(*, up: ArrayLike, down: ArrayLike, pairs: ArrayLike, alpha: float = 0.05) -> Floats:
    """Lower and upper limit of the mean difference on the last axis, right at all times together with 1 - alpha.

    Half of alpha for either side. Counts broadcast; without pairs [-1, 1].
    """
    b, c, n = np.broadcast_arrays(floats(up), floats(down), floats(pairs))
    need = math.log(2.0 / alpha)
    return np.stack([_lower(b, c, n, need), -_lower(c, b, n, need)], axis=-1)


def mean_interval(
    *, total: ArrayLike, squares: ArrayLike, count: ArrayLike, alpha: float = 0.05, n_opt: float = 1000
) -> Floats:
    """Lower and upper limit of the mean of any numbers from their sum and their sum of squares; last axis.

    Asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2021, theorem 2.2), narrowest near
    ``n_opt`` numbers: it holds at all times together once the variance is well estimated, so with fewer than
    ten numbers the limits are infinite.
    """
    s, q, n = np.broadcast_arrays(floats(total), floats(squares), floats(count))
    some = np.where(n > 0, n, 1.0)
    mean = s / some
    variance = np.maximum(q / some - mean * mean, 0.0)
    level = -2.0 * math.log(alpha)
    rho2 = (level + math.log1p(level)) / n_opt
    # Twice the logarithm of sqrt(n rho^2 + 1) / alpha.
    root = log(n * rho2 + 1.0) + level
    half = np.sqrt(variance) * np.sqrt((some * rho2 + 1.0) / (some * some * rho2) * root)
    half = np.where(n >= _FEWEST, half, np.inf)
    return np.stack([mean - half, mean + half], axis=-1)


def _lower(up: Floats, down: Floats, pairs: Floats, need: float) -> Floats:
    """The largest mean that the capital has given up, -1 if none; found by bisection."""
    # The ends themselves would divide by nothing.
    given_up, kept = np.full(up.shape, -1.0 + _NEAREST), np.full(up.shape, 1.0 - _NEAREST)
    for _ in range(_HALVINGS):
        middle = 0.5 * (given_up + kept)
        over = paired_log_e(up=up, down=down, pairs=pairs, mean=middle) >= need
        given_up, kept = np.where(over, middle, given_up), np.where(over, kept, middle)
    return floats(np.where(pairs > 0, given_up, -1.0))
