"""Arms compared inside each tick, summed, and read by a normal mixture.

Howard et al. 2021 for the mixture; asymptotic in the sense of Waudby-Smith et al. 2021, because the
variance is estimated. Comparing inside the tick removes any drift and any change of shares that both arms
have in common. Serves proportions, means and ratio metrics alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.contrast import Claim, Comparable, Contrast, MarginKind, Worse
from releasectl.stats.determinism import Floats, floats, running_max
from releasectl.stats.dispersion import Heterogeneity, variance_factor
from releasectl.stats.fold import State, empty
from releasectl.stats.mixture import log_mixture, tuned_rho
from releasectl.stats.trials import Trials


@dataclass(frozen=True)
class StratifiedState(Heterogeneity, State):
    """``total`` is S, ``variance`` V before the dispersion factor; the rest are sums for that factor."""


@dataclass(frozen=True)
class Stratified:
    """Evidence for a claim about two arms from a one-sided normal mixture, valid at every tick, without an end.

    ``claim``, ``margin``, ``margin_kind`` and ``worse`` are those of ``Contrast``; blocks may be ``Trials``,
    ``Moments`` or ``RatioMoments``.
    ``v_opt`` is the V at which the evidence is tuned (``expected_variance`` computes it for proportions),
    fixed in advance; it moves power, not validity. Evidence is acted on (``peak``) from ``from_tick`` on.
    ``dispersion_from`` turns on the dispersion factor, and then nothing is acted on before that tick.
    """

    v_opt: float
    alpha_opt: float = 0.05
    claim: Claim = "worse"
    margin: float = 0.0
    margin_kind: MarginKind = "relative"
    worse: Worse = "lower"
    from_tick: int = 5
    dispersion_from: int | None = None

    def init(self, shape: tuple[int, ...] = ()) -> StratifiedState:
        """Before any tick: no sum, no variance, log e is 0."""
        return StratifiedState(0, *(empty(shape) for _ in range(10)))

    def run(self, state: StratifiedState, block: Comparable) -> tuple[StratifiedState, Floats]:
        """The state after the block and the running log e (also of ticks too early to act on)."""
        one = block.increments(Contrast(self.claim, self.margin, self.margin_kind, self.worse))
        if block.ticks == 0:
            return state, one.s
        sums = state.running(one.s, one.v, one.w)
        spread = sums.variance
        if self.dispersion_from is not None:
            spread = spread * variance_factor(sums)
        rho = tuned_rho(v_opt=self.v_opt, alpha_opt=self.alpha_opt, is_one_sided=True)
        log_e = log_mixture(sums.total, spread, rho, is_one_sided=True)
        first = max(self.from_tick, self.dispersion_from or 0)
        acted = np.where(state.ticks + 1 + np.arange(block.ticks) >= first, log_e, 0.0)
        after = StratifiedState(
            ticks=state.ticks + block.ticks,
            log_e=log_e[..., -1],
            peak=running_max(state.peak, acted)[..., -1],
            **sums.last(),
        )
        return after, log_e

    def step(self, state: StratifiedState, block: Comparable) -> StratifiedState:
        """The state after the block."""
        return self.run(state, block)[0]


# The name where blocks are known to be proportions.
StratifiedProportion = Stratified


def expected_variance(*, ticks: float, n_b: ArrayLike, n_c: ArrayLike, rate: ArrayLike) -> Floats:
    """The V expected after this many ticks of n_b and n_c trials at this rate: what to give as ``v_opt``.

    Elementwise; 0 when an arm has no trials. A tenth to a half of the longest duration is a good ``ticks``.
    """
    b, c, p = floats(n_b), floats(n_c), floats(rate)
    n = np.maximum(b + c, 2.0)
    return floats(ticks * (b * c / n) * p * (1.0 - p) * n / (n - 1.0))


def stratified_proportion_log_e(
    *,
    x_b: ArrayLike,
    n_b: ArrayLike,
    x_c: ArrayLike,
    n_c: ArrayLike,
    v_opt: float,
    alpha: float = 0.05,
    margin: float = 0.0,
) -> Floats:
    """Running log e against "the canary's rate of good outcomes is at least (1 - margin) baseline's".

    Counts of shape (..., ticks); the answer has that shape, in nats. A tick in which an arm has no trials
    changes nothing; without any tick there is no evidence. v_opt is in units of V, alpha the error the
    mixture is tuned for. Asymptotic: the first ticks are not to be acted on. Howard et al. 2021.
    """
    rule = Stratified(v_opt=v_opt, alpha_opt=alpha, margin=margin)
    block = Trials.of_good(x_b=x_b, n_b=n_b, x_c=x_c, n_c=n_c)
    return rule.run(rule.init(block.x_b.shape[:-1]), block)[1]
