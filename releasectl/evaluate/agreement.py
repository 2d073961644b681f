"""Do a candidate's answers to copied requests agree with stable's often enough?

Each pair is one request answered by both, so a candidate is compared on exactly what stable was asked, and a
proportion of pairs with a confidence sequence that holds at every look proves it either way. Pairs are taken to
agree with one chance throughout the stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from releasectl import stats
from releasectl.domain.evidence import Arm, Evidence, MetricState
from releasectl.domain.observation import Block, Reading
from releasectl.domain.policy import PolicySpec
from releasectl.domain.strategy import Agreement
from releasectl.evaluate.guardrails import DEAD_BAND
from releasectl.evaluate.trust import unreadable

METRIC = "agreement"

State = Mapping[str, Any]


def fold_pairs(
    state: State | None, blocks: Sequence[Block], candidate: str, agreement: Agreement, policy: PolicySpec
) -> State:
    """The state with the blocks added; plain JSON. What is proven once stays proven."""
    state = state or {"pairs": 0, "agreeing": 0, "proven": None}
    for block in blocks:
        counts = block.arms.get(candidate)
        if counts is None or not counts.trials:
            continue
        pairs, agreeing = state["pairs"] + counts.trials, state["agreeing"] + counts.events
        low, high = _interval(pairs, agreeing, policy)
        limit = agreement.at_least / 100
        now = "enough" if low > limit + DEAD_BAND else "too little" if high < limit - DEAD_BAND else None
        state = {"pairs": pairs, "agreeing": agreeing, "proven": state["proven"] or now}
    return state


def judge_pairs(
    state: State, candidate: str, agreement: Agreement, policy: PolicySpec, raw: Reading | None
) -> Evidence:
    """Evidence for one candidate. Proof of too little agreement stands even when the log has gone away since."""
    pairs, agreeing = state["pairs"], state["agreeing"]
    low, high = _interval(pairs, agreeing, policy)
    found = _state(state, raw)
    return Evidence(
        metric=METRIC,
        role="guardrail",
        candidate=candidate,
        state=found,
        summary=_sentence(found, state, (low, high), agreement, raw),
        better="higher",
        stable=Arm(trials=pairs, events=pairs),
        tried=Arm(trials=pairs, events=agreeing),
        step_trials=pairs,
        estimate=round(agreeing / pairs - 1, 9) if pairs else None,
        lower=round(low - 1, 9),
        upper=round(high - 1, 9),
        margin=round(1 - agreement.at_least / 100, 9),
    )


def _state(state: State, raw: Reading | None) -> MetricState:
    if state["proven"] == "too little":
        return MetricState.BAD
    if (fault := unreadable(raw)) is not None:
        return fault
    if not state["pairs"]:
        return MetricState.NO_DATA
    return MetricState.OK if state["proven"] else MetricState.INCONCLUSIVE


def _interval(pairs: int, agreeing: int, policy: PolicySpec) -> tuple[float, float]:
    if not pairs:
        return 0.0, 1.0
    low, high = stats.bernoulli_confidence_interval(
        num_successes=agreeing, num_trials=pairs, alpha=policy.alpha, t_opt=10 * policy.min_samples
    )
    return float(low), float(high)


def _sentence(
    found: MetricState, state: State, interval: tuple[float, float], agreement: Agreement, raw: Reading | None
) -> str:
    if found in (MetricState.STALE, MetricState.INVALID, MetricState.PROVIDER_ERROR):
        return raw.detail if raw and raw.detail else "the answers have not been read"
    if found is MetricState.NO_DATA:
        return raw.detail if raw and raw.detail else "no answers have been compared yet"
    pairs, agreeing = state["pairs"], state["agreeing"]
    told = {
        MetricState.OK: f"at least {agreement.at_least:g} % is proven",
        MetricState.BAD: f"less than {agreement.at_least:g} % is proven",
    }.get(found, f"no proof either way of {agreement.at_least:g} %")
    low, high = interval
    return (
        f"{100 * agreeing / pairs:.4g} % of {pairs} answers agree with stable's "
        f"(interval {100 * low:.4g} to {100 * high:.4g} %): {told}"
    )
