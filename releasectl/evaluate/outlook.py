"""What would settle a metric: how many more samples at the present rates, and which rate would turn it.

Expected counts are folded on from where the evidence stands, through the same comparison, so the answer is
what the rules themselves would say if nothing but chance changed; no chance is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from releasectl import stats
from releasectl.domain.decision import Allocation
from releasectl.domain.evidence import Arm, Evidence, MetricState
from releasectl.domain.metric import Metric
from releasectl.domain.policy import Guardrail, Objective, PolicySpec
from releasectl.domain.release import STABLE
from releasectl.evaluate.comparison import Comparison, Folded, decoded
from releasectl.evaluate.guardrails import DEAD_BAND, guardrail_comparison
from releasectl.evaluate.objectives import objective_comparison

MOST_TICKS = 4096
"""Ticks that are looked ahead at most; what takes longer is told as more than that."""
HALVINGS = 20


@dataclass(frozen=True)
class Outlook:
    """Samples are the candidate's. ``ticks`` of ``each`` samples are looked ahead at most."""

    evidence: Evidence
    to_pass: int | None
    """More samples until proven harmless, or until the objective's claim is; None if not in sight."""
    to_fail: int | None
    """More samples until harm is proven; None if not in sight, and for objectives."""
    turns_at: float | None
    """The candidate's rate that would prove harm within as many samples again as there are; None if none would."""
    most: int
    """Samples that were looked ahead."""


def outlook(
    row: Evidence, policy: PolicySpec, metrics: Mapping[str, Metric], folds: Mapping[str, Any], shares: Allocation
) -> Outlook | None:
    """What would settle this evidence while these shares are served; None where nothing would or can be told."""
    found = _comparison(row, policy, metrics, folds)
    share, rest = shares.share(row.candidate), shares.share(STABLE)
    if found is None or row.state is MetricState.BAD or not (share and rest and row.tried.trials and row.stable.trials):
        return None
    comparison, state = found
    # Ticks as large as those so far have been on average.
    each = max(1.0, row.tried.trials / max(1, state.exact.ticks))
    ahead = _Ahead(comparison, state, n_b=each * rest / share, n_c=each, p_b=_rate(row.stable))
    now = _rate(row.tried)
    passing, harmful = math.log(1 / comparison.total_alpha), math.log(1 / comparison.alpha)
    settled = row.state is MetricState.OK
    return Outlook(
        evidence=row,
        to_pass=None
        if settled
        else _samples(each, ahead.first(now, lambda f: float(f.safe.peak) >= passing - DEAD_BAND)),
        to_fail=_samples(each, ahead.first(now, lambda f: float(f.peak) >= harmful - DEAD_BAND))
        if row.role == "guardrail"
        else None,
        turns_at=_turning(ahead, now, state.exact.ticks, harmful, comparison) if row.role == "guardrail" else None,
        most=round(each * MOST_TICKS),
    )


@dataclass(frozen=True)
class _Ahead:
    """The same tick over and over, after what was folded."""

    comparison: Comparison
    state: Folded
    n_b: float
    n_c: float
    p_b: float

    def after(self, ticks: int, rate: float) -> Folded:
        """The state after so many ticks in which the candidate has this rate."""
        again = [1.0] * ticks
        return self.comparison.fold_arrays(
            self.state,
            stats.Trials.of_good(
                x_b=[self.n_b * self.p_b * one for one in again],
                n_b=[self.n_b * one for one in again],
                x_c=[self.n_c * rate * one for one in again],
                n_c=[self.n_c * one for one in again],
            ),
        )

    def first(self, rate: float, reached: Callable[[Folded], bool]) -> int | None:
        """The least number of ticks after which this holds; what is reached stays reached."""
        most = 1
        while not reached(self.after(most, rate)):
            most *= 2
            if most > MOST_TICKS:
                return None
        least = most // 2
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (least, middle) if reached(self.after(middle, rate)) else (middle, most)
        return most


def _turning(ahead: _Ahead, now: float, ticks: int, threshold: float, comparison: Comparison) -> float | None:
    """The mildest rate that would prove harm in as many ticks again."""
    again = min(max(ticks, 1), MOST_TICKS)
    safe, worst = now, 1.0 if comparison.direction == "lower" else 0.0
    if float(ahead.after(again, worst).peak) < threshold - DEAD_BAND:
        return None
    for _ in range(HALVINGS):
        middle = 0.5 * (safe + worst)
        if float(ahead.after(again, middle).peak) >= threshold - DEAD_BAND:
            worst = middle
        else:
            safe = middle
    return worst


def _comparison(
    row: Evidence, policy: PolicySpec, metrics: Mapping[str, Metric], folds: Mapping[str, Any]
) -> tuple[Comparison, Folded] | None:
    rules: tuple[Guardrail | Objective, ...] = policy.guardrails if row.role == "guardrail" else policy.objectives
    rule = next((rule for rule in rules if rule.metric == row.metric), None)
    if rule is None or row.metric not in metrics:
        return None
    if isinstance(rule, Guardrail):
        comparison = guardrail_comparison(policy, rule, metrics[row.metric], row.candidate)
    else:
        comparison = objective_comparison(policy, rule, metrics[row.metric], row.candidate)
    state = folds.get(f"{row.role}/{row.metric}/{row.candidate}/{comparison.key}")
    return (comparison, decoded(state)) if state else None


def _rate(arm: Arm) -> float:
    return arm.events / arm.trials


def _samples(each: float, ticks: int | None) -> int | None:
    return None if ticks is None else math.ceil(each * ticks)
