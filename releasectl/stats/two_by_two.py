"""Two proportions, tick by tick: an exact e-process with no assumption on how the common rate drifts.

Turner, Ly & Grunwald (Generic E-variables for exact sequential k-sample tests, 2024) for one block;
Turner & Grunwald (Safe sequential testing and effect estimation in stratified count data, 2023) for
strata, which are the ticks here. The e-value of a tick compares an alternative (th_b, th_c), fixed before
the tick, with its Kullback-Leibler projection on the null. Given a convex null the ratio has mean <= 1
on all of it, whatever the rate of that tick and however its sizes were chosen from the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from releasectl.stats.determinism import Floats, floats, log, running_max, running_sum
from releasectl.stats.fold import State, empty
from releasectl.stats.mixing import equal_weights, mix, pieces
from releasectl.stats.projection import project_on_difference, project_on_ratio
from releasectl.stats.starts import AT_FIRST, Starts
from releasectl.stats.trials import Trials

DROPS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_LEAST, _MOST = 1e-300, 1.0 - 2.0**-53  # rates that stay off 0 and 1
RISES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 9.0, 19.0)


@dataclass(frozen=True)
class TwoByTwoState(State):
    """``seen_x`` and ``seen_n``: the baseline's outcomes and trials so far, which predict its next rate.

    ``log_a`` has shape (..., effects): ln of the evidence of all starts so far, without their weight of
    effect.
    """

    seen_x: Floats
    seen_n: Floats
    log_a: Floats


@dataclass(frozen=True)
class TwoByTwo:
    """Evidence that the canary's rate is worse than the baseline's by more than a margin.

    ``worse="lower"``: x is good, the null is p_c >= (1 - margin) p_b, the alternatives are
    p_c = (1 - margin)(1 - d) p_b; with ``margin_kind="absolute"`` the same for p_b - margin.
    ``worse="higher"``: give the *bad* outcomes as x, the null is p_c <= (1 + margin) p_b, the alternatives
    p_c = (1 + margin)(1 + d) p_b. ``effects`` are the d, mixed with ``effect_weights`` (equal when None);
    ``starts`` mixes over the tick at which harm begins.
    """

    effects: tuple[float, ...] = DROPS
    effect_weights: tuple[float, ...] | None = None
    starts: Starts = AT_FIRST
    margin: float = 0.0
    worse: Literal["lower", "higher"] = "lower"
    margin_kind: Literal["relative", "absolute"] = "relative"

    def __post_init__(self) -> None:
        if self.margin_kind == "absolute" and self.worse == "higher":
            raise ValueError("for an absolute margin give the good outcomes: worse='lower'")

    def init(self, shape: tuple[int, ...] = ()) -> TwoByTwoState:
        """Before any tick: log e is 0."""
        zero = empty(shape)
        return TwoByTwoState(0, zero, zero, zero, zero, empty((*shape, len(self.effects)), -np.inf))

    def run(self, state: TwoByTwoState, block: Trials) -> tuple[TwoByTwoState, Floats]:
        """The state after the block and the running log e, shape (..., ticks)."""
        lead, ticks = block.x_b.shape[:-1], block.x_b.shape[-1]
        out = np.empty((*lead, ticks))
        for part in pieces(lead, ticks, len(self.effects)):
            state, out[..., part] = self._run(state, block.part(part))
        return state, out

    def step(self, state: TwoByTwoState, block: Trials) -> TwoByTwoState:
        """The state after the block."""
        return self.run(state, block)[0]

    def _run(self, state: TwoByTwoState, block: Trials) -> tuple[TwoByTwoState, Floats]:
        seen_x = running_sum(state.seen_x, block.x_b)
        seen_n = running_sum(state.seen_n, block.n_b)
        log_a, values = mix(
            state.log_a,
            self._gains(seen_x - block.x_b, seen_n - block.n_b, block),
            ticks=state.ticks,
            starts=self.starts,
            weights=self.effect_weights or equal_weights(len(self.effects)),
        )
        after = TwoByTwoState(
            ticks=state.ticks + block.ticks,
            log_e=values[..., -1],
            peak=running_max(state.peak, values)[..., -1],
            seen_x=seen_x[..., -1],
            seen_n=seen_n[..., -1],
            log_a=log_a,
        )
        return after, values

    def _gains(self, before_x: Floats, before_n: Floats, block: Trials) -> Floats:
        """log e of each tick and effect, shape (..., ticks, effects); 0 until the baseline was seen."""
        th_b = ((before_x + 1.0) / (before_n + 2.0))[..., None]
        x_b, n_b, x_c, n_c = (a[..., None] for a in (block.x_b, block.n_b, block.x_c, block.n_c))
        d = floats(self.effects)
        if self.margin_kind == "absolute":
            edge, inside = np.maximum(th_b - self.margin, 0.0), th_b > self.margin
            th_c = edge * (1.0 - d)
            p_b = project_on_difference(th_b, th_c, n_b, n_c, self.margin)
            p_c = np.maximum(p_b - self.margin, _LEAST)
            rates = x_b * log(th_b / p_b) + special.xlogy(x_c, th_c / p_c)
        else:
            ratio = 1.0 - self.margin if self.worse == "lower" else 1.0 + self.margin
            edge, inside = np.minimum(ratio * th_b, 1.0), ratio * th_b < 1.0
            th_c = edge * (1.0 - d) if self.worse == "lower" else np.minimum(edge * (1.0 + d), 0.5 * (1.0 + edge))
            p_b = project_on_ratio(th_b, th_c, n_b, n_c, ratio)
            p_c = p_b if ratio == 1.0 else np.minimum(ratio * p_b, _MOST)
            # th_c / p_c = (th_b / p_b) (1 - d): one logarithm serves both arms.
            lift = log(1.0 - d) if self.worse == "lower" else log(th_c / (ratio * th_b))
            rates = (x_b + x_c) * log(th_b / p_b) + x_c * lift
        misses = (n_b - x_b) * log((1.0 - th_b) / (1.0 - p_b)) + special.xlogy(n_c - x_c, (1.0 - th_c) / (1.0 - p_c))
        possible = (before_n[..., None] > 0) & (n_b > 0) & (n_c > 0) & inside
        return np.where(possible, rates + misses, 0.0)


def two_by_two_log_e(
    *,
    x_b: ArrayLike,
    n_b: ArrayLike,
    x_c: ArrayLike,
    n_c: ArrayLike,
    margin: float = 0.0,
    effects: tuple[float, ...] = DROPS,
    effect_weights: tuple[float, ...] | None = None,
    starts: Starts = AT_FIRST,
) -> Floats:
    """Running log e-value against "the canary's rate of good outcomes is at least (1 - margin) baseline's".

    Arguments are counts of shape (..., ticks); the answer has that shape, in nats. A tick in which an arm
    has no trials adds 0, and so does every tick before the baseline's first trial. Turner & Grunwald 2023.
    """
    rule = TwoByTwo(effects=effects, effect_weights=effect_weights, starts=starts, margin=margin)
    block = Trials.of_good(x_b=x_b, n_b=n_b, x_c=x_c, n_c=n_c)
    return rule.run(rule.init(block.x_b.shape[:-1]), block)[1]
