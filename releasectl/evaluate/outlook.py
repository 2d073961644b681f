"""What would settle a metric: how many more samples at the present rates, and which rate would turn it.

Expected counts are folded on from where the evidence stands, through the same comparison, so the answer is
what the rules themselves would say if nothing but chance changed; no chance is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from releasectl.domain.decision import Allocation
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.metric import Metric
from releasectl.domain.policy import Guardrail, Objective, PolicySpec
from releasectl.domain.release import STABLE
from releasectl.evaluate.compared import AnyComparison
from releasectl.evaluate.comparison import LEAST, Folded, decoded
from releasectl.evaluate.guardrails import DEAD_BAND, guardrail_comparison
from releasectl.evaluate.means import FoldedMeans, MeanComparison, decoded_means
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
    """The candidate's rate or mean that would prove harm in as many samples again; None if none would."""
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
    comparison, folded, state = found
    # Ticks as large as looks have been on average; where hardly one held both arms, as small as can be compared.
    each = max(LEAST * max(1.0, share / rest), row.tried.trials / max(1, folded.ticks))
    so_far = round(row.tried.trials / each)
    ahead = _Ahead(comparison, folded, state, n_b=each * rest / share, n_c=each)
    now = row.tried.level or 0.0
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
        turns_at=_turning(ahead, now, so_far, harmful) if row.role == "guardrail" else None,
        most=round(each * MOST_TICKS),
    )


@dataclass(frozen=True)
class _Ahead:
    """The same tick over and over, after what was folded."""

    comparison: AnyComparison
    folded: Any
    """In the form of the comparison's kind."""
    state: Mapping[str, Any]
    n_b: float
    n_c: float

    def after(self, ticks: int, rate: float) -> Folded | FoldedMeans:
        """The state after so many ticks in which the candidate has this rate or mean."""
        return self.comparison.ahead(self.folded, self.state, ticks, n_b=self.n_b, n_c=self.n_c, level=rate)

    def first(self, rate: float, reached: Callable[[Folded | FoldedMeans], bool]) -> int | None:
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


def _turning(ahead: _Ahead, now: float, ticks: int, threshold: float) -> float | None:
    """The mildest rate or mean that would prove harm in as many ticks again."""
    again = min(max(ticks, 1), MOST_TICKS)
    safe, worst = now, ahead.comparison.worst
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
) -> tuple[AnyComparison, Folded | FoldedMeans, Mapping[str, Any]] | None:
    rules: tuple[Guardrail | Objective, ...] = policy.guardrails if row.role == "guardrail" else policy.objectives
    rule = next((rule for rule in rules if rule.metric == row.metric), None)
    if rule is None or row.metric not in metrics:
        return None
    comparison: AnyComparison
    if isinstance(rule, Guardrail):
        comparison = guardrail_comparison(policy, rule, metrics[row.metric], row.candidate)
    else:
        comparison = objective_comparison(policy, rule, metrics[row.metric], row.candidate)
    state = folds.get(f"{row.role}/{row.metric}/{row.candidate}/{comparison.key}")
    if not state:
        return None
    return comparison, decoded_means(state) if isinstance(comparison, MeanComparison) else decoded(state), state


def _samples(each: float, ticks: int | None) -> int | None:
    return None if ticks is None else math.ceil(each * ticks)
