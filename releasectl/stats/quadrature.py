"""Gauss-Legendre nodes and weights, and integrals up to each node.

Computed here by Newton's method in plain arithmetic, so they have the same bits everywhere.
"""

from __future__ import annotations

import math

import numpy as np

from releasectl.stats.determinism import Floats, floats


def gauss_legendre(n: int) -> tuple[Floats, Floats]:
    """Rising nodes in (-1, 1) and their weights, exact for polynomials up to degree 2 n - 1."""
    x = np.array([math.cos(math.pi * (i + 0.75) / (n + 0.5)) for i in range(n)])[::-1]
    for _ in range(8):
        values = legendre_values(n, x)
        x = x - values[n] / _slope(n, x, values)
    slope = _slope(n, x, legendre_values(n, x))
    return floats(x), floats(2.0 / ((1.0 - x * x) * slope * slope))


def cumulative_matrix(n: int) -> Floats:
    """Q with (Q f)[g] the integral from -1 to node g of the polynomial through f at the nodes.

    Written in Legendre polynomials: the coefficient of P_k is (k + 1/2) sum_h w_h P_k(x_h) f_h, and P_k
    integrates to (P_{k+1} - P_{k-1}) / (2 k + 1), which is 0 at -1.
    """
    x, w = gauss_legendre(n)
    p = legendre_values(n, x)
    matrix = np.zeros((n, n))
    for k in range(n):
        integral = (p[k + 1] - p[k - 1]) / (2 * k + 1) if k else x + 1.0
        matrix = matrix + (k + 0.5) * integral[:, None] * (w * p[k])[None, :]
    return floats(matrix)


def legendre_values(n: int, x: Floats) -> list[Floats]:
    """P_0 .. P_n at x, by the three-term recurrence."""
    values = [np.ones_like(x), x]
    for k in range(2, n + 1):
        values.append(((2 * k - 1) * x * values[k - 1] - (k - 1) * values[k - 2]) / k)
    return values


def _slope(n: int, x: Floats, values: list[Floats]) -> Floats:
    return floats(n * (x * values[n] - values[n - 1]) / (x * x - 1.0))
