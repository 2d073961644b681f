"""What another policy would have earned, from the log of the one that ran.

Rows are on the first axis: the reward, the arm that was chosen, the chance with which it was chosen, and
the chances the other policy gives each arm, shape (rows, arms); where only the chosen arm's chance is
known, shape (rows,). ``q_hat`` is a model of the reward, shape (rows, arms), fitted on *other* rows.

Estimates lean on rows the two policies share, so look at ``gate`` first: with few effective rows an
estimate is a number about almost nobody. Without rows every estimate is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from releasectl.stats.determinism import Floats, floats


@dataclass(frozen=True)
class Gate:
    """Whether an off-policy estimate may be used, and if not, why."""

    allowed: bool
    reason: str
    effective_rows: float
    rows: int


def importance_weights(*, action: ArrayLike, pscore: ArrayLike, action_dist: ArrayLike) -> Floats:
    """The other policy's chance of the chosen arm over the chance it was chosen with, shape (rows,).

    A row chosen with chance 0 cannot have happened: ValueError.
    """
    chance = floats(pscore).ravel()
    if np.any(~(chance > 0)):
        raise ValueError("a chosen arm had a positive chance of being chosen")
    return floats(_of_chosen(_by_arm(action_dist), action) / chance)


def ipw(*, reward: ArrayLike, action: ArrayLike, pscore: ArrayLike, action_dist: ArrayLike) -> float:
    """Mean of w r (Horvitz & Thompson 1952): unbiased, with the variance of the weights."""
    return _mean(importance_weights(action=action, pscore=pscore, action_dist=action_dist) * floats(reward).ravel())


def ipw_standard_error(*, reward: ArrayLike, action: ArrayLike, pscore: ArrayLike, action_dist: ArrayLike) -> float:
    """Standard error of ``ipw``: sd of w r over root of rows. NaN with fewer than two rows."""
    w = importance_weights(action=action, pscore=pscore, action_dist=action_dist)
    return _standard_error(floats(w * floats(reward).ravel()))


def snipw(*, reward: ArrayLike, action: ArrayLike, pscore: ArrayLike, action_dist: ArrayLike) -> float:
    """Sum of w r over sum of w (Swaminathan & Joachims 2015): slightly biased, bounded by the rewards.

    NaN when no row has weight.
    """
    w = importance_weights(action=action, pscore=pscore, action_dist=action_dist)
    return _over(_sum(w * floats(reward).ravel()), _sum(w))


def snipw_standard_error(*, reward: ArrayLike, action: ArrayLike, pscore: ArrayLike, action_dist: ArrayLike) -> float:
    """Standard error of ``snipw`` by the delta method: root of sum of (w (r - estimate))^2, over sum of w.

    NaN when no row has weight.
    """
    w = importance_weights(action=action, pscore=pscore, action_dist=action_dist)
    centre = snipw(reward=reward, action=action, pscore=pscore, action_dist=action_dist)
    gaps = w * (floats(reward).ravel() - centre)
    return _over(math.sqrt(_sum(gaps * gaps)), _sum(w))


def dm(*, action_dist: ArrayLike, q_hat: ArrayLike) -> float:
    """The direct method: the model's reward under the other policy. As good as the model, no better."""
    return _mean(_modelled(action_dist, q_hat))


def dr(*, reward: ArrayLike, action: ArrayLike, pscore: ArrayLike, action_dist: ArrayLike, q_hat: ArrayLike) -> float:
    """Doubly robust (Dudik, Langford & Li 2011): right when either the model or the propensities are."""
    w, rest = _weighted_rest(reward, action, pscore, action_dist, q_hat)
    return _mean(_modelled(action_dist, q_hat) + w * rest)


def dr_standard_error(
    *, reward: ArrayLike, action: ArrayLike, pscore: ArrayLike, action_dist: ArrayLike, q_hat: ArrayLike
) -> float:
    """Standard error of ``dr``: sd of its terms over root of rows. NaN with fewer than two rows."""
    w, rest = _weighted_rest(reward, action, pscore, action_dist, q_hat)
    return _standard_error(floats(_modelled(action_dist, q_hat) + w * rest))


def sndr(*, reward: ArrayLike, action: ArrayLike, pscore: ArrayLike, action_dist: ArrayLike, q_hat: ArrayLike) -> float:
    """``dr`` with weights normalised by their sum (Thomas & Brunskill 2016). NaN when no row has weight."""
    w, rest = _weighted_rest(reward, action, pscore, action_dist, q_hat)
    return _mean(_modelled(action_dist, q_hat)) + _over(_sum(w * rest), _sum(w))


def replay(*, reward: ArrayLike, action: ArrayLike, action_dist: ArrayLike) -> float:
    """Mean reward over rows where the other policy would have chosen the same arm (Li et al. 2011).

    For logs of a uniformly random policy. ``action_dist``: the other policy's arm in each row, or its
    chances by arm, of which the first largest counts. NaN when no row matches.
    """
    chances = floats(action_dist)
    chosen = chances if chances.ndim == 1 else np.argmax(_by_arm(action_dist), axis=1)
    match = floats(chosen) == floats(action).ravel()
    return _over(_sum(floats(reward).ravel()[match]), float(np.count_nonzero(match)))


def kish_ess(weights: ArrayLike) -> float:
    """Effective number of rows: (sum w)^2 / sum w^2 (Kish 1965). 0 without any weight."""
    w = floats(weights).ravel()
    squares = _sum(w * w)
    return _sum(w) ** 2 / squares if squares > 0 else 0.0


def gate(*, weights: ArrayLike, least_rows: float = 100.0, least_share: float = 0.01) -> Gate:
    """Refuse an off-policy estimate when the effective rows are too few, or too small a share of the log."""
    rows = floats(weights).size
    effective = kish_ess(weights)
    if rows == 0:
        return Gate(False, "the log has no rows", 0.0, 0)
    if effective < least_rows:
        reason = f"only {effective:.1f} effective rows of {rows}; at least {least_rows:g} are needed"
        return Gate(False, reason, effective, rows)
    if effective < least_share * rows:
        share = 100.0 * effective / rows
        reason = f"only {share:.2f} % of {rows} rows are effective; at least {100 * least_share:g} % is needed"
        return Gate(False, reason, effective, rows)
    return Gate(True, f"{effective:.0f} effective rows of {rows}", effective, rows)


def _by_arm(values: ArrayLike) -> Floats:
    array = floats(values)
    return array[..., 0] if array.ndim == 3 else array  # some logs carry a position axis of length 1


def _of_chosen(values: Floats, action: ArrayLike) -> Floats:
    if values.ndim == 1:
        return values
    chosen: NDArray[np.intp] = np.asarray(action).ravel().astype(np.intp)
    return floats(values[np.arange(values.shape[0]), chosen])


def _modelled(action_dist: ArrayLike, q_hat: ArrayLike) -> Floats:
    products = _by_arm(action_dist) * _by_arm(q_hat)
    return floats(np.add.accumulate(products, axis=1)[:, -1])


def _weighted_rest(
    reward: ArrayLike, action: ArrayLike, pscore: ArrayLike, action_dist: ArrayLike, q_hat: ArrayLike
) -> tuple[Floats, Floats]:
    w = importance_weights(action=action, pscore=pscore, action_dist=action_dist)
    return w, floats(floats(reward).ravel() - _of_chosen(_by_arm(q_hat), action))


def _sum(values: Floats) -> float:
    return math.fsum(values.tolist())


def _mean(values: Floats) -> float:
    return _sum(values) / values.size if values.size else math.nan


def _standard_error(values: Floats) -> float:
    if values.size < 2:
        return math.nan
    gaps = values - _mean(values)
    return math.sqrt(_sum(gaps * gaps) / (values.size - 1) / values.size)


def _over(top: float, bottom: float) -> float:
    return top / bottom if bottom else math.nan
