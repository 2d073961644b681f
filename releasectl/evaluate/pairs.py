"""What pairs of answers to one request prove about a candidate: that it agrees, fails no oftener, is no slower.

Each pair is one request answered by both, so a candidate is compared on exactly what stable was asked, and what makes
requests hard or slow cancels. A proportion of pairs, or the difference of two in the same pairs, has a confidence
sequence that holds at every look: proven beyond its limit the candidate is taken back, proven within it the stage may
end. The limits of a stage share the policy's alpha evenly. Pairs are taken to be alike throughout the stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict

from releasectl import stats
from releasectl.domain.base import digest_of, format_duration
from releasectl.domain.evidence import Arm, Evidence, MetricState
from releasectl.domain.observation import Block, Counts, Reading, ReadState
from releasectl.domain.parts import Part
from releasectl.domain.policy import PolicySpec
from releasectl.domain.strategy import PairedSegments, Shadow
from releasectl.evaluate.guardrails import DEAD_BAND
from releasectl.evaluate.trust import unreadable

State = Mapping[str, Any]

WORST = 3
"""Groups that are told of; the numbers of all are in the folds."""


@dataclass(frozen=True)
class PairedRule:
    """One limit of a shadow stage. ``limit`` is a fraction of the pairs."""

    measure: Literal["agreement", "errors", "slower"]
    metric: str
    """As evidence calls it."""
    limit: float
    events: str
    """As the state calls what is counted."""
    rules: str
    """Names what is compared and how: with other rules evidence begins anew."""
    told: str
    """What is counted, for people."""
    alpha: float
    t_opt: float
    segments: PairedSegments | None = None
    """Groups in which the limit holds as well."""

    @property
    def better(self) -> Literal["lower", "higher"]:
        return "higher" if self.measure == "agreement" else "lower"

    def key(self, candidate: str) -> str:
        """Under which its state is kept."""
        return f"{self.metric}/{candidate}/{self.rules}"

    def fold(self, state: State | None, blocks: Sequence[Block], candidate: str) -> State:
        """The state with the blocks added; plain JSON. What is proven once stays proven."""
        state = state or {"pairs": 0, self.events: 0, "proven": None}
        for block in blocks:
            counts = block.arms.get(candidate)
            if counts is not None and counts.trials:
                state = self._with(state, counts)
        return state

    def judge(self, state: State, candidate: str, raw: Reading | None) -> Evidence:
        """Evidence for one candidate. Proof against it stands even when the log has gone away since."""
        pairs, seen = state["pairs"], self._seen(state)
        low, high = self._interval(state)
        found = _state(state, raw)
        # Where both answers are the same nothing differs: agreement is shown as the distance to all of it.
        whole = 1 if self.measure == "agreement" else 0
        return Evidence(
            metric=self.metric,
            role="guardrail",
            candidate=candidate,
            state=found,
            summary=self._sentence(found, state, (low, high), raw),
            better=self.better,
            stable=Arm(trials=pairs, events=whole * pairs + state.get("opposite", 0)),
            tried=Arm(trials=pairs, events=state[self.events]),
            step_trials=pairs,
            estimate=round(seen / pairs - whole, 9) if pairs else None,
            lower=round(low - whole, 9),
            upper=round(high - whole, 9),
            margin=round(abs(whole - self.limit), 9),
        )

    # --- groups -----------------------------------------------------------------------------------------

    @property
    def in_groups(self) -> PairedRule:
        """The same limit for one group, with its part of alpha."""
        return replace(self, alpha=self.alpha / (self.segments.most if self.segments else 1))

    def fold_groups(self, state: State | None, groups: Mapping[str, Sequence[Block]], candidate: str) -> State:
        """The state of all groups with what was counted of each added. Places go to the first with enough pairs."""
        values, judged = (dict(state["values"]), list(state["judged"])) if state else ({}, [])
        wanted, rule = self.segments, self.in_groups
        if wanted is None:
            return {"values": values, "judged": judged}
        for value, blocks in sorted(groups.items()):
            values[value] = rule.fold(values.get(value), blocks, candidate)
            if value not in judged and values[value]["pairs"] >= wanted.min_samples and len(judged) < wanted.most:
                judged.append(value)
        return {"values": values, "judged": judged}

    def judge_groups(self, state: State, candidate: str) -> tuple[Evidence, ...]:
        """Rows of the worst few groups."""
        rows = []
        for value in state["judged"]:
            part = str(Part(self.segments.by if self.segments else "", value))
            row = self.in_groups.judge(state["values"][value], candidate, Reading(state=ReadState.OK))
            told = {"role": "segment", "part": part, "summary": f"with {part} {row.summary}"}
            rows.append(row.model_copy(update=told))
        return tuple(sorted(rows, key=self._worst_first)[:WORST])

    def _worst_first(self, row: Evidence) -> tuple[int, float, str]:
        order = [MetricState.BAD, MetricState.INCONCLUSIVE, MetricState.OK]
        worst = (row.estimate or 0.0) * (1 if self.better == "higher" else -1)
        return order.index(row.state), worst, row.part

    # --- parts ------------------------------------------------------------------------------------------

    def _with(self, state: State, counts: Counts) -> State:
        after = {
            "pairs": state["pairs"] + counts.trials,
            self.events: state[self.events] + counts.events,
            "proven": state["proven"],
        }
        if opposite := state.get("opposite", 0) + counts.opposite:
            after["opposite"] = opposite
        low, high = self._interval(after)
        above, below = low > self.limit + DEAD_BAND, high < self.limit - DEAD_BAND
        well, ill = (above, below) if self.better == "higher" else (below, above)
        now = "enough" if well else "too little" if ill else None
        return {**after, "proven": state["proven"] or now}

    def _seen(self, state: State) -> int:
        return int(state[self.events] - state.get("opposite", 0))

    def _interval(self, state: State) -> tuple[float, float]:
        pairs = state["pairs"]
        if self.measure == "errors":
            down = state.get("opposite", 0)
            low, high = stats.paired_interval(up=state[self.events], down=down, pairs=pairs, alpha=self.alpha)
            return float(low), float(high)
        if not pairs:
            return 0.0, 1.0
        low, high = stats.bernoulli_confidence_interval(
            num_successes=state[self.events], num_trials=pairs, alpha=self.alpha, t_opt=self.t_opt
        )
        return float(low), float(high)

    def _sentence(self, found: MetricState, state: State, interval: tuple[float, float], raw: Reading | None) -> str:
        if found in (MetricState.STALE, MetricState.INVALID, MetricState.PROVIDER_ERROR):
            return raw.detail if raw and raw.detail else "the answers have not been read"
        if found is MetricState.NO_DATA:
            return raw.detail if raw and raw.detail else "no answers have been compared yet"
        most = f"{100 * self.limit:g} %"
        within, beyond = ("at least", "less than") if self.better == "higher" else ("at most", "more than")
        proof = {MetricState.OK: f"{within} {most} is proven", MetricState.BAD: f"{beyond} {most} is proven"}
        low, high = (100 * end for end in interval)
        shown = self.told.format(percent=f"{100 * self._seen(state) / state['pairs']:.4g}", pairs=state["pairs"])
        return f"{shown} (interval {low:.4g} to {high:.4g} %): {proof.get(found, f'no proof either way of {most}')}"


class _Shared(TypedDict):
    alpha: float
    t_opt: float
    segments: PairedSegments | None


def paired_rules(stage: Shadow, policy: PolicySpec) -> tuple[PairedRule, ...]:
    """The limits of a stage; agreement is the first."""
    limits = sum(one is not None for one in (stage.agreement, stage.errors, stage.slower))
    shared = _Shared(
        alpha=policy.alpha / limits / (2 if stage.segments else 1),
        t_opt=10.0 * policy.min_samples,
        segments=stage.segments,
    )
    rules = [
        PairedRule(
            measure="agreement",
            metric="agreement",
            limit=stage.agreement.at_least / 100,
            events="agreeing",
            rules=_short(stage.agreement.to_data()),
            told="{percent} % of {pairs} answers agree with stable's",
            **shared,
        )
    ]
    if stage.errors is not None:
        rules.append(
            PairedRule(
                measure="errors",
                metric="paired-errors",
                limit=stage.errors.at_most / 100,
                events="failed",
                rules=_short(stage.errors.to_data()),
                told="it failed {percent} points oftener than stable in {pairs} pairs",
                **shared,
            )
        )
    if stage.slower is not None:
        than = format_duration(stage.slower.than)
        rules.append(
            PairedRule(
                measure="slower",
                metric="slower-answers",
                limit=stage.slower.at_most / 100,
                events="slower",
                rules=_short(stage.slower.to_data()),
                told=f"{{percent}} % of {{pairs}} answers took over {than} longer than stable's",
                **shared,
            )
        )
    return tuple(rules)


def _short(data: Any) -> str:
    return digest_of(data).removeprefix("sha256:")[:8]


def _state(state: State, raw: Reading | None) -> MetricState:
    if state["proven"] == "too little":
        return MetricState.BAD
    if (fault := unreadable(raw)) is not None:
        return fault
    if not state["pairs"]:
        return MetricState.NO_DATA
    return MetricState.OK if state["proven"] else MetricState.INCONCLUSIVE
