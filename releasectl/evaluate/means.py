"""A mean of one candidate against stable: the same questions as of a proportion, put to values.

Sums come in by look and wait until both arms have enough for a tick (``joining``). State is plain JSON, blocks fold
into it one after the other. Sums are integers until a tick is made, so any split gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from releasectl import stats
from releasectl.domain.base import digest_of
from releasectl.domain.evidence import Arm
from releasectl.domain.metric import STEPS, Clip, Covariate
from releasectl.domain.observation import Block, Counts, Values
from releasectl.domain.policy import Margin
from releasectl.domain.release import STABLE
from releasectl.evaluate.comparison import TUNED_TICKS, Claim, Limits, Reading, State, finite
from releasectl.evaluate.joining import joined

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import ArrayLike, NDArray

TICK = 10
"""Values that each arm has in a tick at least: fewer tell next to nothing of their variance."""
SPREAD = STEPS / 30
"""Standard deviation that the evidence is tuned for where the metric does not say, in steps: ranges are wide, so that
they cut little. Guessing ten times too small makes intervals a sixth wider, ten times too large three times as wide."""

Sums = list[int]
"""Of one arm: trials, total, squares, and of the covariate its total, squares and products."""


@dataclass(frozen=True)
class FoldedMeans:
    """The statistics in a state as arrays, one entry for each trial under comparison."""

    harm: stats.MeanState
    safe: stats.MeanState
    diff: stats.MeanState
    slope: stats.Slope

    @property
    def log_e(self) -> NDArray[float64]:
        """Evidence of harm now."""
        now: NDArray[float64] = self.harm.log_e
        return now

    @property
    def peak(self) -> NDArray[float64]:
        """The largest so far."""
        largest: NDArray[float64] = self.harm.peak
        return largest

    @property
    def ticks(self) -> int:
        """How many there were."""
        return int(self.harm.ticks)


@dataclass(frozen=True)
class MeanComparison:
    """What ``Comparison`` is for a proportion. Everything inside is in steps of ``clip``."""

    candidate: str
    direction: Literal["lower", "higher"]
    margin: Margin
    claim: Claim
    alpha: float
    total_alpha: float
    min_samples: int
    clip: Clip
    unit: str
    spread: float | None = None
    covariate: Covariate | None = None

    @property
    def key(self) -> str:
        """Names the rules: with other rules (a policy was edited) evidence begins anew."""
        rules = {name: value for name, value in asdict(self).items() if name != "unit"}
        rules |= {"margin": self.margin.to_data(), "clip": self.clip.to_data()}
        rules["covariate"] = self.covariate and self.covariate.to_data()
        return digest_of(rules).removeprefix("sha256:")[:8]

    def fold(self, state: State | None, blocks: Sequence[Block], step_epoch: int) -> State:
        """The state with the blocks added. Folding in any split gives the same state to the bit."""
        state = state or self._fresh()
        if not blocks:
            return state
        pairs = [[sums_of(block.arms.get(STABLE)), sums_of(block.arms.get(self.candidate))] for block in blocks]
        epochs = [block.epoch for block in blocks]
        whole, waiting = joined(state["waiting"], zip(epochs, pairs, strict=True), TICK)
        ticks = [pair for pair in whole if pair is not None]
        after = state
        if ticks:
            b, c = [tick[0] for tick in ticks], [tick[1] for tick in ticks]
            after = _encoded(self.fold_arrays(decoded_means(state), b, c))
        step = [pair for epoch, pair in zip(epochs, pairs, strict=True) if epoch >= step_epoch]
        kept = state["step"] if state["epoch"] == step_epoch else [0, 0]
        return {name: after[name] for name in ("harm", "safe", "diff", "slope")} | {
            "waiting": waiting,
            "stable": _total([state["stable"], *(b for b, _ in pairs)]),
            "tried": _total([state["tried"], *(c for _, c in pairs)]),
            "step": [had + sum(pair[arm][0] for pair in step) for arm, had in enumerate(kept)],
            "epoch": step_epoch,
        }

    def fold_arrays(self, folded: FoldedMeans, b: ArrayLike, c: ArrayLike) -> FoldedMeans:
        """Add ticks of sums, shape (..., ticks, 6), in the order of ``Sums``; at least one tick."""
        block = stats.AdjustedMoments.of(b=b, c=c, slope=folded.slope)
        return FoldedMeans(
            harm=self._harm.step(folded.harm, block),
            safe=self._safe.step(folded.safe, block),
            diff=self._difference.step(folded.diff, block),
            slope=stats.Slope(block.slope.s_xy[..., -1], block.slope.s_xx[..., -1]),
        )

    def fresh_arrays(self, shape: tuple[int, ...] = ()) -> FoldedMeans:
        """Before any tick."""
        harm = self._harm.init(shape)
        return FoldedMeans(harm=harm, safe=harm, diff=harm, slope=stats.no_slope(shape))

    def limits(self, folded: FoldedMeans) -> Limits:
        """Estimates and intervals in the metric's own unit; limits are infinite while there is not enough."""
        found = self._difference.interval(folded.diff, alpha=self.total_alpha)
        step = self.clip.step
        return Limits(found.estimate * step, found.low * step, found.high * step)

    def read(self, state: State, step_epoch: int, limit: float | None) -> Reading:
        """The numbers in a state; ``limit``, in the metric's own unit, asks whether the mean is shown to be worse."""
        folded = decoded_means(state)
        limits = self.limits(folded)
        return Reading(
            stable=self.arm(state["stable"]),
            tried=self.arm(state["tried"]),
            step_trials=min(state["step"]) if state["epoch"] == step_epoch else 0,
            estimate=finite(float(limits.estimate)),
            lower=finite(float(limits.lower)),
            upper=finite(float(limits.upper)),
            log_e=float(folded.log_e),
            peak=float(folded.peak),
            safe_peak=float(folded.safe.peak),
            past_limit=None if limit is None else self.past_limit(state["tried"], limit),
        )

    def arm(self, sums: Sequence[int]) -> Arm:
        """Totals for people."""
        trials, total = sums[:2]
        mean = finite(total / trials * self.clip.step) if trials else None
        return Arm(trials=trials, events=0, mean=mean)

    def margin_as_difference(self, stable: Arm) -> float | None:
        """The accepted worsening in the metric's own unit."""
        if self.margin.units is not None:
            return self.margin.units
        return None if stable.mean is None else (self.margin.percent or 0.0) / 100 * stable.mean

    def past_limit(self, tried: Sequence[int], limit: float) -> float | None:
        """By how much the always-valid limit of the candidate's own mean is worse than ``limit``; above 0 it is shown.

        None before the samples that the policy asks for are there.
        """
        trials, total, squares = tried[:3]
        if trials < self.min_samples:
            return None
        v_opt = 10 * self.min_samples * self._variance
        low, high = stats.mean_limit(n=trials, total=total, squares=squares, alpha=self.alpha, v_opt=v_opt)
        step = self.clip.step
        return finite(low * step - limit if self.direction == "lower" else limit - high * step)

    def ahead(
        self, folded: FoldedMeans, state: State, ticks: int, *, n_b: float, n_c: float, level: float
    ) -> FoldedMeans:
        """``folded`` after so many ticks more, as expected where stable goes on and the candidate has this mean."""
        b, c = _expected(state["stable"], n_b), _expected(state["tried"], n_c, mean=level / self.clip.step)
        return self.fold_arrays(folded, [b] * ticks, [c] * ticks)

    @property
    def worst(self) -> float:
        """The worst mean there is."""
        return self.clip.high if self.direction == "lower" else self.clip.low

    # --- rules ------------------------------------------------------------------------------------------

    @cached_property
    def _harm(self) -> stats.MeanDifference:
        return self._rule("worse", self.alpha, self._edge)

    @cached_property
    def _safe(self) -> stats.MeanDifference:
        edges = {"non-inferior": self._edge, "superior": 0.0, "superior-by": -self._gain}
        return self._rule("better", self.total_alpha, edges[self.claim])

    @cached_property
    def _difference(self) -> stats.MeanDifference:
        return self._rule("better", self.total_alpha, 0.0)

    def _rule(self, claim: Literal["worse", "better"], alpha: float, margin: float) -> stats.MeanDifference:
        return stats.MeanDifference(
            v_opt=self._v_opt,
            alpha_opt=alpha,
            claim=claim,
            margin=margin,
            margin_kind="absolute" if self.margin.units is not None else "relative",
            worse="higher" if self.direction == "lower" else "lower",
        )

    @property
    def _gain(self) -> float:
        return self.margin.units / self.clip.step if self.margin.units else (self.margin.percent or 0.0) / 100

    @property
    def _edge(self) -> float:
        if self.margin.units is not None:
            return self.margin.units / self.clip.step
        relative = (self.margin.percent or 0.0) / 100
        return relative if self.direction == "lower" else min(relative, 1.0)

    @cached_property
    def _v_opt(self) -> float:
        # Frozen before any data: the variance after about ten looks of the samples the policy asks for.
        n = self.min_samples
        return TUNED_TICKS * (4 * n * n / (5 * n)) * self._variance

    @property
    def _variance(self) -> float:
        sd = self.spread / self.clip.step if self.spread else SPREAD
        return sd * sd

    def _fresh(self) -> dict[str, Any]:
        return _encoded(self.fresh_arrays()) | {
            "waiting": {},
            "stable": [0] * 6,
            "tried": [0] * 6,
            "step": [0, 0],
            "epoch": -1,
        }


def sums_of(counts: Counts | None) -> Sums:
    """What a block says of one arm."""
    if counts is None:
        return [0] * 6
    values = counts.values or Values()
    return [counts.trials, values.total, values.squares, values.before, values.before_squares, values.products]


def decoded_means(state: Mapping[str, Any]) -> FoldedMeans:
    """The statistics in a state."""
    import numpy as np

    harm, safe, diff = (stats.MeanState.from_json(dict(state[name])) for name in ("harm", "safe", "diff"))
    return FoldedMeans(harm, safe, diff, stats.Slope(*(np.asarray(one, dtype=np.float64) for one in state["slope"])))


def _encoded(folded: FoldedMeans) -> dict[str, Any]:
    states = {"harm": folded.harm, "safe": folded.safe, "diff": folded.diff}
    return {name: one.to_json() for name, one in states.items()} | {"slope": [float(one) for one in folded.slope]}


def _expected(sums: Sequence[float], n: float, mean: float | None = None) -> list[float]:
    """Sums of n values that vary like those so far, about another mean if one is given."""
    _, total, squares, before, before_squares, products = (part / sums[0] for part in sums)
    shift = 0.0 if mean is None else mean - total
    more = (1.0, total + shift, squares + 2 * shift * total + shift * shift, before, before_squares)
    return [n * part for part in (*more, products + shift * before)]


def _total(sums: Iterable[Sequence[int]]) -> Sums:
    return [sum(parts) for parts in zip(*sums, strict=True)]
