"""Two proportions given each tick's total: evidence aimed at what a stage can show by its last tick.

Given how many good outcomes a tick had in both arms together, the canary's share of them follows Fisher's
noncentral hypergeometric law, which depends on the odds ratio alone: the common rate cancels, however it
drifts, and the first tick already counts. The likelihood ratio of that law is an e-value of the tick. Its
normaliser is replaced by the saddlepoint approximation (Daniels 1954; for conditional likelihoods Barndorff-
Nielsen & Cox 1979): the unconditional likelihood at rates that match the tick's total, times the square root
of a ratio of variances. It is exact in the limit of rare outcomes, where the law becomes binomial (Lindon &
Malek 2022), and to third order elsewhere.

The alternatives are not chosen by taste. A stage that will gather the information V (Mantel & Haenszel's
variance, summed) can just show a log odds ratio of (z_alpha + z_0.2) / sqrt(V): that effect gets most of the
weight, its double, fourfold and so on the rest, so that worse harm is found sooner.

Ville's bound 1/alpha is not tight when the looks end: a Brownian motion that is seen until V reaches its plan
exceeds a threshold that is lower by a fixed number of nats with chance alpha, and lower still when it is seen
at few times. The rule uses that credit, so the chance of a false alarm is alpha within the plan, and at most
alpha times e^credit (1.3 to 2.7) ever after, should the stage outlast it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from releasectl.stats.contrast import Claim, Contrast, MarginKind, Worse
from releasectl.stats.determinism import Floats, at_least, exp, floats, log, running_max, running_sum
from releasectl.stats.dispersion import Heterogeneity, dispersion_factor
from releasectl.stats.fold import decoded, empty, encoded
from releasectl.stats.mixing import mix, pieces
from releasectl.stats.starts import AT_FIRST, Starts
from releasectl.stats.trials import Trials

MULTIPLES = (1.0, 2.0, 4.0, 8.0, 16.0)
MULTIPLE_WEIGHTS = (0.70, 0.10, 0.08, 0.07, 0.05)
LARGEST_LOG_ODDS = 3.0  # beyond it the approximation is poor in ticks of few trials

# By looks of equal information: how far below ln(1/alpha) the threshold lies for these multiples and weights,
# by recursive integration (Armitage, McPherson & Rowe 1969) at alpha 0.05; more is due below that alpha.
_CREDITS = (
    (10, 0.993), (20, 0.832), (50, 0.667), (100, 0.573), (200, 0.498), (400, 0.441), (800, 0.396),
)  # fmt: skip
_CREDIT_ALWAYS = 0.255  # at any number of looks, for alpha from 0.001 to 0.1
_POWER_QUANTILE = 0.8416212335729143  # z of 80 % power


@dataclass(frozen=True)
class OddsState(Heterogeneity):
    """``log_e`` now and the largest, ``peak``, as of an e-process; ``log_a`` and ``pending`` have shape
    (..., effects): ln of the evidence of all starts so far, and what waits for the dispersion factor."""

    ticks: int
    log_e: Floats
    peak: Floats
    log_a: Floats
    pending: Floats

    def sums(self) -> dict[str, Floats]:
        """What the dispersion factor is computed from, by name."""
        return {field.name: getattr(self, field.name) for field in fields(Heterogeneity)}

    def to_json(self) -> dict[str, Any]:
        """Fields as numbers and nested lists, lossless."""
        return encoded(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The state that ``to_json`` wrote."""
        return decoded(cls, data)


@dataclass(frozen=True)
class Odds:
    """Evidence for a claim about two proportions, for a stage that will gather ``v_plan`` of information.

    ``v_plan`` is the V expected by the last tick (``expected_variance``); misjudging it costs detection, not
    error. ``looks`` is v_plan over the least V that a tick brings: the number of ticks when traffic is even,
    more with a ramp, None for any number. ``claim``, ``margin``, ``margin_kind`` and ``worse`` are those of
    ``Contrast``: with a margin the null's odds ratio is that of the edge at the tick's own total. ``starts``
    mixes over the tick at which harm begins. ``dispersion_from`` divides each tick's evidence by the
    dispersion factor known before it; ticks up to then wait for it, and none of them is acted on.
    """

    v_plan: float
    alpha: float = 0.05
    looks: float | None = None
    claim: Claim = "worse"
    margin: float = 0.0
    margin_kind: MarginKind = "relative"
    worse: Worse = "lower"
    starts: Starts = AT_FIRST
    dispersion_from: int | None = None

    def __post_init__(self) -> None:
        if not (self.v_plan > 0 and 0 < self.alpha <= 0.1):
            raise ValueError("need v_plan > 0 and 0 < alpha <= 0.1")

    @property
    def threshold(self) -> float:
        """The log e that ``peak`` must reach."""
        return math.log(1.0 / self.alpha) - horizon_credit(alpha=self.alpha, looks=self.looks)

    @property
    def effects(self) -> tuple[float, ...]:
        """The log odds ratios of the alternatives."""
        least = (_POWER_QUANTILE - float(special.ndtri(self.alpha))) / math.sqrt(self.v_plan)
        return tuple(min(least * multiple, LARGEST_LOG_ODDS) for multiple in MULTIPLES)

    def init(self, shape: tuple[int, ...] = ()) -> OddsState:
        """Before any tick: log e is 0."""
        names = ("informative", "weight", "total", "variance", "q_ss", "q_sw", "q_ww", "q_vw", "log_e", "peak")
        lead = (*shape, len(MULTIPLES))
        return OddsState(
            ticks=0, log_a=empty(lead, -np.inf), pending=empty(lead), **{name: empty(shape) for name in names}
        )

    def run(self, state: OddsState, block: Trials) -> tuple[OddsState, Floats]:
        """The state after the block and the running log e, shape (..., ticks)."""
        out = np.empty(block.x_b.shape)
        for part in pieces(block.x_b.shape[:-1], block.ticks, len(MULTIPLES)):
            state, out[..., part] = self._run(state, block.part(part))
        return state, out

    def step(self, state: OddsState, block: Trials) -> OddsState:
        """The state after the block."""
        return self.run(state, block)[0]

    def breached(self, state: OddsState) -> NDArray[np.bool_]:
        """Whether the threshold was ever reached."""
        return at_least(state.peak, self.threshold)

    def _run(self, state: OddsState, block: Trials) -> tuple[OddsState, Floats]:
        contrast = Contrast(self.claim, self.margin, self.margin_kind, self.worse)
        gains = _gains(block, contrast, self.effects)
        sums, pending = state.sums(), state.pending
        if self.dispersion_from is not None:
            one = block.increments(contrast)
            running = state.running(one.s, one.v, one.w)
            gains, pending = self._tempered(state, running, one.w, gains)
            sums = running.last()
        log_a, values = mix(state.log_a, gains, ticks=state.ticks, starts=self.starts, weights=MULTIPLE_WEIGHTS)
        after = OddsState(
            ticks=state.ticks + block.ticks,
            log_e=values[..., -1],
            peak=running_max(state.peak, values)[..., -1],
            log_a=log_a,
            pending=pending,
            **sums,
        )
        return after, values

    def _tempered(
        self, state: OddsState, running: Heterogeneity, weight: Floats, gains: Floats
    ) -> tuple[Floats, Floats]:
        """Gains over the factor known before each tick; those up to ``dispersion_from`` come at that tick.

        The factor's excess over 1 grows with the weight of the tick, as it does when outcomes of one arm and
        tick are correlated: a ramp makes it larger before the mean over earlier ticks can know.
        """
        first = self.dispersion_from or 0
        tick = state.ticks + 1 + np.arange(gains.shape[-2])
        excess, mean = _before(state, running, _excess), _before(state, running, _mean_weight)
        factor = 1.0 + excess * np.where(mean > 0, weight / np.where(mean > 0, mean, 1.0), 1.0)
        early = np.where((tick <= first)[:, None], gains, 0.0)
        waiting = np.moveaxis(running_sum(state.pending, np.moveaxis(early, -2, -1)), -1, -2)
        at_once = waiting / dispersion_factor(running)[..., None]
        then = np.where((tick == first)[:, None], at_once, gains / factor[..., None])
        return np.where((tick < first)[:, None], 0.0, then), waiting[..., -1, :]


def horizon_credit(*, alpha: float, looks: float | None) -> float:
    """Nats by which the threshold lies below ln(1/alpha); interpolated in ln(looks).

    The least of the table without a number of looks, with very many, and above alpha 0.05.
    """
    if looks is None or looks > _CREDITS[-1][0] or alpha > 0.05:
        return _CREDIT_ALWAYS
    if looks <= _CREDITS[0][0]:
        return _CREDITS[0][1]
    upper = next(i for i, (count, _) in enumerate(_CREDITS) if looks <= count)
    (few, high), (many, low) = _CREDITS[upper - 1], _CREDITS[upper]
    return high + (low - high) * math.log(looks / few) / math.log(many / few)


def odds_log_e(
    *,
    x_b: ArrayLike,
    n_b: ArrayLike,
    x_c: ArrayLike,
    n_c: ArrayLike,
    v_plan: float,
    alpha: float = 0.05,
    margin: float = 0.0,
    starts: Starts = AT_FIRST,
) -> Floats:
    """Running log e against "the canary's rate of good outcomes is at least (1 - margin) baseline's".

    Counts of shape (..., ticks); the answer has that shape, in nats. A tick with an empty arm, or in which
    all outcomes are alike, adds 0. Compare it with ``Odds.threshold`` while V stays within v_plan, or with
    ln(1/alpha) at any time.
    """
    rule = Odds(v_plan=v_plan, alpha=alpha, margin=margin, starts=starts)
    block = Trials.of_good(x_b=x_b, n_b=n_b, x_c=x_c, n_c=n_c)
    return rule.run(rule.init(block.x_b.shape[:-1]), block)[1]


def _before(state: Heterogeneity, running: Heterogeneity, of: Callable[[Heterogeneity], Floats]) -> Floats:
    """A quantity of the sums as it was before each tick."""
    return np.concatenate([of(state)[..., None], of(running)[..., :-1]], axis=-1)


def _excess(sums: Heterogeneity) -> Floats:
    return dispersion_factor(sums) - 1.0


def _mean_weight(sums: Heterogeneity) -> Floats:
    return sums.weight / np.maximum(sums.informative, 1.0)


def _gains(block: Trials, contrast: Contrast, effects: tuple[float, ...]) -> Floats:
    """log e of each tick and effect, shape (..., ticks, effects); 0 where a tick says nothing."""
    n_b, n_c = block.n_b[..., None], block.n_c[..., None]
    total = (block.x_b + block.x_c)[..., None]
    ratio, offset = contrast.ratio, contrast.offset
    edge_b = (total - n_c * offset) / np.maximum(n_b + n_c * ratio, 1.0)
    edge_c = ratio * edge_b + offset
    some = (n_b > 0) & (n_c > 0) & (edge_b > 0) & (edge_b < 1) & (edge_c > 0) & (edge_c < 1)
    some = some & (total > 0) & (total < n_b + n_c)
    m_b, m_c, m = (np.where(some, a, fill) for a, fill in ((n_b, 1.0), (n_c, 1.0), (total, 1.0)))
    e_b, e_c = np.where(some, edge_b, 0.5), np.where(some, edge_c, 0.5)
    shift = -contrast.sign * floats(effects)
    odds = e_c * (1.0 - e_b) / (e_b * (1.0 - e_c)) * exp(shift)
    p_b = _matched(m_b, m_c, m, odds)
    p_c = odds * p_b / (1.0 - p_b + odds * p_b)
    spread = m_b * p_b * (1.0 - p_b) + m_c * p_c * (1.0 - p_c)
    spread_null = m_b * e_b * (1.0 - e_b) + m_c * e_c * (1.0 - e_c)
    rest_b, rest_c = (1.0 - p_b) / (1.0 - e_b), (1.0 - p_c) / (1.0 - e_c)
    gain = (
        shift * block.x_c[..., None]
        + m * log(p_b / e_b / rest_b)
        + m_b * log(rest_b)
        + m_c * log(rest_c)
        + 0.5 * log(spread / spread_null)
    )
    return np.where(some, gain, 0.0)


def _matched(n_b: Floats, n_c: Floats, total: Floats, odds: Floats) -> Floats:
    """The baseline's rate at which n_b p_b + n_c p_c is the total, p_c having these odds times p_b's."""
    a = n_b * (odds - 1.0)
    b = n_b + n_c * odds - total * (odds - 1.0)
    root = np.sqrt(b * b + 4.0 * a * total)
    forward = 2.0 * total / np.where(b >= 0, b + root, 1.0)
    backward = (root - b) / np.where(b < 0, 2.0 * a, 1.0)
    return floats(np.where(b >= 0, forward, backward))
