"""Two proportions compared inside each tick, summed, and read by a normal mixture.

Howard et al. 2021 for the mixture; the variance of a tick is the score variance at the edge of the null,
which for margin 0 is the hypergeometric one (Mantel & Haenszel 1959) and for a relative margin that of
Farrington & Manning (1990). Comparing inside the tick removes any drift and any change of shares that
both arms have in common. Asymptotic: read it only from ``from_tick`` on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from releasectl.stats.determinism import Floats, floats, running_max
from releasectl.stats.dispersion import Heterogeneity, dispersion_factor
from releasectl.stats.fold import State, Trials, empty
from releasectl.stats.mixture import log_mixture, tuned_rho
from releasectl.stats.projection import project_on_difference, project_on_ratio


@dataclass(frozen=True)
class StratifiedState(Heterogeneity, State):
    """``total`` is S, ``variance`` V before the dispersion factor; the rest are sums for that factor."""


@dataclass(frozen=True)
class StratifiedProportion:
    """Evidence on the difference of two rates of good outcomes, beyond a margin.

    ``claim="worse"`` tests the null p_c >= boundary, ``claim="better"`` the null p_c <= boundary (a margin
    of 0 makes that superiority, above 0 non-inferiority). The boundary is (1 - margin) p_b for a relative
    margin and p_b - margin for an absolute one. For a harm count swap good and bad with ``Trials.of_bad``
    and use an absolute margin, or keep bad outcomes as x, swap the arms, and margin m means
    p_b >= (1 - m) p_c.

    ``v_opt`` is the V at which the evidence is tuned (``expected_variance`` computes it), fixed in advance.
    ``dispersion_from`` turns on the dispersion factor, read from that tick.
    """

    v_opt: float
    alpha_opt: float = 0.05
    claim: Literal["worse", "better"] = "worse"
    margin: float = 0.0
    margin_kind: Literal["relative", "absolute"] = "relative"
    from_tick: int = 5
    dispersion_from: int | None = None

    def init(self, shape: tuple[int, ...] = ()) -> StratifiedState:
        """Before any tick: no sum, no variance, log e is 0."""
        return StratifiedState(0, *(empty(shape) for _ in range(9)))

    def run(self, state: StratifiedState, block: Trials) -> tuple[StratifiedState, Floats]:
        """The state after the block and the running log e, shape (..., ticks).

        log e is reported from the first tick, ``peak`` takes it in from ``from_tick`` (or the later
        ``dispersion_from``).
        """
        if block.ticks == 0:
            return state, np.empty(block.x_b.shape)
        s, v, w = self._differences(block)
        sums = state.running(s, v, w)
        spread = sums.variance
        if self.dispersion_from is not None:
            spread = spread * dispersion_factor(sums)
        rho = tuned_rho(v_opt=self.v_opt, alpha_opt=self.alpha_opt, is_one_sided=True)
        log_e = log_mixture(sums.total, spread, rho, is_one_sided=True)
        counted = np.where(state.ticks + 1 + np.arange(block.ticks) >= self._first_look(), log_e, 0.0)
        after = StratifiedState(
            ticks=state.ticks + block.ticks,
            log_e=log_e[..., -1],
            peak=running_max(state.peak, counted)[..., -1],
            **sums.last(),
        )
        return after, log_e

    def step(self, state: StratifiedState, block: Trials) -> StratifiedState:
        """The state after the block."""
        return self.run(state, block)[0]

    def _first_look(self) -> int:
        return max(self.from_tick, self.dispersion_from or 0)

    def _differences(self, block: Trials) -> tuple[Floats, Floats, Floats]:
        """Of each tick: w (boundary - p_c), signed so that positive supports the claim; variance; w."""
        n_b, n_c = block.n_b, block.n_c
        n = n_b + n_c
        both = (n_b > 0) & (n_c > 0)
        m_b, m_c, m = (np.where(both, a, 2.0) for a in (n_b, n_c, n))
        w = m_b * m_c / m
        p_b, p_c = block.x_b / m_b, block.x_c / m_c
        if self.margin_kind == "relative":
            ratio = 1.0 - self.margin
            edge_b = project_on_ratio(p_b, p_c, m_b, m_c, ratio)
            slope, edge_c = ratio, ratio * edge_b
            s = w * (ratio * p_b - p_c)
        else:
            edge_b = project_on_difference(p_b, p_c, m_b, m_c, self.margin)
            slope, edge_c = 1.0, edge_b - self.margin
            s = w * (p_b - self.margin - p_c)
        v = _score_variance(w, (edge_b, edge_c), (m_b, m_c), slope)
        sign = 1.0 if self.claim == "worse" else -1.0
        return np.where(both, sign * s, 0.0), np.where(both, v, 0.0), np.where(both, w, 0.0)


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
    mixture is tuned for. Asymptotic: the first ticks are not to be acted on.
    """
    rule = StratifiedProportion(v_opt=v_opt, alpha_opt=alpha, margin=margin)
    block = Trials.of_good(x_b=x_b, n_b=n_b, x_c=x_c, n_c=n_c)
    return rule.run(rule.init(block.x_b.shape[:-1]), block)[1]


def _score_variance(w: Floats, p: tuple[Floats, Floats], n: tuple[Floats, Floats], slope: float) -> Floats:
    """w^2 (slope^2 p_b q_b / n_b + p_c q_c / n_c) n / (n - 1), n = n_b + n_c >= 2."""
    total = n[0] + n[1]
    spread = slope * slope * p[0] * (1.0 - p[0]) / n[0] + p[1] * (1.0 - p[1]) / n[1]
    return floats(w * w * spread * total / np.maximum(total - 1.0, 1.0))
