"""Evidence over time as a policy test writes it down, and whether the expected decisions follow.

Counts are the expected ones: what a look leaves as a fraction is carried over to the next, so nothing is
left to chance and no request is lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from releasectl.domain.base import WHOLE, format_duration
from releasectl.domain.decision import Action, EffectiveState
from releasectl.domain.metric import Clip
from releasectl.domain.observation import (
    Block,
    Counts,
    Health,
    Observation,
    Reading,
    ReadState,
    Values,
    VariantHealth,
)
from releasectl.domain.parts import Part, part_name
from releasectl.domain.policy_test import Expected, PairRate, Phase, PolicyCase
from releasectl.domain.release import STABLE
from releasectl.simulate.case import Case, at_look
from releasectl.simulate.misread import misread
from releasectl.simulate.trial import Run, run_trial
from releasectl.simulate.world import variants_of

_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Happened:
    """A decision of the case; ``after`` counts from its beginning."""

    action: Action
    reason: str
    candidate: str | None
    after: timedelta

    def __str__(self) -> str:
        return f"{self.action} {self.reason} after {format_duration(self.after)}"


@dataclass(frozen=True)
class Outcome:
    """How a case went: what is wrong, empty if it passed, and all that was decided."""

    wrong: tuple[str, ...]
    happened: tuple[Happened, ...]


def run_case(case: Case, written: PolicyCase, look: timedelta) -> Outcome:
    """Play the case and compare."""
    if wrong := misread(case, written):
        return Outcome(wrong, ())
    script = _Script(case, written.given, look)
    run = run_trial(case, look, script.looks, script.observe)
    happened = tuple(_happened(run, look, script.looks))
    return Outcome(tuple(_wrong(written.expect, happened)), happened)


# --- playing --------------------------------------------------------------------------------------------


@dataclass
class _Script:
    """What is seen at each look."""

    case: Case
    given: Sequence[Phase]
    look: timedelta
    _due: dict[tuple[str, ...], float] = field(default_factory=dict)
    _counted: dict[tuple[str, ...], int] = field(default_factory=dict)
    _waiting: dict[str, dict[str, Counts]] = field(default_factory=dict)
    """Counts of each metric that could not be read yet, by variant."""
    _unreadable: float = 0.0
    _stage: int = 0

    @property
    def looks(self) -> int:
        return sum(self._looks_of(phase) for phase in self.given)

    def _looks_of(self, phase: Phase) -> int:
        return max(1, math.ceil(phase.for_ / self.look))

    def observe(self, look: int, state: EffectiveState) -> Observation:
        """The observation of a look."""
        stage = state.progress.stage if state.progress else 0
        if stage != self._stage:
            self._stage, self._unreadable = stage, 0.0
        index = self._phase(look)
        phase, seconds = self.given[index], self.look.total_seconds()
        shares = {name: state.allocation.share(name) for name in variants_of(self.case.candidates)}
        trials = {
            name: self._carried(("requests", name), self._traffic(index) * seconds * share / WHOLE)
            for name, share in shares.items()
        }
        readings: dict[str, Reading] = {}
        for metric in self.case.desired.metrics:
            readings |= self._readings(metric, index, look, state, trials)
        guarded = {guardrail.metric for guardrail in self.case.desired.policy.spec.guardrails}
        if any(reading.state is not ReadState.OK for metric, reading in readings.items() if metric in guarded):
            self._unreadable += seconds
        health = {name: VariantHealth(health=phase.health, detail="the case says so") for name in self.case.candidates}
        return Observation(
            readings=readings,
            unreadable_seconds=self._unreadable,
            health={STABLE: VariantHealth(health=Health.READY), **health},
        )

    def _readings(
        self, metric: str, index: int, look: int, state: EffectiveState, trials: Mapping[str, int]
    ) -> dict[str, Reading]:
        """What is read of a metric, and of its parts if the case tells of groups."""
        paired = self.case.desired.metrics[metric].query.paired
        if paired is None:
            called, counted = metric, self._single(metric, index, trials)
        else:
            called, counted = paired.measure, {metric: self._pairs(paired.measure, index, state)}
        for name, arms in counted.items():
            waiting = self._waiting.setdefault(name, {})
            for variant, counts in arms.items():
                waiting[variant] = waiting.get(variant, Counts()) + counts
        told = ReadState(self.given[index].metrics.get(called, "ok"))
        if told is not ReadState.OK:
            return {metric: Reading(state=told, detail=f"{called}: the case says {told}")}
        end, readings = at_look(self.look, look), {}
        for name in counted:
            arms = self._waiting.pop(name)
            block = Block(start_at=end - self.look, end_at=end, epoch=state.epoch, arms=arms)
            readings[name] = Reading(state=told, blocks=(block,))
        return readings

    def _single(self, metric: str, index: int, trials: Mapping[str, int]) -> dict[str, dict[str, Counts]]:
        """Counts by reading and variant; the groups are part of the whole."""
        parts, found = self._parts(metric, index), {metric: dict.fromkeys(trials, Counts())}
        for variant, count in trials.items():
            left = count
            for part, share in parts.items():
                some = min(left, self._carried(("requests", metric, variant, part), count * share))
                left -= some
                counts = self._counts(metric, variant, some, index, part)
                found.setdefault(part_name(metric, Part.parse(part)), {})[variant] = counts
                found[metric][variant] += counts
            found[metric][variant] += self._counts(metric, variant, left, index)
        return found

    def _parts(self, metric: str, index: int) -> dict[str, float]:
        """The groups that a metric is counted by, as far as the case has told of them, with their last share."""
        query, shares = self.case.desired.metrics[metric].query.log, dict[str, float]()
        for phase in self.given[: index + 1]:
            for part, told in phase.segments.items():
                if query is not None and Part.parse(part).dimension == query.by:
                    shares[part] = shares.get(part, 0.0) if told.share is None else float(told.share[:-1]) / 100
        return shares

    def _counts(self, metric: str, variant: str, count: int, index: int, part: str = "") -> Counts:
        clip, told = self.case.desired.metrics[metric].clip, self._told(metric, variant, index, part)
        if clip is not None:
            return Counts(trials=count, values=_values(count, told, clip))
        events = self._carried((metric, variant, part), count * float((told or "0%")[:-1]) / 100)
        return Counts(trials=count, events=min(events, count))

    def _pairs(
        self, measure: Literal["agreement", "errors", "slower"], index: int, state: EffectiveState
    ) -> dict[str, Counts]:
        """What a shadow stage counts of the requests that are copied to each candidate."""
        requests, found = self._traffic(index) * self.look.total_seconds(), {}
        for name, points in state.mirrors.items():
            count = self._carried((measure, "pairs", name), requests * points / WHOLE)
            events = min(count, self._carried((measure, name), count * self._of_pairs(measure, name, index)))
            alone = self._of_pairs("stable-errors", name, index) if measure == "errors" else 0.0
            opposite = min(count - events, self._carried((measure, "opposite", name), count * alone))
            found[name] = Counts(trials=count, events=events, opposite=opposite)
        return found

    def _of_pairs(self, rate: PairRate, candidate: str, index: int) -> float:
        """What was last said of pairs, as a fraction."""
        for phase in self.given[index::-1]:
            for told in (phase.candidate_pairs.get(candidate, {}), phase.pairs):
                if rate in told:
                    return float(told[rate][:-1]) / 100
        return 1.0 if rate == "agreement" else 0.0

    def _carried(self, key: tuple[str, ...], more: float) -> int:
        """The whole part of all that was due so far, less what was counted already."""
        self._due[key] = self._due.get(key, 0.0) + more
        new = math.floor(self._due[key] + 0.5) - self._counted.get(key, 0)
        self._counted[key] = self._counted.get(key, 0) + new
        return new

    def _phase(self, look: int) -> int:
        for index, phase in enumerate(self.given):
            look -= self._looks_of(phase)
            if look <= 0:
                return index
        return len(self.given) - 1

    def _traffic(self, index: int) -> float:
        text = next((phase.requests for phase in self.given[index::-1] if phase.requests), "100/s")
        number, _, unit = text.partition("/")
        return float(number) / _SECONDS[unit]

    def _told(self, metric: str, variant: str, index: int, part: str = "") -> str | None:
        """What was last said of a metric, in a group or, where nothing was said of that, in all the rest."""
        before = self.given[index::-1]
        groups = [phase.segments[part] for phase in before if part in phase.segments]
        for phase in (*groups, *before):
            own = phase.stable if variant == STABLE else {**phase.candidate, **phase.candidates.get(variant, {})}
            if metric in own:
                return own[metric]
        return None


def _values(count: int, told: str | None, clip: Clip) -> Values:
    """Sums of values that have exactly this mean and, about it, this standard deviation."""
    level, _, sd = (told or f"{(clip.low + clip.high) / 2}").partition("~")
    # Without a standard deviation nearly all values lie within the range.
    mean, spread = float(level) / clip.step, (float(sd) if sd else (clip.high - clip.low) / 6) / clip.step
    return Values(total=round(count * mean), squares=round(count * (mean * mean + spread * spread)))


# --- comparing ------------------------------------------------------------------------------------------


def _happened(run: Run, look: timedelta, looks: int) -> Iterator[Happened]:
    back = iter(run.back)
    for number, action, reason in run.steps:
        last = run.end if run.end and number == run.looks else None
        decision = last or (next(back, None) if action is Action.ROLLBACK else None)
        yield Happened(action, reason, decision.candidate if decision else None, look * number)
    if run.held:
        yield Happened(Action.HOLD, run.held.reason, run.held.candidate, look * looks)


def _wrong(expected: Sequence[Expected], happened: Sequence[Happened]) -> Iterator[str]:
    left = list(happened)
    for one in expected:
        at = next((index for index, found in enumerate(left) if _fits(one, found)), None)
        if at is None:
            yield f"expected {_told(one)}"
            return
        yield from _unexpected(left[:at])
        yield from _late(one, left[at])
        left = left[at + 1 :]
    yield from _unexpected(left)


def _unexpected(skipped: Sequence[Happened]) -> Iterator[str]:
    for one in skipped:
        if one.action in (Action.PROMOTE, Action.ROLLBACK):
            yield f"did not expect {one}"


def _fits(expected: Expected, found: Happened) -> bool:
    return (
        expected.decision is found.action
        and expected.reason in (None, found.reason)
        and expected.candidate in (None, found.candidate)
    )


def _late(expected: Expected, found: Happened) -> Iterator[str]:
    if expected.within is not None and found.after > expected.within:
        yield f"expected {_told(expected)}; it came after {format_duration(found.after)}"
    if expected.after is not None and found.after < expected.after:
        yield f"expected {_told(expected)}; it came after {format_duration(found.after)}"


def _told(one: Expected) -> str:
    parts = [one.decision.value]
    parts += [one.reason.value] if one.reason else []
    parts += [f"of {one.candidate}"] if one.candidate else []
    parts += [f"within {format_duration(one.within)}"] if one.within is not None else []
    parts += [f"not before {format_duration(one.after)}"] if one.after is not None else []
    return " ".join(parts)
