"""Rules of a policy and of a metric, each by itself: what any release that refers to them would suffer from.

How a policy fits a release is a rule of that release (``crosscheck``); what its limits measure, and the groups it
judges by, have modules of their own (``measures``, ``segments``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from releasectl.domain.base import format_duration
from releasectl.domain.metric import HISTOGRAM_BUCKETS_MS, MetricSet
from releasectl.domain.policy import PromotionPolicy
from releasectl.errors import Problem
from releasectl.manifests.crosscheck import at
from releasectl.manifests.load import Document
from releasectl.manifests.nearest import suggestion
from releasectl.manifests.nodes import Step


def metric_names(policy: PromotionPolicy) -> tuple[str, ...]:
    """The metrics of guardrails and objectives, each once."""
    names = [guardrail.metric for guardrail in policy.spec.guardrails]
    names += [objective.metric for objective in policy.spec.objectives]
    return tuple(dict.fromkeys(names))


def check_policy(document: Document, known_metrics: Iterable[str]) -> Iterator[Problem]:
    """Rules of a policy by itself."""
    policy = document.value
    if not isinstance(policy, PromotionPolicy):
        return
    if not policy.spec.guardrails:
        # All of nothing is not a pass: such a policy would promote whatever comes.
        message = "a policy needs at least one guardrail"
        yield at(document, ("spec", "guardrails"), message, "for example {metric: error-rate}", "no-guardrails")
    watch = policy.spec.watch
    if watch and watch.for_ >= policy.spec.max_duration:
        message = f"the watch takes {format_duration(watch.for_)}, and a stage may take "
        message += f"{format_duration(policy.spec.max_duration)}: it would end inconclusive"
        yield at(document, ("spec", "watch", "for"), message, "watch for less than `maxDuration`", "too-slow")
    known = set(known_metrics)
    roles = {
        "guardrails": [guardrail.metric for guardrail in policy.spec.guardrails],
        "objectives": [objective.metric for objective in policy.spec.objectives],
    }
    for role, names in roles.items():
        for index, name in enumerate(names):
            path = ("spec", role, index, "metric")
            if name not in known:
                yield no_metric(document, path, name, known)
            if name in names[:index]:
                yield at(document, path, f"{name!r} stands twice among the {role}", code="duplicate-name")


def no_metric(document: Document, path: tuple[Step, ...], name: str, known: Iterable[str]) -> Problem:
    """The problem of a metric that nothing declares."""
    hint = suggestion(name, known, known="known metrics")
    return at(document, path, f"no metric {name!r}", hint, "unknown-name")


def check_metric(document: Document, index: int) -> Iterator[Problem]:
    """Rules of one metric by itself."""
    if not isinstance(document.value, MetricSet):
        return
    query = document.value.spec.metrics[index].query.envoy
    if query and query.over and query.over.total_seconds() * 1000 not in HISTOGRAM_BUCKETS_MS:
        over = query.over.total_seconds() * 1000
        nearest = min(HISTOGRAM_BUCKETS_MS, key=lambda edge: abs(edge - over))
        message = f"the router's histogram has no bucket edge at {format_duration(query.over)}"
        hint = f"the nearest is {nearest:g}ms"
        yield at(document, ("spec", "metrics", index, "query", "envoy", "over"), message, hint, "not-a-bucket")
