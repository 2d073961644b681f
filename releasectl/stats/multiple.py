"""Several metrics or slices at once.

For a claim that every one must pass no correction is due (an intersection-union test, Berger 1982). For a
claim that any one can raise, share alpha out: evidence under any dependence may be averaged, and averages
beat Bonferroni when several metrics move together (Vovk & Wang 2021). For many slices e-BH keeps the false
discovery rate under any dependence (Wang & Ramdas 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from releasectl.stats.determinism import DEAD_BAND, Floats, at_least, floats, log, log_sum_exp


@dataclass(frozen=True)
class Multiple:
    """``reject`` at the level asked for, and the adjusted p-values; in the order given."""

    reject: NDArray[np.bool_]
    adj: Floats


def weighted_log_e(*, log_e: ArrayLike, weights: ArrayLike) -> Floats:
    """ln of sum_j w_j E_j over the last axis: an e-value under any dependence (Vovk & Wang 2021).

    Weights are fixed in advance, not negative, and add to 1 at most. Take the e-processes' *current* values:
    the average of maxima is no e-value.
    """
    w = floats(weights)
    if bool(np.any(w < 0)) or float(np.sum(w)) > 1.0 + DEAD_BAND:
        raise ValueError("weights must not be negative nor add to more than 1")
    return log_sum_exp(floats(log_e) + log(w))


def bonferroni(*, peaks: ArrayLike, weights: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Which of the last axis have ever shown E_j >= 1/(w_j alpha); shape of ``peaks`` (ln of the maxima)."""
    return at_least(peaks, -log(floats(weights) * alpha))


def e_bh(*, e: ArrayLike, alpha: float) -> NDArray[np.int64]:
    """Indices rejected by e-BH: the k largest, k = max{k: e_(k) >= K / (alpha k)}, in ascending order.

    ``e`` has one axis; values may be inf. Empty in, empty out. Wang & Ramdas 2022.
    """
    return e_bh_log(log_e=log(e), alpha=alpha)


def e_bh_log(*, log_e: ArrayLike, alpha: float) -> NDArray[np.int64]:
    """``e_bh`` for evidence in nats."""
    values = np.atleast_1d(floats(log_e))
    count = values.shape[-1]
    if count == 0:
        return np.empty(0, dtype=np.int64)
    order = np.argsort(-values, kind="stable")
    need = math.log(count / alpha) - log(np.arange(1, count + 1))
    passed = np.flatnonzero(at_least(values[order], need))
    largest = int(passed[-1]) + 1 if passed.size else 0
    return np.sort(order[:largest]).astype(np.int64)


def multipletests(
    *, p: ArrayLike, alpha: float = 0.05, method: Literal["bonferroni", "holm", "fdr_bh", "fdr_by"] = "holm"
) -> Multiple:
    """Adjusted p-values (last axis) and what they reject at alpha.

    Holm 1979 (any dependence, error of any false rejection); Benjamini & Hochberg 1995 (positive
    dependence) and Benjamini & Yekutieli 2001 (any), false discovery rate. Empty in, empty out.
    """
    values = np.atleast_1d(floats(p))
    count = values.shape[-1]
    order = np.argsort(values, axis=-1, kind="stable")
    sorted_p = np.take_along_axis(values, order, axis=-1)
    rank = np.arange(1, count + 1)
    if method == "bonferroni":
        adjusted = sorted_p * count
    elif method == "holm":
        adjusted = np.maximum.accumulate(sorted_p * (count - rank + 1), axis=-1)
    elif method in {"fdr_bh", "fdr_by"}:
        factor = math.fsum(1.0 / k for k in rank) if method == "fdr_by" else 1.0
        adjusted = np.minimum.accumulate((sorted_p * (count / rank) * factor)[..., ::-1], axis=-1)[..., ::-1]
    else:
        raise ValueError(f"unknown method {method!r}")
    back = np.empty_like(values)
    np.put_along_axis(back, order, np.minimum(adjusted, 1.0), axis=-1)
    return Multiple(reject=back <= alpha + DEAD_BAND, adj=back)
