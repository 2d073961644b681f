"""Rules between a metric's kind and what is asked of it: rates are told in percent, means in their own unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from releasectl.domain.metric import Metric
from releasectl.domain.policy import Margin, PromotionPolicy
from releasectl.errors import Problem
from releasectl.manifests.crosscheck import Given, at
from releasectl.manifests.load import Document
from releasectl.manifests.nodes import Step

CODE = "wrong-kind"


def check_measures(document: Document, metric_of: Callable[[str], Metric | None]) -> Iterator[Problem]:
    """Margins and limits that do not fit the kind of their metric."""
    policy = document.value
    if not isinstance(policy, PromotionPolicy):
        return
    for index, guardrail in enumerate(policy.spec.guardrails):
        metric, path = metric_of(guardrail.metric), ("spec", "guardrails", index)
        if metric is not None:
            yield from _margin(document, (*path, "margin"), guardrail.margin, metric)
            if metric.kind == "proportion" and guardrail.limit is not None and not 0 <= guardrail.limit <= 100:
                message = f"{metric.name} is a proportion, and {guardrail.limit:g} % is no rate"
                yield at(document, (*path, "limit"), message, "a limit from 0 to 100", "out-of-range")
    for index, objective in enumerate(policy.spec.objectives):
        metric = metric_of(objective.metric)
        if metric is not None and objective.goal == "non-inferior":
            yield from _margin(document, ("spec", "objectives", index, "margin"), objective.margin, metric)
        if metric is not None and objective.at_least is not None:
            place = ("spec", "objectives", index, "atLeast")
            yield from _margin(document, place, objective.at_least, metric)
            if metric.direction == "lower" and (objective.at_least.percent or 0) >= 100:
                message = f"{metric.name} cannot become less than nothing"
                yield at(document, place, message, "a gain below 100 %", "out-of-range")


def bandit_tolerance_has_no_unit(given: Given) -> Iterator[Problem]:
    """A bandit that earns a mean must say in its unit what may be lost; points are for rates."""
    for index, stage in enumerate(given.release.spec.strategy):
        metric = given.metrics.get(stage.objective) if stage.type == "bandit" else None
        if stage.type != "bandit" or metric is None:
            continue
        path = ("spec", "strategy", index, "tolerance")
        if metric.kind == "mean" and "tolerance" not in stage.model_fields_set:
            message = f"{metric.name} is a mean: say how much of it may be lost at the end"
            yield given.at(
                path, message, f"for example `tolerance: {_tenth(metric)}`, in its own unit", "missing-field"
            )
        if metric.kind == "proportion" and stage.tolerance > 100:
            yield given.at(path, f"{stage.tolerance:g} points are more than there are", code="out-of-range")


def _margin(document: Document, path: tuple[Step, ...], margin: Margin, metric: Metric) -> Iterator[Problem]:
    if metric.kind == "proportion":
        if margin.units is not None:
            message = f"{metric.name} is a proportion, whose margin is in points or in percent of stable's rate"
            yield at(document, path, message, "write points (absolute) or percent (relative)", CODE)
        return
    if margin.points is not None:
        message = f"{metric.name} is a mean, of which a margin in points (1, where none is given) says nothing"
        yield at(document, path, message, f"write units{_in(metric)} or percent (of stable's mean)", CODE)
    if margin.percent is not None and metric.clip is not None and metric.clip.low < 0:
        message = f"{metric.name} may be negative or 0, of which no percentage can be taken"
        yield at(document, path, message, f"write units{_in(metric)}", CODE)


def _in(metric: Metric) -> str:
    return f" (absolute, in {metric.unit})" if metric.unit else " (absolute)"


def _tenth(metric: Metric) -> str:
    return f"{(metric.clip.high - metric.clip.low) / 1000:g}" if metric.clip else "1"
