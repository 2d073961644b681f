"""The metrics behind a shadow stage: what is counted of the pairs that stable and a candidate answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from releasectl.domain.base import digest_of
from releasectl.domain.metric import Metric, PairedQuery, Queries
from releasectl.domain.release import Release
from releasectl.domain.strategy import Shadow

_DESCRIBED = {
    "agreement": "Answers to the same request",
    "errors": "Failures where the other variant answered the same request",
    "slower": "Requests for which it took longer than stable",
}


def paired_queries(stage: Shadow, entry: str) -> Iterator[PairedQuery]:
    """One for each thing that the stage limits; agreement is the first."""
    all_of = PairedQuery(component=stage.component or entry, by=stage.segments.by if stage.segments else None)
    wanted = stage.agreement
    yield all_of.model_copy(update={"field": wanted.field, "tolerance": wanted.tolerance})
    if stage.errors is not None:
        yield all_of.model_copy(update={"measure": "errors"})
    if stage.slower is not None:
        than_ms = stage.slower.than.total_seconds() * 1000
        yield all_of.model_copy(update={"measure": "slower", "than_ms": than_ms})


def paired_metric(query: PairedQuery) -> Metric:
    """Its name tells apart what is compared differently: readings of many releases are asked for together."""
    name = f"{query.measure}-{digest_of(query.to_data()).removeprefix('sha256:')[:8]}"
    direction = "higher" if query.measure == "agreement" else "lower"
    described = _DESCRIBED[query.measure]
    return Metric(name=name, description=described, direction=direction, query=Queries(paired=query))  # type: ignore[arg-type]


def paired_metrics(release: Release) -> dict[str, Metric]:
    """Those of all shadow stages of a release, by name."""
    stages = [stage for stage in release.spec.strategy if isinstance(stage, Shadow)]
    found = [paired_metric(query) for stage in stages for query in paired_queries(stage, release.entry)]
    return {metric.name: metric for metric in found}


def paired_name(stage: Shadow, measure: str, metrics: Mapping[str, Metric]) -> str:
    """The one of these metrics in which a shadow stage counts something; empty if it is not among them."""
    for name, metric in metrics.items():
        query = metric.query.paired
        if query is None or query.measure != measure:
            continue
        # Which component is the entry is known to the release alone.
        component = stage.component or query.component
        if query in paired_queries(stage, component) and query.component == component:
            return name
    return ""
