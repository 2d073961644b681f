"""Metric and MetricSet: what is measured, and the query for each provider that can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from releasectl.domain.base import Duration, Model, Name, parse_duration
from releasectl.domain.release import ApiVersion, Metadata

HISTOGRAM_BUCKETS_MS = (0.5, 1, 5, 10, 25, 50, 100, 250, 300, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000)
"""Upper edges of the router's latency histogram: counts over any other latency would be a guess."""


class EnvoyQuery(Model):
    """From the router's own counters at the entry: give one of the two."""

    errors: Literal["5xx", "4xx-5xx"] | None = None
    """Requests answered with these statuses are the events."""
    over: Duration | None = None
    """Requests slower than this are the events; it must be a bucket edge of the router's histogram."""

    @model_validator(mode="after")
    def _one(self) -> EnvoyQuery:
        if (self.errors is None) == (self.over is None):
            raise ValueError("give either errors or over")
        return self


class PrometheusQuery(Model):
    """Two series selectors of counters; increments are taken from raw samples, never from increase()."""

    trials: str
    """Selector of all requests, such as ``http_requests_total{job="desk"}``."""
    events: str
    """Selector of those that count as events."""
    release_label: str = "release"
    variant_label: str = "variant"


class LogQuery(Model):
    """From predictions and outcomes posted to ``/v1/events``."""

    outcome: Annotated[str, Field(min_length=1)]
    """Name of the outcome; its value counts as an event when it is at least ``threshold``."""
    threshold: float = 1.0


class PairedQuery(Model):
    """From predictions posted to ``/v1/events``: requests that stable answered and a candidate got a copy of.

    Made from a shadow stage. A policy cannot use it: without the copies there is nothing to compare.
    """

    component: Name
    field: str | None = None
    tolerance: float = 0.0


class Queries(Model):
    """How each kind of provider is asked; at least one."""

    envoy: EnvoyQuery | None = None
    prometheus: PrometheusQuery | None = None
    log: LogQuery | None = None
    paired: PairedQuery | None = None

    @model_validator(mode="after")
    def _some(self) -> Queries:
        if self.envoy is None and self.prometheus is None and self.log is None and self.paired is None:
            raise ValueError("give a query for at least one provider: envoy, prometheus or log")
        return self


class Metric(Model):
    """One thing measured per variant."""

    name: Name
    description: str = ""
    kind: Literal["proportion"] = "proportion"
    """Events among trials, as exact integers."""
    direction: Literal["lower", "higher"]
    """Which way is better."""
    maturity: Duration = parse_duration("0s")
    """Only exposures older than this count, for every variant alike."""
    stale_after: Duration = parse_duration("60s")
    """Data whose newest sample is older than this are stale."""
    query: Queries


class MetricSetSpec(Model):
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)]


class MetricSet(Model):
    """Metrics that policies refer to by name; names are unique over all sets of a repository."""

    api_version: ApiVersion
    kind: Literal["MetricSet"]
    metadata: Metadata
    spec: MetricSetSpec

    @property
    def name(self) -> str:
        return self.metadata.name


BUILT_IN: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="error-rate",
            description="Requests that the entry answered with a 5xx status",
            direction="lower",
            query=Queries(envoy=EnvoyQuery(errors="5xx")),
        ),
        Metric(
            name="slow-requests",
            description="Requests that took longer than 500 ms at the entry",
            direction="lower",
            query=Queries(envoy=EnvoyQuery(over=parse_duration("500ms"))),
        ),
    )
}
"""Metrics every environment with an Envoy router has without being declared."""
