"""Rules about guardrails in groups of users: something must tell the groups apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from releasectl.domain.metric import Metric
from releasectl.domain.policy import PromotionPolicy
from releasectl.errors import Problem
from releasectl.manifests.crosscheck import Given, at
from releasectl.manifests.load import Document
from releasectl.manifests.nearest import suggestion

CODE = "no-segments"


def check_segments(document: Document, metric_of: Callable[[str], Metric | None]) -> Iterator[Problem]:
    """A guardrail asks for groups by a field that no query of its metric counts by."""
    policy = document.value
    if not isinstance(policy, PromotionPolicy):
        return
    for index, guardrail in enumerate(policy.spec.guardrails):
        metric = metric_of(guardrail.metric)
        if guardrail.segments is None or metric is None:
            continue
        by, fields = guardrail.segments.by, set(_fields(metric).values())
        if by not in fields:
            message = f"{metric.name} is not counted by {by!r}"
            hint = suggestion(by, fields, known="it is counted by")
            hint = hint or f"name the field in its query: {{log: {{outcome: ..., by: {by}}}}}"
            yield at(document, ("spec", "guardrails", index, "segments", "by"), message, hint, CODE)


def segments_cannot_be_read(given: Given) -> Iterator[Problem]:
    """The provider that answers a metric here is another than the one that could tell its groups apart."""
    if given.policy is None or given.environment is None:
        return
    for guardrail in given.policy.spec.guardrails:
        metric = given.metrics.get(guardrail.metric)
        if guardrail.segments is None or metric is None:
            continue
        by, fields = guardrail.segments.by, _fields(metric)
        asked = metric.query.to_data().keys()
        answering = next((one.type for one in given.environment.spec.providers if one.type in asked), None)
        if answering is not None and by in fields.values() and fields.get(answering) != by:
            message = f"policy {given.policy.name!r} wants {metric.name} by {by!r}, and in the environment "
            message += f"{given.environment.name!r} it is read from {answering}, which does not tell that"
            able = next(kind for kind, field in fields.items() if field == by)
            yield given.at(("spec", "policy"), message, f"put {able} before {answering} in its providers", CODE)


def _fields(metric: Metric) -> Mapping[str, str]:
    """What a metric is counted by, by provider."""
    queries: Mapping[str, Mapping[str, Any]] = metric.query.to_data()
    return {kind: query["by"] for kind, query in queries.items() if "by" in query}
