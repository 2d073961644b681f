"""One metric of one candidate against stable: which rules judge it, and their folded state.

A comparison holds what policy and metric fix in advance. Its state is plain JSON (it travels through the
ledger), blocks fold into it one after the other, and reading it gives numbers. Harm is judged by the mean
of two e-processes, an exact one that needs no large numbers and a stratified one that is sharper once
they are there; absence of harm and superiority by a stratified one (``releasectl.stats``).

Looks that hold too little of an arm are joined with those after them (``joining``). Every look is a tick all the same,
without trials where there is nothing to compare yet: that changes no evidence, and a tick goes on telling the time.

The folding itself is done on arrays (``Folded``): a release is one entry, a simulation thousands, and both
get the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from releasectl import stats
from releasectl.domain.base import digest_of
from releasectl.domain.evidence import Arm
from releasectl.domain.observation import Block
from releasectl.domain.policy import Margin
from releasectl.domain.release import STABLE
from releasectl.evaluate.joining import Pair, joined

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

EXACT_PART = 0.5
"""Weight of the exact e-process in the mean; fixed in advance, so the mean is an e-process too."""
LEAST = 2
"""Trials that each arm has in what is compared at least. The exact part would do with one; but one trial tells nothing
of its arm's variance, and with the variance of both arms together intervals miss a candidate that is far worse."""
TUNED_RATE = 0.1
TUNED_TICKS = 10

_NOTHING: Pair = [[0, 0], [0, 0]]

State = Mapping[str, Any]
Claim = Literal["non-inferior", "superior", "superior-by"]


class Reading(NamedTuple):
    """What a state says. Rates are fractions, means in the metric's own unit; differences are the candidate's minus
    stable's."""

    stable: Arm
    tried: Arm
    step_trials: int
    estimate: float | None
    lower: float | None
    upper: float | None
    log_e: float
    peak: float
    safe_peak: float
    past_limit: float | None
    """By how much the candidate's own limit is shown to be passed, where there is one; above 0 it is."""


@dataclass(frozen=True)
class Folded:
    """The statistics in a state as arrays, one entry for each trial under comparison."""

    exact: stats.TwoByTwoState
    strat: stats.StratifiedState
    safe: stats.StratifiedState
    diff: stats.DifferenceState
    log_e: NDArray[float64]
    peak: NDArray[float64]

    @property
    def ticks(self) -> int:
        """How many there were."""
        return int(self.exact.ticks)


class Limits(NamedTuple):
    """Estimates with their always-valid intervals, candidate minus stable in the metric's own direction."""

    estimate: NDArray[float64]
    lower: NDArray[float64]
    upper: NDArray[float64]


@cache
def _starts() -> stats.Starts:
    """Harm may begin at any tick: half of the weight at once, the rest spread over later starts."""
    # Not a constant: reading a status imports this module and must not load scipy.
    return stats.spread_starts(300, every=10, first=0.5, tail=0.2)


@dataclass(frozen=True)
class Comparison:
    """``alpha`` is this comparison's part of the policy's. ``direction`` tells which way of the rate is better.

    ``claim`` is what promotion needs: ``non-inferior`` (within the margin), ``superior`` by anything, or
    ``superior-by`` (by more than the margin).
    """

    candidate: str
    direction: Literal["lower", "higher"]
    margin: Margin
    claim: Claim
    alpha: float
    total_alpha: float
    min_samples: int

    @property
    def key(self) -> str:
        """Names the rules: with other rules (a policy was edited) evidence begins anew."""
        return digest_of({**asdict(self), "margin": self.margin.to_data()}).removeprefix("sha256:")[:8]

    def fold(self, state: State | None, blocks: Sequence[Block], step_epoch: int) -> State:
        """The state with the blocks added. Folding in any split gives the same state to the bit."""
        state = state or self._fresh()
        if not blocks:
            return state
        pairs = [[_counted(block, STABLE), _counted(block, self.candidate)] for block in blocks]
        epochs = [block.epoch for block in blocks]
        whole, waiting = joined(state.get("waiting", {}), zip(epochs, pairs, strict=True), LEAST)
        ticks = [pair or _NOTHING for pair in whole]
        counted = stats.Trials.of_good(
            x_b=[b[1] for b, _ in ticks],
            n_b=[b[0] for b, _ in ticks],
            x_c=[c[1] for _, c in ticks],
            n_c=[c[0] for _, c in ticks],
        )
        step = [pair for epoch, pair in zip(epochs, pairs, strict=True) if epoch >= step_epoch]
        kept = state["step"] if state["epoch"] == step_epoch else [0, 0]
        after = _encoded(self.fold_arrays(decoded(state), counted)) | {
            "stable": [had + sum(b[place] for b, _ in pairs) for place, had in enumerate(state["stable"])],
            "tried": [had + sum(c[place] for _, c in pairs) for place, had in enumerate(state["tried"])],
            "step": [had + sum(pair[arm][0] for pair in step) for arm, had in enumerate(kept)],
            "epoch": step_epoch,
        }
        # At dense traffic nothing ever waits, and its states are those of always.
        return after | {"waiting": waiting} if waiting else after

    def fold_arrays(self, folded: Folded, counted: stats.Trials) -> Folded:
        """Add ticks of events among trials, shape (..., ticks), at least one tick."""
        good, harm = (counted, counted.flipped()) if self.direction == "higher" else (counted.flipped(), counted)
        shown = harm.swapped() if self._swapped else good
        exact, exact_log = self._exact.run(folded.exact, harm if self._exact.worse == "higher" else good)
        strat, strat_log = self._stratified.run(folded.strat, shown)
        log_e = self._mean(exact_log, strat_log, before=folded.strat.ticks)
        return Folded(
            exact=exact,
            strat=strat,
            safe=self._safe.step(folded.safe, shown),
            diff=stats.difference_step(folded.diff, good),
            log_e=log_e[..., -1],
            peak=_larger(folded.peak, log_e.max(axis=-1)),
        )

    def fresh_arrays(self, shape: tuple[int, ...] = ()) -> Folded:
        """Before any tick."""
        strat = self._stratified.init(shape)
        return Folded(
            exact=self._exact.init(shape),
            strat=strat,
            safe=self._safe.init(shape),
            diff=stats.difference_init(shape),
            log_e=strat.log_e,
            peak=strat.log_e,
        )

    def limits(self, folded: Folded) -> Limits:
        """Estimates and intervals; limits are infinite while there is not enough."""
        interval = stats.difference_interval(folded.diff, alpha=self.total_alpha, v_opt=self._v_opt)
        if self.direction == "higher":
            return Limits(interval.estimate, interval.low, interval.high)
        return Limits(-interval.estimate, -interval.high, -interval.low)

    def read(self, state: State, step_epoch: int, limit: float | None) -> Reading:
        """The numbers in a state; ``limit``, in percent, asks whether the candidate is shown to be past it."""
        folded = decoded(state)
        limits = self.limits(folded)
        return Reading(
            stable=Arm(trials=state["stable"][0], events=state["stable"][1]),
            tried=Arm(trials=state["tried"][0], events=state["tried"][1]),
            step_trials=min(state["step"]) if state["epoch"] == step_epoch else 0,
            estimate=finite(float(limits.estimate)),
            lower=finite(float(limits.lower)),
            upper=finite(float(limits.upper)),
            log_e=state["log_e"],
            peak=state["peak"],
            safe_peak=float(folded.safe.peak),
            past_limit=None if limit is None else self.past_limit(state["tried"], limit),
        )

    @property
    def unit(self) -> str | None:
        """What the numbers are in: None, for rates."""
        return None

    def margin_as_difference(self, stable: Arm) -> float | None:
        """The accepted worsening as a difference of rates, in the direction of harm."""
        if self.margin.points is not None:
            return self.margin.points / 100
        if not stable.trials:
            return None
        return (self.margin.percent or 0.0) / 100 * stable.events / stable.trials

    # --- rules ------------------------------------------------------------------------------------------

    @cached_property
    def _v_opt(self) -> float:
        # Frozen before any data: the variance after about ten looks of the samples the policy asks for.
        n = self.min_samples
        return float(stats.expected_variance(ticks=TUNED_TICKS, n_b=4 * n, n_c=n, rate=TUNED_RATE))

    @cached_property
    def _exact(self) -> stats.TwoByTwo:
        if self.margin.points is not None:
            return stats.TwoByTwo(starts=_starts(), margin=self.margin.points / 100, margin_kind="absolute")
        relative = (self.margin.percent or 0.0) / 100
        if self.direction == "lower":
            return stats.TwoByTwo(effects=stats.RISES, starts=_starts(), margin=relative, worse="higher")
        return stats.TwoByTwo(starts=_starts(), margin=min(relative, 1.0))

    @cached_property
    def _stratified(self) -> stats.StratifiedProportion:
        return stats.StratifiedProportion(
            v_opt=self._v_opt,
            alpha_opt=self.alpha,
            claim="worse",
            margin=self._stratified_margin,
            margin_kind="absolute" if self.margin.points is not None else "relative",
        )

    @cached_property
    def _safe(self) -> stats.StratifiedProportion:
        margin, kind = self._to_prove
        return stats.StratifiedProportion(
            v_opt=self._v_opt, alpha_opt=self.total_alpha, claim="better", margin=margin, margin_kind=kind
        )

    @property
    def _to_prove(self) -> tuple[float, Literal["absolute", "relative"]]:
        """Where what must be proven begins; a gain is a negative margin."""
        if self.claim == "superior":
            return 0.0, "absolute"
        if self.margin.points is not None:
            points = self.margin.points / 100
            return (points if self.claim == "non-inferior" else -points), "absolute"
        if self.claim == "non-inferior":
            return self._stratified_margin, "relative"
        gain = (self.margin.percent or 0.0) / 100
        # Of harm the arms come swapped: p_c < (1 - g) p_b is p_b > p_c / (1 - g).
        return (-gain / (1 - gain) if self.direction == "lower" else -gain), "relative"

    @property
    def _stratified_margin(self) -> float:
        if self.margin.points is not None:
            return self.margin.points / 100
        relative = (self.margin.percent or 0.0) / 100
        # Harm counts come with the arms swapped: p_c <= (1+m) p_b is p_b >= p_c / (1+m).
        return relative / (1 + relative) if self.direction == "lower" else min(relative, 1.0)

    @property
    def _swapped(self) -> bool:
        return self.direction == "lower" and self.margin.points is None

    # --- arithmetic -------------------------------------------------------------------------------------

    def _mean(self, exact: NDArray[float64], strat: NDArray[float64], before: int) -> NDArray[float64]:
        """ln of the weighted mean of the two e-processes after each tick; the asymptotic one counts as 1 at first."""
        import numpy as np

        sharp = strat.copy()
        sharp[..., : max(0, self._stratified.from_tick - 1 - before)] = 0.0
        both = np.stack([exact, sharp], axis=-1)
        mean: NDArray[float64] = stats.weighted_log_e(log_e=both, weights=(EXACT_PART, 1 - EXACT_PART))
        return mean

    def past_limit(self, tried: Sequence[int], limit: float) -> float | None:
        """By how much the always-valid limit of the candidate's own rate is past ``limit`` (in percent)."""
        trials, events = tried
        if not trials:
            return None
        low, high = stats.bernoulli_confidence_interval(
            num_successes=events, num_trials=trials, alpha=self.alpha, t_opt=10 * self.min_samples
        )
        return float(low) - limit / 100 if self.direction == "lower" else limit / 100 - float(high)

    def ahead(self, folded: Folded, state: State, ticks: int, *, n_b: float, n_c: float, level: float) -> Folded:
        """``folded`` after so many ticks more, as expected where stable goes on and the candidate has this rate."""
        trials, events = state["stable"]
        return self.fold_arrays(
            folded,
            stats.Trials.of_good(
                x_b=[n_b * events / trials] * ticks,
                n_b=[n_b] * ticks,
                x_c=[n_c * level] * ticks,
                n_c=[n_c] * ticks,
            ),
        )

    @property
    def worst(self) -> float:
        """The worst rate there is."""
        return 1.0 if self.direction == "lower" else 0.0

    def _fresh(self) -> dict[str, Any]:
        counted = {"stable": [0, 0], "tried": [0, 0], "step": [0, 0], "epoch": -1}
        return _encoded(self.fresh_arrays()) | counted


def decoded(state: State) -> Folded:
    """The statistics in a state."""
    import numpy as np

    return Folded(
        exact=stats.TwoByTwoState.from_json(dict(state["exact"])),
        strat=stats.StratifiedState.from_json(dict(state["strat"])),
        safe=stats.StratifiedState.from_json(dict(state["safe"])),
        diff=stats.DifferenceState.from_json(dict(state["diff"])),
        log_e=np.asarray(state["log_e"], dtype=np.float64),
        peak=np.asarray(state["peak"], dtype=np.float64),
    )


def _counted(block: Block, variant: str) -> list[int]:
    """Trials and events of one arm."""
    arm = block.arms.get(variant)
    return [arm.trials, arm.events] if arm else [0, 0]


def _encoded(folded: Folded) -> dict[str, Any]:
    return {
        "exact": folded.exact.to_json(),
        "strat": folded.strat.to_json(),
        "safe": folded.safe.to_json(),
        "diff": folded.diff.to_json(),
        "log_e": float(folded.log_e),
        "peak": float(folded.peak),
    }


def _larger(one: NDArray[float64], other: NDArray[float64]) -> NDArray[float64]:
    import numpy as np

    return np.maximum(one, other)


def finite(value: float) -> float | None:
    """As evidence shows it: nine decimals, None where it is infinite or not a number."""
    # Adding 0 makes a negative zero a plain one.
    return round(value, 9) + 0.0 if math.isfinite(value) else None
