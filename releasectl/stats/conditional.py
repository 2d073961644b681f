"""Counts of a rare event: given that one happened, whose was it?

Lindon & Malek (Anytime-valid inference for multinomial count data, 2022) and Lindon & Kallus
(Anytime-valid inference in counting processes, 2024). With exposures n_b, n_c and rate ratio r an event
of the tick is the canary's with probability q_r = n_c r / (n_c r + n_b); the common intensity, whatever
its path, cancels. Exact for Poisson counts, conservative for binomial ones (hypergeometric given the
total). Clustered events are not independent: use the stratified rule with dispersion there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, floats, running_max
from releasectl.stats.fold import State, empty
from releasectl.stats.mixing import equal_weights, mix, pieces
from releasectl.stats.starts import AT_FIRST, Starts
from releasectl.stats.trials import Trials

RATIOS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)


@dataclass(frozen=True)
class ConditionalState(State):
    """``log_a`` has shape (..., ratios): ln of the evidence of all starts so far."""

    log_a: Floats


@dataclass(frozen=True)
class Conditional:
    """Evidence that the canary's event rate is more than (1 + margin) times the baseline's.

    Events are what is counted as ``x`` of the block, harmful ones, and ``n`` is exposure (trials, or any
    known measure). ``ratios`` are the alternatives r / (1 + margin), all above 1. It needs the *rarer*
    outcome: on the common one it is valid and powerless. For an event that should not become rarer, swap
    the arms of the block and the null is "the canary has at least 1 / (1 + margin) of the baseline's".
    """

    ratios: tuple[float, ...] = RATIOS
    ratio_weights: tuple[float, ...] | None = None
    starts: Starts = AT_FIRST
    margin: float = 0.0

    def init(self, shape: tuple[int, ...] = ()) -> ConditionalState:
        """Before any tick: log e is 0."""
        return ConditionalState(0, empty(shape), empty(shape), empty((*shape, len(self.ratios)), -np.inf))

    def run(self, state: ConditionalState, block: Trials) -> tuple[ConditionalState, Floats]:
        """The state after the block and the running log e, shape (..., ticks)."""
        out = np.empty(block.x_b.shape)
        for part in pieces(block.x_b.shape[:-1], block.ticks, len(self.ratios)):
            state, out[..., part] = self._run(state, block.part(part))
        return state, out

    def step(self, state: ConditionalState, block: Trials) -> ConditionalState:
        """The state after the block."""
        return self.run(state, block)[0]

    def _run(self, state: ConditionalState, block: Trials) -> tuple[ConditionalState, Floats]:
        log_a, values = mix(
            state.log_a,
            self._gains(block),
            ticks=state.ticks,
            starts=self.starts,
            weights=self.ratio_weights or equal_weights(len(self.ratios)),
        )
        peak = running_max(state.peak, values)[..., -1]
        return ConditionalState(state.ticks + block.ticks, values[..., -1], peak, log_a), values

    def _gains(self, block: Trials) -> Floats:
        """log e of each tick and ratio; 0 where an arm had no exposure, because its share is then known."""
        y_b, n_b, y_c, n_c = (a[..., None] for a in (block.x_b, block.n_b, block.x_c, block.n_c))
        null = 1.0 + self.margin
        ratios = floats(self.ratios)
        exposed = (n_b > 0) & (n_c > 0)
        # (1 - q_r) / (1 - q_0); times r / r_0 it is q_r / q_0.
        shrink = (n_c * null + n_b) / np.where(exposed, n_c * (ratios * null) + n_b, 1.0)
        gain = special.xlogy(y_c, ratios * shrink) + special.xlogy(y_b, shrink)
        return np.where(exposed, gain, 0.0)


def conditional_log_e(
    *,
    y_b: ArrayLike,
    n_b: ArrayLike,
    y_c: ArrayLike,
    n_c: ArrayLike,
    margin: float = 0.0,
    ratios: tuple[float, ...] = RATIOS,
    ratio_weights: tuple[float, ...] | None = None,
    starts: Starts = AT_FIRST,
) -> Floats:
    """Running log e-value against "the canary's event rate is at most (1 + margin) times the baseline's".

    y are event counts and n exposures, of shape (..., ticks); the answer has that shape, in nats. Ticks
    without events, or with an arm unexposed, add 0. Lindon & Kallus 2024.
    """
    rule = Conditional(ratios=ratios, ratio_weights=ratio_weights, starts=starts, margin=margin)
    block = Trials.of_events(y_b=y_b, n_b=n_b, y_c=y_c, n_c=n_c)
    return rule.run(rule.init(block.x_b.shape[:-1]), block)[1]
