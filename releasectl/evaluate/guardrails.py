"""Is it harmful? A guardrail fails on proven harm and passes on proven absence of harm."""

from __future__ import annotations

import math
from collections.abc import Iterable

from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.metric import Metric
from releasectl.domain.observation import Reading as Raw
from releasectl.domain.policy import Guardrail, PolicySpec
from releasectl.evaluate.compared import AnyComparison, comparison_of
from releasectl.evaluate.comparison import Reading
from releasectl.evaluate.trust import unreadable
from releasectl.evaluate.wording import amount, difference, rates

DEAD_BAND = 1e-9
"""Thresholds are crossed by this much or not at all, so the last bit of a logarithm decides nothing."""


def weights(policy: PolicySpec) -> dict[str, float]:
    """Each guardrail's part of alpha; the parts add to 1."""
    total = sum(guardrail.weight for guardrail in policy.guardrails)
    return {guardrail.metric: guardrail.weight / total for guardrail in policy.guardrails}


def alphas(policy: PolicySpec) -> dict[str, float]:
    """What each guardrail's comparison has of alpha: its part, shared evenly with a limit and with segments."""
    parts = weights(policy)
    return {
        guardrail.metric: parts[guardrail.metric]
        * policy.alpha
        / (1 + (guardrail.limit is not None) + (guardrail.segments is not None))
        for guardrail in policy.guardrails
    }


def guardrail_comparison(policy: PolicySpec, guardrail: Guardrail, metric: Metric, candidate: str) -> AnyComparison:
    """The rules for one guardrail in all requests. A limit and segments each take as much of its alpha."""
    return comparison_of(
        metric,
        candidate=candidate,
        margin=guardrail.margin,
        claim="non-inferior",
        alpha=alphas(policy)[guardrail.metric],
        total_alpha=policy.alpha,
        min_samples=policy.min_samples,
    )


def judge_guardrail(comparison: AnyComparison, guardrail: Guardrail, numbers: Reading, raw: Raw | None) -> Evidence:
    """Evidence for one guardrail. Proof of harm stands even when the provider has gone away since."""
    threshold = math.log(1 / comparison.alpha)
    harmful = numbers.peak >= threshold - DEAD_BAND
    over_limit = numbers.past_limit is not None and numbers.past_limit > DEAD_BAND
    fault = unreadable(raw)
    if harmful or over_limit:
        state = MetricState.BAD
    elif fault is not None:
        state = fault
    elif not (numbers.stable.trials and numbers.tried.trials):
        state = MetricState.NO_DATA
    elif numbers.safe_peak >= math.log(1 / comparison.total_alpha) - DEAD_BAND:
        state = MetricState.OK
    else:
        state = MetricState.INCONCLUSIVE
    margin = comparison.margin_as_difference(numbers.stable)
    return Evidence(
        metric=guardrail.metric,
        role="guardrail",
        candidate=comparison.candidate,
        state=state,
        summary=_sentence(
            state,
            numbers=numbers,
            unit=comparison.unit,
            margin=margin,
            limit=guardrail.limit if over_limit else None,
            raw=raw,
        ),
        better=comparison.direction,
        unit=comparison.unit,
        stable=numbers.stable,
        tried=numbers.tried,
        step_trials=numbers.step_trials,
        estimate=numbers.estimate,
        lower=numbers.lower,
        upper=numbers.upper,
        log_e=round(numbers.log_e, 9),
        threshold=round(threshold, 9),
        margin=None if margin is None else round(margin, 9),
    )


def jointly_harmful(evidence: Iterable[Evidence], policy: PolicySpec) -> Evidence | None:
    """The strongest guardrail, when all of one candidate prove harm together though none does alone.

    A mean of e-processes with weights fixed in advance is an e-process under any dependence (Vovk & Wang
    2021). Weighted by the alpha that each comparison has, their sum may be held against 1: what limits and segments
    have taken of the policy's alpha is not spent a second time.
    """
    shares = alphas(policy)
    rows = [row for row in evidence if row.role == "guardrail" and row.log_e is not None]
    if not rows:
        return None
    logs = [math.log(shares[row.metric]) + (row.log_e or 0.0) for row in rows]
    top = max(logs)
    joint = top + math.log(math.fsum(math.exp(value - top) for value in logs))
    if joint < -DEAD_BAND:
        return None
    return rows[logs.index(top)]


def _sentence(
    state: MetricState,
    *,
    numbers: Reading,
    unit: str | None,
    margin: float | None,
    limit: float | None,
    raw: Raw | None,
) -> str:
    shown = f"{rates(numbers, unit)}, {difference(numbers, unit)}"
    accepted = "" if margin is None else f"; {amount(margin, unit)} worse is accepted"
    match state:
        case MetricState.BAD if limit is not None:
            past = f"{limit:g} {'%' if unit is None else unit}".rstrip()
            return f"{rates(numbers, unit)}: shown to be past the limit of {past}"
        case MetricState.BAD:
            return f"{shown}: harm beyond the margin is proven{accepted}"
        case MetricState.OK:
            return f"{shown}: harm beyond the margin is ruled out{accepted}"
        case MetricState.INCONCLUSIVE:
            return f"{shown}: no proof either way{accepted}"
        case MetricState.NO_DATA:
            return "no requests counted yet" if raw is None or not raw.detail else raw.detail
        case MetricState.STALE | MetricState.INVALID | MetricState.PROVIDER_ERROR:
            return raw.detail if raw and raw.detail else "the metric has not been read"
