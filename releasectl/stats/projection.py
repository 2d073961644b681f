"""Nearest points of a null hypothesis about two proportions, in Kullback-Leibler divergence.

The projection is what an e-value divides by, and the restricted maximum-likelihood estimate of a score
test (Farrington & Manning 1990; Miettinen & Nurminen 1985): the same equation.
"""

from __future__ import annotations

import numpy as np

from releasectl.stats.determinism import Floats, floats

_HALVINGS = 60


def project_on_ratio(th_b: Floats, th_c: Floats, n_b: Floats, n_c: Floats, ratio: float) -> Floats:
    """The p minimising n_b KL(th_b, p) + n_c KL(th_c, ratio p), elementwise.

    With a = expected outcomes and N = trials, the derivative is zero at the smaller root of
    ratio N p^2 - (a (1 + ratio) + failures_b + ratio failures_c) p + a = 0; for ratio 1 that is a / N.
    Without trials the answer is th_b.
    """
    total = n_b + n_c
    safe = np.where(total > 0, total, 1.0)
    hits = n_b * th_b + n_c * th_c
    if ratio == 1.0:
        return np.where(total > 0, hits / safe, th_b)
    middle = hits * (1.0 + ratio) + n_b * (1.0 - th_b) + ratio * (n_c * (1.0 - th_c))
    root = np.sqrt(np.maximum(middle * middle - 4.0 * ratio * safe * hits, 0.0))
    # The form 2c / (b + root) of the smaller root: no cancellation between close numbers.
    return np.where(total > 0, 2.0 * hits / np.where(total > 0, middle + root, 1.0), th_b)


def project_on_difference(th_b: Floats, th_c: Floats, n_b: Floats, n_c: Floats, margin: float) -> Floats:
    """The p minimising n_b KL(th_b, p) + n_c KL(th_c, p - margin), elementwise; |margin| < 1.

    The derivative falls through zero once where both rates lie in [0, 1]; halving the interval a fixed number of
    times finds it to the last bits with nothing but sums, products and comparisons.
    """
    if margin == 0.0:
        return project_on_ratio(th_b, th_c, n_b, n_c, 1.0)
    hits_b, miss_b, hits_c, miss_c = n_b * th_b, n_b * (1.0 - th_b), n_c * th_c, n_c * (1.0 - th_c)
    low = np.full(np.broadcast_shapes(th_b.shape, th_c.shape, n_b.shape, n_c.shape), max(margin, 0.0))
    high = np.full_like(low, min(1.0, 1.0 + margin))
    for _ in range(_HALVINGS):
        p = 0.5 * (low + high)
        r = p - margin
        # The derivative of the log-likelihood, times its positive denominators.
        up = (hits_b * (1.0 - p) - miss_b * p) * (r * (1.0 - r)) + (hits_c * (1.0 - r) - miss_c * r) * (p * (1.0 - p))
        low, high = np.where(up > 0, p, low), np.where(up > 0, high, p)
    return floats(0.5 * (low + high))
