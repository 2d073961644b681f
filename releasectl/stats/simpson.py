"""The grid of Jennison & Turnbull (2000, section 19.2), as gsDesign and its ports use it.

Kept to compare with bounds that were computed on it. Its 12 r - 3 Simpson nodes are sparse in the far
tail: an early O'Brien-Fleming look that spends 1e-9 comes out 2e-5 too high at r = 64, where closed-form
tails on Gauss-Legendre panels (``looks``) agree with 30-digit arithmetic.
"""

from __future__ import annotations

import numpy as np

from releasectl.stats.determinism import Floats, floats, log


def simpson_grid(low: float, high: float, *, centre: float, r: int) -> tuple[Floats, Floats]:
    """Nodes on the scale of Z between two limits (either may be infinite), and their weights."""
    i = np.arange(1.0, 6.0 * r)
    left = -3.0 - 4.0 * log(r / i)
    right = 3.0 + 4.0 * log(r / (6.0 * r - i))
    x = np.where(i < r, left, np.where(i <= 5 * r, -3.0 + 1.5 * (i - r) / r, right)) + centre
    if x[0] < low:
        x = np.concatenate([[low], x[x > low]])
    if x[-1] > high:
        x = np.concatenate([x[x < high], [high]])
    return (x, np.ones(1)) if x.size == 1 else _with_midpoints(floats(x))


def _with_midpoints(x: Floats) -> tuple[Floats, Floats]:
    nodes, weights = np.empty(2 * x.size - 1), np.empty(2 * x.size - 1)
    nodes[::2], nodes[1::2] = x, 0.5 * (x[:-1] + x[1:])
    widths = np.diff(x)
    weights[1::2] = 4.0 * widths
    weights[::2] = np.concatenate([widths, [0.0]]) + np.concatenate([[0.0], widths])
    return nodes, weights / 6.0
