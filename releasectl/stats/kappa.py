"""Do two people who judge the same items say the same, beyond what chance would make them say?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import floats


@dataclass(frozen=True)
class Kappa:
    """``kappa`` 1 is full agreement, 0 that of chance. NaN where it is not defined: without items, or where both
    gave one and the same category to all; the limits are then -1 and 1."""

    kappa: float
    se: float
    lower: float
    upper: float
    observed: float
    """Share of items on which both said the same."""
    items: int


def cohen_kappa(*, table: ArrayLike, level: float = 0.95) -> Kappa:
    """From a square table of items: rows are the first person's categories, columns the second's.

    kappa = (p_o - p_e) / (1 - p_e) (Cohen, A coefficient of agreement for nominal scales, 1960) with the large-sample
    standard error of Fleiss, Cohen & Everitt (Large sample standard errors of kappa and weighted kappa, 1969,
    formula 13 without weights). The limits are normal ones for one look, cut to [-1, 1]; with few items
    or with hardly any disagreement they are too narrow.
    """
    counts = floats(table)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError("a table of two people has as many rows as columns")
    items = float(counts.sum())
    if items == 0:
        return Kappa(math.nan, math.nan, -1.0, 1.0, math.nan, 0)
    p = counts / items
    rows, columns, diagonal = p.sum(axis=1), p.sum(axis=0), np.diagonal(p)
    observed, expected = float(diagonal.sum()), float((rows * columns).sum())
    if expected >= 1.0 - 1e-12:
        return Kappa(math.nan, math.nan, -1.0, 1.0, observed, int(items))
    left = 1.0 - expected
    kappa = (observed - expected) / left
    on = float((diagonal * (1.0 - (rows + columns) * (1.0 - kappa)) ** 2).sum())
    crossed = p * (columns[:, None] + rows[None, :]) ** 2
    off = (1.0 - kappa) ** 2 * float(crossed.sum() - np.diagonal(crossed).sum())
    variance = (on + off - (kappa - expected * (1.0 - kappa)) ** 2) / (left * left * items)
    se = math.sqrt(max(variance, 0.0))
    half = float(special.ndtri(0.5 + level / 2)) * se
    return Kappa(kappa, se, max(kappa - half, -1.0), min(kappa + half, 1.0), observed, int(items))
