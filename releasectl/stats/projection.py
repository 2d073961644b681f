"""Nearest points of a null hypothesis about two proportions, in Kullback-Leibler divergence.

The projection is what an e-value divides by, and the restricted maximum-likelihood estimate of a score
test (Farrington & Manning 1990; Miettinen & Nurminen 1985): the same equation.
"""

from __future__ import annotations

import numpy as np

from releasectl.stats.determinism import Floats, floats

_STEPS = 10


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

    With r = p - margin the derivative, times its positive denominators, is a cubic with three real roots: it
    falls through 0 once where both rates lie in [0, 1], at the middle one. From any point between the outer roots
    Laguerre's method comes to that root without passing it, so a fixed number of steps does: sums, products and
    square roots alone, the same on every machine. Where roots are close a step quarters the distance at least.
    """
    if margin == 0.0:
        return project_on_ratio(th_b, th_c, n_b, n_c, 1.0)
    low, high = max(margin, 0.0), min(1.0, 1.0 + margin)
    n = np.maximum(n_b + n_c, 1.0)
    hits_c, over_b = n_c * th_c, n_b * (th_b - margin)
    square = -(over_b + n_b + hits_c + n_c * (1.0 - 2.0 * margin))
    slope = over_b + hits_c * (1.0 - 2.0 * margin) - n_c * (margin * (1.0 - margin))
    r = np.minimum(np.maximum((over_b + hits_c) / n, low - margin), high - margin)
    # What every step has in common is computed once: simulations spend most of their time here.
    thrice_n, twice_square, less_n, top = 3.0 * n, 2.0 * square, -n, 1.0 - margin
    for _ in range(_STEPS):
        # In factors, so that nothing cancels where a rate is near 0 or 1.
        up = 3.0 * ((over_b - n_b * r) * (r * (1.0 - r)) + (hits_c - n_c * r) * ((r + margin) * (top - r)))
        bend = thrice_n * r
        first = (bend + twice_square) * r + slope
        steep = first - 2.0 * np.sqrt(np.maximum(first * first - up * (bend + square), 0.0))
        r = r - up / np.where(steep < 0, steep, less_n)
    return floats(np.minimum(np.maximum(r + margin, low), high))
