"""One metric of one candidate against stable: which rules judge it, and their folded state.

A comparison holds what policy and metric fix in advance. Its state is plain JSON (it travels through the
ledger), blocks fold into it one after the other, and reading it gives numbers. Harm is judged by the mean
of two e-processes, an exact one that needs no large numbers and a stratified one that is sharper once
they are there; absence of harm and superiority by a stratified one (``releasectl.stats``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

from releasectl import stats
from releasectl.domain.base import digest_of
from releasectl.domain.evidence import Arm
from releasectl.domain.observation import Block
from releasectl.domain.policy import Margin
from releasectl.domain.release import STABLE

EXACT_PART = 0.5
"""Weight of the exact e-process in the mean; fixed in advance, so the mean is an e-process too."""
TUNED_RATE = 0.1
TUNED_TICKS = 10

State = Mapping[str, Any]


class Reading(NamedTuple):
    """What a state says. Rates are fractions; differences are the candidate's minus stable's."""

    stable: Arm
    tried: Arm
    step_trials: int
    estimate: float | None
    lower: float | None
    upper: float | None
    log_e: float
    peak: float
    safe_peak: float
    limit_lower: float | None


@cache
def _starts() -> stats.Starts:
    """Harm may begin at any tick: half of the weight at once, the rest spread over later starts."""
    # Not a constant: reading a status imports this module and must not load scipy.
    return stats.spread_starts(300, every=10, first=0.5, tail=0.2)


@dataclass(frozen=True)
class Comparison:
    """``alpha`` is this comparison's part of the policy's. ``direction`` tells which way of the rate is better.

    ``claim`` is what promotion needs: ``non-inferior`` (within the margin) or ``superior``.
    """

    candidate: str
    direction: Literal["lower", "higher"]
    margin: Margin
    claim: Literal["non-inferior", "superior"]
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
        counts = [(block.arms.get(STABLE), block.arms.get(self.candidate)) for block in blocks]
        b = [(arm.events, arm.trials) if arm else (0, 0) for arm, _ in counts]
        c = [(arm.events, arm.trials) if arm else (0, 0) for _, arm in counts]
        good, harm = self._trials(b, c)
        step = [(n_b, n_c) for block, (_, n_b), (_, n_c) in zip(blocks, b, c, strict=True) if block.epoch >= step_epoch]
        kept = state["step"] if state["epoch"] == step_epoch else [0, 0]
        exact, exact_log = self._exact.run(
            stats.TwoByTwoState.from_json(dict(state["exact"])), harm if self._exact.worse == "higher" else good
        )
        shown = harm.swapped() if self._swapped else good
        strat, strat_log = self._stratified.run(stats.StratifiedState.from_json(dict(state["strat"])), shown)
        safe = self._safe.step(stats.StratifiedState.from_json(dict(state["safe"])), shown)
        log_e = self._mean(exact_log, strat_log, first_tick=strat.ticks - len(blocks) + 1)
        return {
            "exact": exact.to_json(),
            "strat": strat.to_json(),
            "safe": safe.to_json(),
            "diff": stats.difference_step(stats.DifferenceState.from_json(dict(state["diff"])), good).to_json(),
            "log_e": log_e[-1],
            "peak": max(state["peak"], *log_e),
            "stable": [state["stable"][0] + sum(n for _, n in b), state["stable"][1] + sum(x for x, _ in b)],
            "tried": [state["tried"][0] + sum(n for _, n in c), state["tried"][1] + sum(x for x, _ in c)],
            "step": [kept[0] + sum(n for n, _ in step), kept[1] + sum(n for _, n in step)],
            "epoch": step_epoch,
        }

    def read(self, state: State, step_epoch: int, limit: float | None) -> Reading:
        """The numbers in a state; ``limit`` is the rate whose lower confidence limit is wanted as well."""
        interval = stats.difference_interval(
            stats.DifferenceState.from_json(dict(state["diff"])), alpha=self.total_alpha, v_opt=self._v_opt
        )
        sign = 1.0 if self.direction == "higher" else -1.0
        low, high = sorted((sign * float(interval.low), sign * float(interval.high)))
        return Reading(
            stable=Arm(trials=state["stable"][0], events=state["stable"][1]),
            tried=Arm(trials=state["tried"][0], events=state["tried"][1]),
            step_trials=min(state["step"]) if state["epoch"] == step_epoch else 0,
            estimate=_finite(sign * float(interval.estimate)),
            lower=_finite(low),
            upper=_finite(high),
            log_e=state["log_e"],
            peak=state["peak"],
            safe_peak=float(stats.StratifiedState.from_json(dict(state["safe"])).peak),
            limit_lower=None if limit is None else self._limit_lower(state["tried"]),
        )

    def margin_as_difference(self, reading: Reading) -> float | None:
        """The accepted worsening as a difference of rates, in the direction of harm."""
        if self.margin.points is not None:
            return self.margin.points / 100
        if not reading.stable.trials:
            return None
        return (self.margin.percent or 0.0) / 100 * reading.stable.events / reading.stable.trials

    # --- rules ------------------------------------------------------------------------------------------

    @property
    def _v_opt(self) -> float:
        # Frozen before any data: the variance after about ten looks of the samples the policy asks for.
        n = self.min_samples
        return float(stats.expected_variance(ticks=TUNED_TICKS, n_b=4 * n, n_c=n, rate=TUNED_RATE))

    @property
    def _exact(self) -> stats.TwoByTwo:
        if self.margin.points is not None:
            return stats.TwoByTwo(starts=_starts(), margin=self.margin.points / 100, margin_kind="absolute")
        relative = (self.margin.percent or 0.0) / 100
        if self.direction == "lower":
            return stats.TwoByTwo(effects=stats.RISES, starts=_starts(), margin=relative, worse="higher")
        return stats.TwoByTwo(starts=_starts(), margin=min(relative, 1.0))

    @property
    def _stratified(self) -> stats.StratifiedProportion:
        return stats.StratifiedProportion(
            v_opt=self._v_opt,
            alpha_opt=self.alpha,
            claim="worse",
            margin=self._stratified_margin,
            margin_kind="absolute" if self.margin.points is not None else "relative",
        )

    @property
    def _safe(self) -> stats.StratifiedProportion:
        superior = self.claim == "superior"
        return stats.StratifiedProportion(
            v_opt=self._v_opt,
            alpha_opt=self.total_alpha,
            claim="better",
            margin=0.0 if superior else self._stratified_margin,
            margin_kind="absolute" if superior or self.margin.points is not None else "relative",
        )

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

    def _trials(self, b: Sequence[tuple[int, int]], c: Sequence[tuple[int, int]]) -> tuple[stats.Trials, stats.Trials]:
        """The blocks once with good outcomes counted and once with bad ones."""
        counted = stats.Trials.of_good(
            x_b=[x for x, _ in b], n_b=[n for _, n in b], x_c=[x for x, _ in c], n_c=[n for _, n in c]
        )
        return (counted, counted.flipped()) if self.direction == "higher" else (counted.flipped(), counted)

    def _mean(self, exact: Sequence[float], strat: Sequence[float], first_tick: int) -> list[float]:
        """ln of the weighted mean of the two e-processes after each tick; the asymptotic one counts as 1 at first."""
        values = []
        for tick, (one, other) in enumerate(zip(exact, strat, strict=True), start=first_tick):
            sharp = float(other) if tick >= self._stratified.from_tick else 0.0
            values.append(_log_mean(float(one), sharp))
        return values

    def _limit_lower(self, tried: Sequence[int]) -> float:
        trials, events = tried
        if not trials:
            return 0.0
        low, _ = stats.bernoulli_confidence_interval(
            num_successes=events, num_trials=trials, alpha=self.alpha, t_opt=10 * self.min_samples
        )
        return float(low)

    def _fresh(self) -> dict[str, Any]:
        return {
            "exact": self._exact.init().to_json(),
            "strat": self._stratified.init().to_json(),
            "safe": self._safe.init().to_json(),
            "diff": stats.difference_init().to_json(),
            "log_e": 0.0,
            "peak": 0.0,
            "stable": [0, 0],
            "tried": [0, 0],
            "step": [0, 0],
            "epoch": -1,
        }


def _log_mean(exact: float, strat: float) -> float:
    top = max(exact, strat)
    return top + math.log(EXACT_PART * math.exp(exact - top) + (1 - EXACT_PART) * math.exp(strat - top))


def _finite(value: float) -> float | None:
    return round(value, 9) if math.isfinite(value) else None
