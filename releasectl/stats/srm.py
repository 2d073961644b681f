"""Sample ratio: did units reach the arms in the shares that were set?

Lindon & Malek (Anytime-valid inference for multinomial count data, 2022): the Bayes factor of a Dirichlet
alternative centred on the shares, which is an e-process, so it may be looked at after every tick. Shares
that change (a ramp, a bandit) begin a new factor; factors multiply. For *units*: repeated requests of one
user are not independent assignments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, floats, running_max, running_sum
from releasectl.stats.fold import State, empty

CONCENTRATION = 1000.0


@dataclass(frozen=True)
class SampleRatioState(State):
    """``counts`` since the shares last changed and those ``shares`` (both (..., arms)); ``closed``: ln of
    the factors of earlier shares."""

    counts: Floats
    shares: Floats
    closed: Floats


@dataclass(frozen=True)
class SampleRatio:
    """Evidence that the assignment is not the one that was set. ``concentration`` k: how near to the set
    shares the alternatives lie, about +- sqrt(th (1 - th) / k)."""

    arms: int
    concentration: float = CONCENTRATION

    def init(self, shape: tuple[int, ...] = ()) -> SampleRatioState:
        """Before any tick: log e is 0."""
        zero, per_arm = empty(shape), empty((*shape, self.arms))
        return SampleRatioState(0, zero, zero, counts=per_arm, shares=per_arm, closed=zero)

    def run(self, state: SampleRatioState, counts: ArrayLike, shares: ArrayLike) -> tuple[SampleRatioState, Floats]:
        """Fold counts of shape (..., ticks, arms) that were assigned under ``shares`` (..., arms).

        The shares hold for the whole block and add to 1; give ticks under other shares as another block.
        """
        block = floats(counts)
        set_to = np.broadcast_to(floats(shares), state.shares.shape)
        if block.shape[-2] == 0:
            return state, empty(block.shape[:-1])
        same = np.all(state.shares == set_to, axis=-1)
        closed = np.where(same, state.closed, state.log_e)
        begun = np.where(same[..., None], state.counts, 0.0)
        sums = np.moveaxis(running_sum(begun, np.moveaxis(block, -2, -1)), -1, -2)
        values = closed[..., None] + _log_bayes_factor(sums, set_to[..., None, :], self.concentration)
        after = SampleRatioState(
            ticks=state.ticks + block.shape[-2],
            log_e=values[..., -1],
            peak=running_max(state.peak, values)[..., -1],
            counts=sums[..., -1, :],
            shares=set_to,
            closed=closed,
        )
        return after, values

    def step(self, state: SampleRatioState, counts: ArrayLike, shares: ArrayLike) -> SampleRatioState:
        """The state after the block."""
        return self.run(state, counts, shares)[0]


@dataclass(frozen=True)
class Marginals:
    """ln of the chance of a sequence of assignments: Dirichlet alternative (M1) and set shares (M0)."""

    log_marginal_M1: Floats  # noqa: N815 - the paper's name
    log_marginal_M0: Floats  # noqa: N815


def srm_log_bayes_factor(
    *, counts: ArrayLike, theta0: ArrayLike, dirichlet_concentration: float = CONCENTRATION
) -> Floats:
    """ln Bayes factor of totals (..., arms) against shares theta0 that add to 1; in nats, 0 without units.

    lnG(A) - lnG(A+N) + sum(lnG(a_i+n_i) - lnG(a_i)) - sum n_i ln th_i, a = k th. An arm with share 0 that
    got a unit gives inf. exp(-value), cut at 1, is the p-value at this look.
    """
    return _log_bayes_factor(floats(counts), floats(theta0), dirichlet_concentration)


def srm_ssrm_unit_test(*, rows: ArrayLike, theta0: ArrayLike, dirichlet_alpha: ArrayLike) -> Marginals:
    """ln marginal likelihoods of assignments ``rows`` (units, arms), each row the counts of one step.

    Without multinomial coefficients, which cancel in the factor. No rows: 0 and 0.
    """
    counts = np.sum(floats(rows), axis=0)
    a = floats(dirichlet_alpha)
    return Marginals(
        log_marginal_M1=_log_dirichlet(counts, a),
        log_marginal_M0=_added(floats(special.xlogy(counts, floats(theta0)))),
    )


def _log_bayes_factor(counts: Floats, theta: Floats, concentration: float) -> Floats:
    held = np.where(theta > 0, theta, 1.0)
    factor = _log_dirichlet(np.where(theta > 0, counts, 0.0), concentration * held, theta > 0)
    factor = factor - _added(floats(special.xlogy(np.where(theta > 0, counts, 0.0), held)))
    impossible = np.any((theta <= 0) & (counts > 0), axis=-1)
    return np.where(impossible, np.inf, factor)


def _log_dirichlet(counts: Floats, a: Floats, present: ArrayLike = True) -> Floats:
    """ln of the Dirichlet-multinomial chance of one sequence with these totals."""
    kept = np.where(present, a, 0.0)
    mass = _added(kept)
    gained = _added(_log_gamma(a + counts) - _log_gamma(a))
    return floats(gained + _log_gamma(mass) - _log_gamma(mass + _added(counts)))


def _log_gamma(values: Floats) -> Floats:
    return np.asarray(special.gammaln(values), dtype=np.float64)


def _added(values: Floats) -> Floats:
    """Sum over the last axis in the order of the index."""
    total = np.zeros(values.shape[:-1])
    for j in range(values.shape[-1]):
        total = total + values[..., j]
    return total
