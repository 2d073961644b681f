"""A guardrail in groups of users, each by itself: harm to one of them may hide in the whole.

Each group has an e-process of its own, exactly like the whole, and e-BH (Wang & Ramdas 2022) says in which of them
harm is shown: with the evidence sorted, the k largest where the k-th is at least K / (alpha k). That bounds the false
discovery rate by alpha under any dependence between the groups. The first look at which any group is rejected ends
the trial, and at a stopping time e-processes are e-values; if no group is harmed, every rejection is a false one, so
the chance of *ever* rolling back a harmless candidate for a group is at most alpha as well.

Two things keep that true although nobody knows the groups in advance. K is the number that the policy names, not the
number seen so far, which would let evidence from before and after a newcomer count twice. And a group gets its place
by the samples it has, never by what they say.

Passing is another matter: no place needs a correction there (an intersection), but the proof takes as many samples
in a small group as it does in the whole. So groups do not hold a promotion unless the policy says that each must pass,
or one looks harmed at present: its own e-value is at least what the policy calls a suspicion. That costs time and no
alpha, so it needs no correction and no place: a group with too few samples to be judged may be suspected, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releasectl import stats
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.metric import Metric
from releasectl.domain.observation import Block, Observation
from releasectl.domain.parts import Part, split_name
from releasectl.domain.policy import Guardrail, PolicySpec, Segments
from releasectl.domain.release import STABLE
from releasectl.evaluate.compared import AnyComparison, comparison_of
from releasectl.evaluate.comparison import Reading
from releasectl.evaluate.guardrails import DEAD_BAND, alphas
from releasectl.evaluate.wording import amount, difference, rates

State = Mapping[str, Any]

WORST = 3
"""Groups that are told of; the numbers of all are in the folds."""


@dataclass(frozen=True)
class Segmented:
    """The rules for the groups of one guardrail and candidate."""

    metric: str
    segments: Segments
    comparison: AnyComparison

    @property
    def key(self) -> str:
        """Where the state is kept; other rules begin anew."""
        asked = f"{self.segments.by}/{self.segments.most}"
        return f"segments/{self.metric}/{self.comparison.candidate}/{asked}/{self.comparison.key}"

    def fold(self, state: State | None, observed: Observation, step_epoch: int) -> State:
        """The state with what was counted of each group added; folding in any split gives the same bits."""
        values = dict(state["values"]) if state else {}
        judged = list(state["judged"]) if state else []
        reached: list[tuple[datetime, str]] = []
        for value, blocks in self._counted(observed):
            before = values.get(value)
            if value not in judged and (at := self._reaches(before, blocks)):
                reached.append((at, value))
            values[value] = self.comparison.fold(before, blocks, step_epoch)
        judged += [value for _, value in sorted(reached)]
        return {"values": values, "judged": judged[: self.segments.most]}

    def judge(self, whole: Evidence, state: State, step_epoch: int) -> tuple[Evidence, ...]:
        """The row of the whole with a clause about all groups, and after it rows of the worst few, of those that are
        judged or suspected."""
        numbers = {value: self.comparison.read(one, step_epoch, None) for value, one in state["values"].items()}
        judged = {value: numbers[value] for value in state["judged"]}
        harmed = self._harmed(judged)
        suspected = {value for value, found in numbers.items() if self._is_suspected(found)} - harmed
        rows = [
            self._row(value, found, harmed=value in harmed, suspected=value in suspected, judged=value in judged)
            for value, found in numbers.items()
            if value in judged or value in suspected
        ]
        summary = f"{whole.summary}; {self._clause(len(judged), len(harmed), len(suspected))}"
        return whole.model_copy(update={"summary": summary}), *sorted(rows, key=self._worst_first)[:WORST]

    # --- parts ------------------------------------------------------------------------------------------

    def _counted(self, observed: Observation) -> list[tuple[str, Sequence[Block]]]:
        """Blocks by group, in the order of their names."""
        found: list[tuple[str, Sequence[Block]]] = []
        for name, reading in sorted(observed.readings.items()):
            metric, part = split_name(name)
            if metric == self.metric and part is not None and part.dimension == self.segments.by and reading.blocks:
                found.append((part.value, reading.blocks))
        return found

    def _reaches(self, state: State | None, blocks: Sequence[Block]) -> datetime | None:
        """When both arms have their samples; None while they do not."""
        arms = {
            STABLE: state["stable"][0] if state else 0,
            self.comparison.candidate: state["tried"][0] if state else 0,
        }
        for block in blocks:
            for name in arms:
                arms[name] += block.arms[name].trials if name in block.arms else 0
            if min(arms.values()) >= self.segments.min_samples:
                return block.end_at
        return None

    def _harmed(self, numbers: Mapping[str, Reading]) -> set[str]:
        values = list(numbers)
        # Places that are still free hold no evidence, and count all the same. Not the peaks: only what stands at one
        # and the same look is evidence together.
        free = [-math.inf] * (self.segments.most - len(values))
        log_e = [numbers[value].log_e for value in values] + free
        return {values[place] for place in stats.e_bh_log(log_e=log_e, alpha=self.comparison.alpha).tolist()}

    def _is_suspected(self, numbers: Reading) -> bool:
        # Present evidence, not its peak: a suspicion that the counts have refuted holds nothing.
        return numbers.log_e >= math.log(self.segments.suspicion) - DEAD_BAND

    def _row(self, value: str, numbers: Reading, *, harmed: bool, suspected: bool, judged: bool) -> Evidence:
        comparison, part = self.comparison, Part(self.segments.by, value)
        if harmed:
            state, found = MetricState.BAD, "harm beyond the margin is proven there"
        elif suspected:
            # Even where harm has been ruled out once: the two contradict each other, and time will tell.
            known = "no proof either way there" if judged else "too few samples there to be judged"
            state, found = MetricState.INCONCLUSIVE, f"{known}, and harm is suspected (e-value {_e(numbers.log_e)})"
        elif numbers.safe_peak >= math.log(1 / comparison.total_alpha) - DEAD_BAND:
            state, found = MetricState.OK, "harm beyond the margin is ruled out there"
        else:
            state, found = MetricState.INCONCLUSIVE, "no proof either way there"
        margin = comparison.margin_as_difference(numbers.stable)
        accepted = "" if margin is None else f"; {amount(margin, comparison.unit)} worse is accepted"
        shown = f"{rates(numbers, comparison.unit)}, {difference(numbers, comparison.unit)}"
        return Evidence(
            metric=self.metric,
            role="segment",
            candidate=comparison.candidate,
            part=str(part),
            state=state,
            summary=f"with {part} {shown}: {found}{accepted}",
            better=comparison.direction,
            unit=comparison.unit,
            stable=numbers.stable,
            tried=numbers.tried,
            step_trials=numbers.step_trials,
            estimate=numbers.estimate,
            lower=numbers.lower,
            upper=numbers.upper,
            log_e=round(numbers.log_e, 9),
            threshold=round(math.log(self.segments.most / comparison.alpha), 9),
            margin=None if margin is None else round(margin, 9),
            suspicious=suspected,
        )

    def _worst_first(self, row: Evidence) -> tuple[bool, bool, float, str]:
        passed = self.segments.must_pass and row.state is MetricState.OK
        return row.state is not MetricState.BAD, passed, -(row.log_e or 0.0), row.part

    def _clause(self, judged: int, harmed: int, suspected: int) -> str:
        if judged:
            told = f"judged apart in {judged} by {self.segments.by}, with harm in {harmed or 'none'}"
        else:
            told = f"no {self.segments.by} has {self.segments.min_samples} samples in each arm yet"
        return f"{told}, harm suspected in {suspected}" if suspected else told


def segmented(policy: PolicySpec, guardrail: Guardrail, metric: Metric, candidate: str) -> Segmented | None:
    """The rules for a guardrail's groups; None where it has none."""
    if guardrail.segments is None:
        return None
    comparison = comparison_of(
        metric,
        candidate=candidate,
        margin=guardrail.margin,
        claim="non-inferior",
        alpha=alphas(policy)[guardrail.metric],
        total_alpha=policy.alpha,
        min_samples=guardrail.segments.min_samples,
    )
    return Segmented(guardrail.metric, guardrail.segments, comparison)


def may_hold(row: Evidence, policy: PolicySpec) -> bool:
    """Whether promotion waits for this row: for a group only while it is suspicious, or where each must pass.

    A wrong sample ratio holds by a check of its own.
    """
    if row.role != "segment":
        return row.role != "sample-ratio"
    return row.suspicious or any(
        one.metric == row.metric and one.segments and one.segments.must_pass for one in policy.guardrails
    )


def _e(log_e: float) -> str:
    return f"{math.exp(min(log_e, 50.0)):.3g}"
