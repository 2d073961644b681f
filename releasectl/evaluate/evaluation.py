"""All metrics of all candidates on trial: folds moved on, evidence drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from releasectl.domain.evidence import Evidence, Verdict
from releasectl.domain.metric import Metric
from releasectl.domain.observation import NEW_UNITS, Block, Observation
from releasectl.domain.paired import paired_name
from releasectl.domain.parts import split_name
from releasectl.domain.policy import Guardrail, Objective, PolicySpec, Watch
from releasectl.domain.release import STABLE
from releasectl.domain.reward import ArmReward
from releasectl.domain.strategy import Bandit, Shadow, Stage
from releasectl.evaluate.attribution import attribute
from releasectl.evaluate.compared import AnyComparison
from releasectl.evaluate.components import Graph, fold_components
from releasectl.evaluate.guardrails import guardrail_comparison, judge_guardrail
from releasectl.evaluate.objectives import judge_objective, objective_comparison
from releasectl.evaluate.pairs import paired_rules
from releasectl.evaluate.rewards import rewards_of
from releasectl.evaluate.sample_ratio import fold_key, fold_sample_ratio, mismatch, units_row
from releasectl.evaluate.segments import segmented

Folds = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Evaluation:
    """``folds`` are where the next blocks are added; a replay from them and the blocks gives the same bits."""

    evidence: tuple[Evidence, ...] = ()
    folds: Folds = field(default_factory=dict)
    rewards: tuple[ArmReward, ...] = ()
    """What each arm earns, in a bandit stage; stable's first."""
    mismatch: str | None = None
    """Why the counts cannot be trusted: requests did not reach the variants in the decided shares."""


def evaluate(
    *,
    policy: PolicySpec,
    metrics: Mapping[str, Metric],
    candidates: tuple[str, ...],
    folds: Folds,
    observed: Observation,
    epoch: int,
    stage: Stage | Watch | None = None,
    graph: Graph | None = None,
) -> Evaluation:
    """Fold what was observed into ``folds`` and judge every guardrail and objective of every candidate.

    The observation's own folds take precedence, being later ones. ``epoch`` is that of the present step: only
    its exposures count towards the step's minimum samples. ``stage`` is the one under way: a bandit's
    rewards are counted besides. ``graph`` is where harm may come from.
    """
    folds = folds if observed.folds is None else observed.folds
    if isinstance(stage, Shadow):
        return _shadow(stage, policy, metrics, candidates, folds=folds, observed=observed, epoch=epoch)
    rows: list[Evidence] = []
    after: dict[str, Mapping[str, Any]] = {}
    for key, rule, comparison in _comparisons(policy, metrics, candidates):
        raw = observed.readings.get(rule.metric)
        state = comparison.fold(folds.get(key), raw.blocks if raw else (), epoch)
        after[key] = state
        if isinstance(rule, Guardrail):
            row = judge_guardrail(comparison, rule, comparison.read(state, epoch, rule.limit), raw)
            groups = segmented(policy, rule, metrics[rule.metric], row.candidate)
            if groups is None:
                rows.append(row)
            else:
                after[groups.key] = apart = groups.fold(folds.get(groups.key), observed, epoch)
                rows += groups.judge(row, apart, epoch)
        else:
            rows.append(judge_objective(comparison, rule, comparison.read(state, epoch, None), raw))
    if graph is not None:
        after |= (by_component := _by_component(folds, observed, policy, metrics, graph))
        rows = [_attributed(row, by_component, policy, graph) for row in rows]
    ratios = _sample_ratios(folds, observed, candidates)
    # Each metric counts the same requests; together they may be wrong no more often than the policy says.
    level = policy.sample_ratio / max(1, len(ratios))
    wrong = {metric: mismatch(metric, state, candidates, level) for metric, state in ratios.items()}
    if units := observed.readings.get(NEW_UNITS):
        rows.append(units_row(units, ratios.get(NEW_UNITS), candidates, wrong.get(NEW_UNITS)))
    after |= {fold_key(metric, candidates): state for metric, state in ratios.items()}
    rewards, earned = _rewards(folds, observed, metrics, candidates, stage)
    first = next((found for found in wrong.values() if found), None)
    return Evaluation(evidence=tuple(rows), folds=after | earned, rewards=rewards, mismatch=first)


def _shadow(
    stage: Shadow,
    policy: PolicySpec,
    metrics: Mapping[str, Metric],
    candidates: tuple[str, ...],
    *,
    folds: Folds,
    observed: Observation,
    epoch: int,
) -> Evaluation:
    """A stage in which no user sees a candidate: its answers are judged, and guardrails have nothing to count."""
    rows: list[Evidence] = []
    after = dict(folds)
    for candidate in candidates:
        for rule in paired_rules(stage, policy):
            name = paired_name(stage, rule.measure, metrics)
            raw, key = observed.readings.get(name), rule.key(candidate)
            after[key] = rule.fold(folds.get(key), raw.blocks if raw else (), candidate)
            rows.append(rule.judge(after[key], candidate, raw))
            if stage.segments is not None:
                apart, groups = f"segments/{key}", _groups(observed, name)
                after[apart] = rule.fold_groups(folds.get(apart), groups, candidate)
                rows += rule.judge_groups(after[apart], candidate)
    for key, objective, comparison in _comparisons(policy, metrics, candidates):
        if isinstance(objective, Objective) and objective.metric in stage.prove:
            raw = observed.readings.get(objective.metric)
            after[key] = comparison.fold(folds.get(key), raw.blocks if raw else (), epoch)
            rows.append(judge_objective(comparison, objective, comparison.read(after[key], epoch, None), raw))
    return Evaluation(evidence=tuple(rows), folds=after)


def _groups(observed: Observation, metric: str) -> dict[str, Sequence[Block]]:
    """What was counted of each group of a metric, by its value."""
    found = {split_name(name): reading.blocks for name, reading in observed.readings.items()}
    return {part.value: blocks for (of, part), blocks in found.items() if of == metric and part is not None}


def _by_component(
    folds: Folds, observed: Observation, policy: PolicySpec, metrics: Mapping[str, Metric], graph: Graph
) -> dict[str, Mapping[str, Any]]:
    """What each component did by itself, for the guardrails that are counted by component."""
    after: dict[str, Mapping[str, Any]] = {}
    for guardrail in policy.guardrails:
        after |= fold_components(folds, observed.readings, metrics[guardrail.metric], graph)
    return after


def _attributed(row: Evidence, by_component: Folds, policy: PolicySpec, graph: Graph) -> Evidence:
    """Proven harm with the component that it comes from."""
    if row.role != "guardrail" or row.verdict is not Verdict.FAIL:
        return row
    return row.model_copy(update={"attribution": attribute(by_component, row.metric, row.candidate, policy, graph)})


def _rewards(
    folds: Folds,
    observed: Observation,
    metrics: Mapping[str, Metric],
    candidates: tuple[str, ...],
    stage: Stage | Watch | None,
) -> tuple[tuple[ArmReward, ...], dict[str, Mapping[str, Any]]]:
    """What each arm earns, and the fold behind it; nothing outside a bandit stage."""
    if not isinstance(stage, Bandit):
        return (), {}
    rule = rewards_of(stage, metrics[stage.objective], (STABLE, *candidates))
    raw = observed.readings.get(stage.objective)
    state = rule.fold(folds.get(rule.key), raw.blocks if raw else ())
    return rule.read(state), {rule.key: state}


def _sample_ratios(folds: Folds, observed: Observation, candidates: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    """Folds of the metrics that count requests at the entry, and of units, by metric."""
    after = {}
    for metric, reading in sorted(observed.readings.items()):
        state = fold_sample_ratio(folds.get(fold_key(metric, candidates)), reading.blocks, candidates)
        if state is not None:
            after[metric] = state
    return after


def _comparisons(
    policy: PolicySpec, metrics: Mapping[str, Metric], candidates: tuple[str, ...]
) -> Iterator[tuple[str, Guardrail | Objective, AnyComparison]]:
    for candidate in candidates:
        for guardrail in policy.guardrails:
            comparison = guardrail_comparison(policy, guardrail, metrics[guardrail.metric], candidate)
            yield f"guardrail/{guardrail.metric}/{candidate}/{comparison.key}", guardrail, comparison
        for objective in policy.objectives:
            comparison = objective_comparison(policy, objective, metrics[objective.metric], candidate)
            yield f"objective/{objective.metric}/{candidate}/{comparison.key}", objective, comparison
