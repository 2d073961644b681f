"""Thousands of runs at once.

Evidence is folded on arrays by the same ``Comparison`` that judges a real release. At most looks nothing can
follow from it but to hold, and that is seen on arrays too (``_may_act``); wherever something may happen the
run's evidence is written out and ``decide()`` is asked, so every decision is the real one. A test holds this
against ``trial`` run by run: the same decisions at the same looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from releasectl import stats
from releasectl.domain.decision import Action, Decision, EffectiveState
from releasectl.domain.evidence import Arm, Evidence
from releasectl.domain.observation import Observation, ReadState
from releasectl.domain.observation import Reading as Raw
from releasectl.domain.policy import Guardrail, Objective
from releasectl.domain.reward import ArmReward
from releasectl.domain.strategy import Bandit
from releasectl.evaluate.compared import AnyComparison
from releasectl.evaluate.comparison import LEAST, Limits, Reading, finite
from releasectl.evaluate.evaluation import Evaluation
from releasectl.evaluate.guardrails import guardrail_comparison, judge_guardrail, weights
from releasectl.evaluate.joining import WaitingRuns, joined_runs
from releasectl.evaluate.means import TICK, MeanComparison
from releasectl.evaluate.objectives import judge_objective, objective_comparison
from releasectl.simulate.case import START, Case, at_look
from releasectl.simulate.earned import Earnings
from releasectl.simulate.trial import Run, Step
from releasectl.simulate.world import Counted, Ints, variants_of
from releasectl.strategies import STRATEGIES
from releasectl.strategies.bandit import AT_LEAST_DAILY, may_propose

Bools = NDArray[np.bool_]

SLACK = 1e-6
"""A run this near to a threshold is looked at by ``decide()``; being asked in vain costs time only."""
CHUNK = 2000
"""Runs worked on together: enough to keep numpy busy, few enough for the cache."""

DrawBatch = Callable[[int, Ints, Ints], tuple[Ints, Mapping[str, Counted]]]


@dataclass
class _Compared:
    """One comparison of every run: its rule, its folded statistics, and its counts."""

    rule: Guardrail | Objective
    comparison: AnyComparison
    column: int
    folded: Any
    """In the form of the comparison's kind."""
    totals: NDArray[Any]
    """Trials and events of stable and of the candidate; of a mean, trials, totals and squares. By run and arm."""
    step: Ints
    """Trials of stable and of the candidate in the present step; by run."""
    waiting: WaitingRuns
    """Sums of both arms that wait for more."""

    def add(self, counted: Counted, epoch: Ints) -> None:
        """Fold what became known at a look."""
        both = [0, self.column]
        trials = counted.trials[:, both]
        if isinstance(self.comparison, MeanComparison):
            sums = np.concatenate([trials[..., None], counted.values[:, both]], axis=2).astype(np.float64)
            # No covariate is simulated: the last three of its sums stay 0.
            ticks = self._joined(np.pad(sums, ((0, 0), (0, 0), (0, 3))), counted.epoch, TICK)
            self.folded = self.comparison.fold_arrays(self.folded, ticks[:, 0][:, None], ticks[:, 1][:, None])
        else:
            sums = np.stack([trials, counted.events[:, both]], axis=2)
            pairs = self._joined(sums, counted.epoch, LEAST)
            n, x = pairs[:, :, 0, None], pairs[:, :, 1, None]
            ticks = stats.Trials.of_good(x_b=x[:, 0], n_b=n[:, 0], x_c=x[:, 1], n_c=n[:, 1])
            self.folded = self.comparison.fold_arrays(self.folded, ticks)
        self.totals += sums
        self.step += np.where((counted.epoch >= epoch)[:, None], trials, 0)

    def _joined(self, sums: NDArray[Any], epoch: Ints, least: int) -> NDArray[Any]:
        """What there is to compare after a look, by run and arm; all 0 where there is nothing yet."""
        whole, self.waiting = joined_runs(self.waiting, sums, epoch, least)
        return whole

    def keep(self, rows: Bools) -> None:
        """Go on with some of the runs."""
        for name in ("folded", "totals", "step", "waiting"):
            setattr(self, name, _rows(getattr(self, name), rows))

    def arms(self, row: int) -> tuple[Arm, Arm]:
        """Totals of one run for people."""
        pair = self.totals[row].tolist()
        if isinstance(self.comparison, MeanComparison):
            return self.comparison.arm([int(part) for part in pair[0]]), self.comparison.arm([int(p) for p in pair[1]])
        return Arm(trials=pair[0][0], events=pair[0][1]), Arm(trials=pair[1][0], events=pair[1][1])

    @property
    def seen(self) -> Bools:
        return np.asarray(self.totals[:, :, 0].min(axis=1) > 0)

    @property
    def harmful(self) -> Bools:
        """Where it may be that harm is proven."""
        found = self.folded.peak >= math.log(1 / self.comparison.alpha) - SLACK
        if isinstance(self.rule, Guardrail) and self.rule.limit is not None:
            # A limit lies on the better side of the rate or mean itself.
            unit = self.comparison.clip.step if isinstance(self.comparison, MeanComparison) else 100
            limit = self.rule.limit / unit
            past = self.totals[:, 1, 1] - limit * self.totals[:, 1, 0]
            found |= past > 0 if self.comparison.direction == "lower" else past < 0
        return np.asarray(found)

    @property
    def proven(self) -> Bools:
        return np.asarray(self.folded.safe.peak >= math.log(1 / self.comparison.total_alpha) - SLACK)


@dataclass
class Batch:
    """The runs that are still under way; ``ids`` are their numbers."""

    case: Case
    every: timedelta
    ids: Ints
    states: list[EffectiveState]
    compared: list[_Compared]
    shares: Ints
    epoch: Ints
    since: Ints
    """Look at which the present shares are first seen to be served."""
    dwell: NDArray[np.float64]
    gathers: Bools
    needs_proof: Bools
    on_trial: Bools
    deadline: NDArray[np.float64]
    """Seconds after the start at which the stage has taken its whole time."""
    stage: Ints
    """The stage that each run is in."""
    each_step: Bools
    """Where samples are asked for anew at each step."""
    earnings: Earnings
    steps: dict[int, list[Step]] = field(default_factory=dict)
    back: dict[int, list[Decision]] = field(default_factory=dict)

    @classmethod
    def begin(cls, case: Case, every: timedelta, ids: Sequence[int]) -> Batch:
        """All runs with their first share."""
        count, names = len(ids), variants_of(case.candidates)
        batch = cls(
            case=case,
            every=every,
            ids=np.array(ids, dtype=np.int64),
            states=[case.state] * count,
            compared=_comparisons(case, count),
            shares=np.zeros((count, len(names)), dtype=np.int64),
            epoch=np.zeros(count, dtype=np.int64),
            since=np.ones(count, dtype=np.int64),
            dwell=np.zeros(count),
            gathers=np.ones(count, dtype=bool),
            needs_proof=np.zeros(count, dtype=bool),
            on_trial=np.ones((count, len(case.candidates)), dtype=bool),
            deadline=np.full(count, np.inf),
            stage=np.zeros(count, dtype=np.int64),
            each_step=np.ones(count, dtype=bool),
            earnings=Earnings(case, count),
            steps={run: [] for run in ids},
        )
        batch._note(np.arange(count), case.state)
        return batch

    def look(self, look: int, counted: Mapping[str, Counted]) -> list[tuple[int, int, Run]]:
        """Fold what became known, decide, move on. Returns rows that ended, their run and how it went."""
        for one in self.compared:
            known = counted.get(one.rule.metric)
            if known is not None:
                one.add(known, self.epoch)
        for stage, rows in self._earning():
            self.earnings.add(stage, rows, counted, at_look(self.every, look))
        acting = np.flatnonzero(self._may_act(look))
        if not acting.size:
            return []
        limits = [one.comparison.limits(_rows(one.folded, acting)) for one in self.compared]
        ended = []
        for place, row in enumerate(acting.tolist()):
            decision = self._decide(row, look, [Limits(*(part[place] for part in one)) for one in limits])
            run = int(self.ids[row])
            if decision.action is Action.HOLD or decision.state is None:
                continue
            self.steps[run].append((look, decision.action, decision.reason))
            if decision.state.progress is None:
                ended.append((row, run, self.how(run, decision, look)))
                continue
            if decision.action is Action.ROLLBACK:
                self.back.setdefault(run, []).append(decision)
            self._move_on(row, look, decision.state)
        return ended

    def keep(self, rows: Bools) -> None:
        """Go on with some of the runs."""
        self.states = [state for state, kept in zip(self.states, rows.tolist(), strict=True) if kept]
        for name in ("ids", "shares", "epoch", "since", "dwell", "gathers", "needs_proof", "on_trial", "deadline"):
            setattr(self, name, getattr(self, name)[rows])
        self.stage, self.each_step = self.stage[rows], self.each_step[rows]
        self.earnings.keep(rows)
        for one in self.compared:
            one.keep(rows)

    def how(self, run: int, end: Decision | None, looks: int) -> Run:
        """How a run went."""
        return Run(tuple(self.steps[run]), end, looks, tuple(self.back.get(run, ())))

    # --- when to ask ------------------------------------------------------------------------------------

    def _may_act(self, look: int) -> Bools:
        """Where ``decide()`` might do anything but hold. Mirrors the order of its checks in one respect: what
        takes a candidate back is asked at every look, the strategy only after time and samples."""
        every = self.every.total_seconds()
        seconds = look * every
        take_back = seconds >= self.deadline - SLACK
        ready = seconds - self.since * every >= self.dwell - SLACK
        passing = np.ones_like(self.on_trial)
        for one in self.compared:
            asked = self.on_trial[:, one.column - 1]
            if isinstance(one.rule, Guardrail):
                take_back |= asked & one.harmful
            enough = one.seen & (one.step.min(axis=1) >= self.case.desired.policy.spec.min_samples)
            ready &= enough | ~asked | ~self.each_step
            passing[:, one.column - 1] &= one.proven
        proven = passing & self.on_trial
        proposes = ready & (proven.any(axis=1) | ~self.needs_proof)
        for stage, rows in self._earning():
            for row in rows[proposes[rows]].tolist():
                proposes[row] = self._may_move(row, stage, look, proven[row])
        return np.asarray(take_back | self._jointly_harmful() | proposes | ~self.gathers)

    def _may_move(self, row: int, stage: Bandit, look: int, proven: Bools) -> bool:
        """Whether a bandit might end, or move its shares."""
        state, now = self.states[row], at_look(self.every, look)
        started = state.progress.step_started_at if state.progress else now
        return may_propose(
            stage,
            self.earnings.read(row, stage, state.candidates, now),
            state.allocation,
            wanted=self.case.desired.policy.spec.min_samples,
            proven=[name for name, passes in zip(self.case.candidates, proven.tolist(), strict=True) if passes],
            due=now - started >= AT_LEAST_DAILY,
        )

    def _earning(self) -> list[tuple[Bandit, Ints]]:
        """Every stage that earns, and the runs that are in it."""
        stages = [(place, one) for place, one in enumerate(self.case.desired.stages) if isinstance(one, Bandit)]
        return [(stage, np.flatnonzero(self.stage == place)) for place, stage in stages]

    def _jointly_harmful(self) -> Bools:
        policy = self.case.desired.policy.spec
        parts, found = weights(policy), np.zeros(len(self.ids), dtype=bool)
        for column in range(1, self.shares.shape[1]):
            rows = [one for one in self.compared if one.column == column and isinstance(one.rule, Guardrail)]
            if rows:
                logs = np.stack([one.folded.log_e for one in rows], axis=1)
                joint = stats.weighted_log_e(log_e=logs, weights=[parts[one.rule.metric] for one in rows])
                found |= self.on_trial[:, column - 1] & (joint >= math.log(1 / policy.alpha) - SLACK)
        return found

    # --- asking -----------------------------------------------------------------------------------------

    def _decide(self, row: int, look: int, limits: Sequence[Limits]) -> Decision:
        state = self.states[row]
        rows = [
            self._evidence(one, row, limit)
            for one, limit in zip(self.compared, limits, strict=True)
            if self.on_trial[row, one.column - 1]
        ]
        return self.case.decide(
            state,
            Observation(),
            Evaluation(evidence=tuple(rows), rewards=self._rewards(row, look)),
            served_since=at_look(self.every, int(self.since[row])),
            now=at_look(self.every, look),
        )

    def _rewards(self, row: int, look: int) -> tuple[ArmReward, ...]:
        stage = self.case.desired.stage(self.states[row])
        if not isinstance(stage, Bandit):
            return ()
        return self.earnings.read(row, stage, self.states[row].candidates, at_look(self.every, look))

    def _evidence(self, one: _Compared, row: int, limits: Limits) -> Evidence:
        stable, tried = one.arms(row)
        limit = one.rule.limit if isinstance(one.rule, Guardrail) else None
        own = [int(part) for part in one.totals[row, 1].tolist()]
        reading = Reading(
            stable=stable,
            tried=tried,
            step_trials=int(one.step[row].min()),
            estimate=finite(float(limits.estimate)),
            lower=finite(float(limits.lower)),
            upper=finite(float(limits.upper)),
            log_e=float(one.folded.log_e[row]),
            peak=float(one.folded.peak[row]),
            safe_peak=float(one.folded.safe.peak[row]),
            past_limit=None if limit is None else one.comparison.past_limit(own, limit),
        )
        raw = Raw(state=ReadState.OK)
        if isinstance(one.rule, Guardrail):
            return judge_guardrail(one.comparison, one.rule, reading, raw)
        return judge_objective(one.comparison, one.rule, reading, raw)

    # --- moving on --------------------------------------------------------------------------------------

    def _move_on(self, row: int, look: int, state: EffectiveState) -> None:
        if state.epoch != self.epoch[row]:
            self.since[row] = look + 1
            for one in self.compared:
                one.step[row] = 0
        state = self.case.approved(state, at_look(self.every, look))
        if state.progress and state.progress.stage != self.stage[row]:
            self.earnings.forget(row)
        self.states[row] = state
        self._note(np.array([row]), state)

    def _note(self, rows: Ints, state: EffectiveState) -> None:
        """What ``_may_act`` needs of a state."""
        stage, progress, policy = self.case.desired.stage(state), state.progress, self.case.desired.policy.spec
        if stage is None or progress is None:
            raise ValueError("only runs under way are noted")
        strategy = STRATEGIES[stage.type]
        self.shares[rows] = [state.allocation.share(name) for name in variants_of(self.case.candidates)]
        self.epoch[rows] = state.epoch
        self.dwell[rows] = max(strategy.dwell(stage), policy.min_dwell).total_seconds()
        self.stage[rows] = progress.stage
        self.gathers[rows], self.each_step[rows] = strategy.gathers, strategy.samples_each_step
        # Before its last step a canary moves on without proof, and a watch asks for none.
        last = progress.step + 1 == strategy.steps(stage)
        self.needs_proof[rows] = stage.type == "ab" or (stage.type == "canary" and last)
        self.on_trial[rows] = [name in state.candidates for name in self.case.candidates]
        began = (progress.stage_started_at - START).total_seconds()
        if policy.when_inconclusive == "rollback":
            self.deadline[rows] = began + policy.max_duration.total_seconds()


def run_batch(
    batch: Batch, looks: int, draw: DrawBatch, keep: Callable[[Bools], None], seen: Callable[[Ints, Ints], None]
) -> dict[int, Run]:
    """Every look of every run. ``seen`` is told each look's requests by run and variant."""
    done: dict[int, Run] = {}
    for look in range(1, looks + 1):
        trials, counted = draw(look, batch.shares, batch.epoch)
        seen(batch.ids, trials)
        ended = batch.look(look, counted)
        if ended:
            done |= {run: how for _, run, how in ended}
            left = np.ones(len(batch.ids), dtype=bool)
            left[[row for row, _, _ in ended]] = False
            batch.keep(left)
            keep(left)
        if not len(batch.ids):
            break
    return done | {run: batch.how(run, None, looks) for run in batch.ids.tolist()}


def _comparisons(case: Case, count: int) -> list[_Compared]:
    """In the order of ``evaluate()``, which is that of the evidence."""
    policy, metrics, found = case.desired.policy.spec, case.desired.metrics, []
    for column, candidate in enumerate(case.candidates, start=1):
        rules: list[tuple[Guardrail | Objective, AnyComparison]] = [
            (rule, guardrail_comparison(policy, rule, metrics[rule.metric], candidate)) for rule in policy.guardrails
        ]
        rules += [
            (goal, objective_comparison(policy, goal, metrics[goal.metric], candidate)) for goal in policy.objectives
        ]
        for rule, comparison in rules:
            mean = isinstance(comparison, MeanComparison)
            totals: NDArray[Any] = np.zeros((count, 2, 3)) if mean else np.zeros((count, 2, 2), dtype=np.int64)
            step = np.zeros((count, 2), dtype=np.int64)
            waiting = WaitingRuns(np.zeros((count, 2, 6)) if mean else totals.copy(), np.full(count, -1))
            found.append(_Compared(rule, comparison, column, comparison.fresh_arrays((count,)), totals, step, waiting))
    return found


def _rows(value: Any, rows: Any) -> Any:
    """Some rows of every array."""
    if isinstance(value, np.ndarray):
        return value[rows]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{part.name: _rows(getattr(value, part.name), rows) for part in fields(value)})
    if isinstance(value, tuple):
        return type(value)(*(_rows(part, rows) for part in value))
    return value
