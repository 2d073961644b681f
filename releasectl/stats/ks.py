"""The exact distribution of the two-sample Kolmogorov-Smirnov distance.

Under the null every order of the pooled sample is equally likely, so the pair of empirical distribution
functions is a random lattice path from (0, 0) to (n, m) (Hodges 1958). Backwards, a path at (i, j) came
from (i-1, j) with chance i/(i+j). Adding up chances of having been outside, rather than inside, keeps
every digit of a small p-value.
"""

from __future__ import annotations

import numpy as np

from releasectl.stats.determinism import Floats


def outside_chance(n: int, m: int, gap: int) -> float:
    """P(max |i m - j n| >= gap) over paths from (0, 0) to (n, m); ``gap`` is the distance times n m."""
    if gap <= 0:
        return 1.0
    if n > m:
        n, m = m, n
    chance = np.zeros(n + 1)  # by i, on the diagonal i + j = s
    for s in range(1, n + m + 1):
        chance = _next_diagonal(chance, s, n, m, gap)
    return float(chance[n])


def _next_diagonal(before: Floats, s: int, n: int, m: int, gap: int) -> Floats:
    low, high = max(0, s - m), min(n, s)
    i = np.arange(low, high + 1)
    after = np.zeros_like(before)
    came_by_x = np.where(i > 0, before[i - 1], 0.0)
    after[low : high + 1] = (i * came_by_x + (s - i) * before[i]) / s
    after[low : high + 1][np.abs(i * m - (s - i) * n) >= gap] = 1.0
    return after
