"""Metric and MetricSet: what is measured, and the query for each provider that can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from releasectl.domain.base import Duration, Model, Name, parse_duration
from releasectl.domain.parts import Dimension
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
    """Name of the outcome. For a proportion its value counts as an event when it is at least ``threshold``; a mean is
    that of its values."""
    threshold: float = 1.0
    """Of a proportion."""
    by: Dimension | None = None
    """Field of the predictions' ``segment``, such as ``language``: each of its values is counted apart, beside the
    whole. What the first prediction of a request to name it says, counts."""


class PairedQuery(Model):
    """From predictions posted to ``/v1/events``: requests that stable answered and a candidate got a copy of.

    Made from a shadow stage. A policy cannot use it: without the copies there is nothing to compare.
    """

    component: Name
    measure: Literal["agreement", "errors", "slower"] = "agreement"
    """What makes a pair an event: both answers are the same; only the candidate failed; it was slower."""
    field: str | None = None
    tolerance: float = 0.0
    than_ms: float = 0.0
    """By more than how many milliseconds the slower one must be so."""
    by: Dimension | None = None
    """Field of the predictions' ``segment``: each of its values is counted apart, beside the whole."""


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


STEPS = 1_000_000
"""Into so many steps the range of a mean's values is divided; sums are integers in steps."""


class Clip(Model):
    """The range of values; what lies outside counts as the nearer bound.

    One outlier would otherwise outweigh thousands of values, and there is no telling two means apart whose
    variances have no end. The mean of the clipped values is what is compared, for every variant alike. Take the
    bounds from the past (99.9 % of its values inside, say), not from the trial.
    """

    low: float = 0.0
    high: float

    @model_validator(mode="after")
    def _range(self) -> Clip:
        if self.high <= self.low:
            raise ValueError("clip: high must be above low")
        if max(abs(self.low), abs(self.high)) > 1000 * (self.high - self.low):
            raise ValueError("clip: the range is too narrow for values of this size; measure the distance from low")
        return self

    @property
    def step(self) -> float:
        """The size of a step in the metric's own unit."""
        return (self.high - self.low) / STEPS

    def steps(self, value: float) -> int:
        """The clipped value, in whole steps. ``value`` is finite."""
        return round(min(max(value, self.low), self.high) / self.step)


class Covariate(Model):
    """A number about each unit from before it got its variant, such as what it spent last month.

    What it explains of the values is taken off their variance (CUPED); the difference of the means stays what it
    is. It must not depend on the variant: a number that the variant itself has worked out would hide its effect.
    """

    feature: Annotated[str, Field(pattern=r'^[^"]+$')]
    """Name of a number in the ``features`` of the predictions. It alone of the features is kept."""
    clip: Clip
    missing: float = 0.0
    """What counts where a prediction does not have it."""


class Metric(Model):
    """One thing measured per variant."""

    name: Name
    description: str = ""
    kind: Literal["proportion", "mean"] = "proportion"
    """``proportion``: events among trials. ``mean``: the mean of one value per trial. Exact integers either way."""
    unit: str = ""
    """Of a mean: what its values are in, such as ``ms`` or ``EUR``; for people."""
    clip: Clip | None = None
    """Of a mean: the range of its values."""
    spread: Annotated[float, Field(gt=0)] | None = None
    """Of a mean: about how far its values lie from it (their standard deviation), as the past tells. Evidence is tuned
    to it: a wrong one costs samples and never makes a verdict wrong. By default a thirtieth of the range."""
    covariate: Covariate | None = None
    """Of a mean: what was known before and explains part of the values."""
    direction: Literal["lower", "higher"]
    """Which way is better."""
    maturity: Duration = parse_duration("0s")
    """Only exposures older than this count, for every variant alike."""
    stale_after: Duration = parse_duration("60s")
    """Data whose newest sample is older than this are stale."""
    query: Queries

    @model_validator(mode="after")
    def _of_its_kind(self) -> Metric:
        if self.kind == "proportion":
            given = [name for name in ("unit", "clip", "spread", "covariate") if getattr(self, name)]
            if given:
                raise ValueError(f"{given[0]} is for metrics of kind mean")
            return self
        if self.clip is None:
            raise ValueError("a mean needs clip: the range of its values, such as {low: 0, high: 500}")
        others = sorted(self.query.to_data().keys() - {"log"})
        if others:
            raise ValueError(f"a mean cannot be read from {others[0]}, which has counts only: use log")
        if self.query.log is not None and "threshold" in self.query.log.model_fields_set:
            raise ValueError("a mean has no threshold; leave it out, or make it a proportion")
        return self


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
