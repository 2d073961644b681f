"""The metric behind a shadow stage: of how many requests did stable and the candidate give the same answer."""

from __future__ import annotations

from collections.abc import Mapping

from releasectl.domain.base import digest_of
from releasectl.domain.metric import Metric, PairedQuery, Queries
from releasectl.domain.release import Release
from releasectl.domain.strategy import Shadow


def paired_metric(stage: Shadow, entry: str) -> Metric:
    """Its name tells apart what is compared differently: readings of many releases are asked for together."""
    query = PairedQuery(
        component=stage.component or entry, field=stage.agreement.field, tolerance=stage.agreement.tolerance
    )
    name = f"agreement-{digest_of(query.to_data()).removeprefix('sha256:')[:8]}"
    return Metric(name=name, description="Answers to the same request", direction="higher", query=Queries(paired=query))


def paired_metrics(release: Release) -> dict[str, Metric]:
    """Those of all shadow stages of a release, by name."""
    found = [paired_metric(stage, release.entry) for stage in release.spec.strategy if isinstance(stage, Shadow)]
    return {metric.name: metric for metric in found}


def paired_name(stage: Shadow, metrics: Mapping[str, Metric]) -> str:
    """The one of these metrics that a shadow stage asks for; empty if it is not among them."""
    wanted = stage.agreement
    for name, metric in metrics.items():
        query = metric.query.paired
        if query is None or (query.field, query.tolerance) != (wanted.field, wanted.tolerance):
            continue
        if stage.component in (None, query.component):
            return name
    return ""
