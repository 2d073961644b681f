"""Is it better, or at least no worse? What an objective must prove before promotion."""

from __future__ import annotations

import math

from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.metric import Metric
from releasectl.domain.observation import Reading as Raw
from releasectl.domain.policy import Objective, PolicySpec
from releasectl.evaluate.compared import AnyComparison, comparison_of
from releasectl.evaluate.comparison import Reading
from releasectl.evaluate.guardrails import DEAD_BAND
from releasectl.evaluate.trust import unreadable
from releasectl.evaluate.wording import difference, margin_in_words, rates


def objective_comparison(policy: PolicySpec, objective: Objective, metric: Metric, candidate: str) -> AnyComparison:
    """The rules for one objective: all must pass, so each may use the whole alpha."""
    return comparison_of(
        metric,
        candidate=candidate,
        margin=objective.at_least or objective.margin,
        claim="superior-by" if objective.at_least else objective.goal,
        alpha=policy.alpha,
        total_alpha=policy.alpha,
        min_samples=policy.min_samples,
    )


def judge_objective(comparison: AnyComparison, objective: Objective, numbers: Reading, raw: Raw | None) -> Evidence:
    """Evidence for one objective: OK when its claim is proven, never BAD (harm is for guardrails)."""
    threshold = math.log(1 / comparison.total_alpha)
    fault = unreadable(raw)
    if fault is not None:
        state = fault
    elif not (numbers.stable.trials and numbers.tried.trials):
        state = MetricState.NO_DATA
    elif numbers.safe_peak >= threshold - DEAD_BAND:
        state = MetricState.OK
    else:
        state = MetricState.INCONCLUSIVE
    return Evidence(
        metric=objective.metric,
        role="objective",
        candidate=comparison.candidate,
        state=state,
        summary=_sentence(state, objective, numbers, comparison.unit, raw),
        better=comparison.direction,
        unit=comparison.unit,
        stable=numbers.stable,
        tried=numbers.tried,
        step_trials=numbers.step_trials,
        estimate=numbers.estimate,
        lower=numbers.lower,
        upper=numbers.upper,
        log_e=round(numbers.safe_peak, 9),
        threshold=round(threshold, 9),
        margin=_accepted(comparison, numbers),
    )


def _accepted(comparison: AnyComparison, numbers: Reading) -> float | None:
    """The accepted worsening; negative where a gain is asked for."""
    if comparison.claim == "superior":
        return 0.0
    margin = comparison.margin_as_difference(numbers.stable)
    return -margin if margin is not None and comparison.claim == "superior-by" else margin


def _sentence(state: MetricState, objective: Objective, numbers: Reading, unit: str | None, raw: Raw | None) -> str:
    claim = "better than stable" if objective.goal == "superior" else "no worse than the margin allows"
    claim = f"better than stable by {margin_in_words(objective.at_least, unit)}" if objective.at_least else claim
    match state:
        case MetricState.OK:
            return f"{rates(numbers, unit)}, {difference(numbers, unit)}: proven {claim}"
        case MetricState.NO_DATA:
            return "nothing counted yet" if raw is None or not raw.detail else raw.detail
        case MetricState.INCONCLUSIVE | MetricState.BAD:
            return f"{rates(numbers, unit)}, {difference(numbers, unit)}: not yet proven {claim}"
        case MetricState.STALE | MetricState.INVALID | MetricState.PROVIDER_ERROR:
            return raw.detail if raw and raw.detail else "the metric has not been read"
