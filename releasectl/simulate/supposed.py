"""Worlds that are worth supposing of any release: no difference, harm, and a gain worth finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from releasectl.domain.policy import Margin
from releasectl.simulate.case import Case
from releasectl.simulate.world import Rate, World

USUAL: Mapping[str, float] = {"lower": 0.01, "higher": 0.1}
"""Rates of metrics that nothing is known about, by the direction that is better."""


def equal_world(world: World) -> World:
    """The same without any difference between variants."""
    return replace(world, rates={name: Rate(rate.baseline, {}, rate.delay) for name, rate in world.rates.items()})


def harmful_world(case: Case, world: World) -> World:
    """The same with harm of twice the margin in the first guardrail."""
    guardrail = case.desired.policy.spec.guardrails[0]
    worse = 1 if case.desired.metrics[guardrail.metric].direction == "lower" else -1
    return _with(case, world, guardrail.metric, worse * 2 * _points(guardrail.margin, world.rates[guardrail.metric]))


def worthwhile_world(case: Case, world: World) -> World:
    """Without difference in guardrails, and better by the margin in every objective that must be superior."""
    found = equal_world(world)
    for objective in case.desired.policy.spec.objectives:
        if objective.goal == "superior":
            better = -1 if case.desired.metrics[objective.metric].direction == "lower" else 1
            gain = better * _points(objective.margin, world.rates[objective.metric])
            found = _with(case, found, objective.metric, gain)
    return found


def _points(margin: Margin, rate: Rate) -> float:
    return margin.points / 100 if margin.points else (margin.percent or 0.0) / 100 * rate.baseline


def _with(case: Case, world: World, metric: str, effect: float) -> World:
    rate = world.rates[metric]
    changed = Rate(rate.baseline, dict.fromkeys(case.candidates, effect), rate.delay)
    return replace(world, rates={**world.rates, metric: changed})
