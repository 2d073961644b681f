"""Worlds that are worth supposing of any release: no difference, harm, and a gain worth finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from releasectl.domain.metric import Metric
from releasectl.domain.policy import Margin
from releasectl.simulate.case import Case
from releasectl.simulate.world import Rate, Spread, World

USUAL: Mapping[str, float] = {"lower": 0.01, "higher": 0.1}
"""Rates of metrics that nothing is known about, by the direction that is better."""
USUAL_OF_PAIRS: Mapping[str, float] = {"agreement": 0.99, "errors": 0.001, "slower": 0.01}
"""The same of what a shadow stage counts: a candidate that is nearly stable's equal."""


def usual(metric: Metric) -> Rate:
    """What a metric is supposed to be like of which nothing is known; a mean lies in the middle of its range, with
    nearly all of its values inside."""
    if metric.query.paired is not None:
        measure = metric.query.paired.measure
        return Rate(USUAL_OF_PAIRS[measure], {}, metric.maturity, paired=measure)
    if metric.clip is None:
        return Rate(USUAL[metric.direction], {}, metric.maturity)
    low, high = metric.clip.low, metric.clip.high
    return Rate((low + high) / 2, {}, metric.maturity, Spread(metric.spread or (high - low) / 6, metric.clip.step))


def equal_world(world: World) -> World:
    """The same without any difference between variants."""
    return replace(world, rates={name: _with_effects(rate, {}) for name, rate in world.rates.items()})


def harmful_world(case: Case, world: World) -> World:
    """The same with harm of twice the margin in the first guardrail."""
    guardrail = case.desired.policy.spec.guardrails[0]
    worse = 1 if case.desired.metrics[guardrail.metric].direction == "lower" else -1
    return _with(case, world, guardrail.metric, worse * 2 * accepted(guardrail.margin, world.rates[guardrail.metric]))


def worthwhile_world(case: Case, world: World) -> World:
    """Without difference in guardrails, and better in every objective that must be superior: by the margin, or by twice
    the gain that must be proven where one is asked for."""
    found = equal_world(world)
    for objective in case.desired.policy.spec.objectives:
        if objective.goal == "superior":
            better = -1 if case.desired.metrics[objective.metric].direction == "lower" else 1
            rate = world.rates[objective.metric]
            least = objective.at_least
            gain = better * (2 * accepted(least, rate) if least else accepted(objective.margin, rate))
            found = _with(case, found, objective.metric, gain)
    return found


def accepted(margin: Margin, rate: Rate) -> float:
    """The margin as a difference of rates, or of means in their own unit."""
    if margin.units is not None:
        return margin.units
    return margin.points / 100 if margin.points else (margin.percent or 0.0) / 100 * abs(rate.baseline)


def _with(case: Case, world: World, metric: str, effect: float) -> World:
    changed = _with_effects(world.rates[metric], dict.fromkeys(case.candidates, effect))
    return replace(world, rates={**world.rates, metric: changed})


def _with_effects(rate: Rate, effects: Mapping[str, float]) -> Rate:
    """The rate with these differences, the same in every group."""
    groups = {part: replace(group, effects={}) for part, group in rate.groups.items()}
    return replace(rate, effects=effects, groups=groups)
