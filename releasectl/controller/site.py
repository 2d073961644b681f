"""A site: the router, the runner and the metric sources of one environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from releasectl.domain.decision import EffectiveState
from releasectl.domain.environment import Environment
from releasectl.domain.metric import Metric
from releasectl.ports import MetricSource, Served, TrafficRouter, WorkloadKey, WorkloadRunner, WorkloadStatus


@dataclass(frozen=True)
class Site:
    """Everything outside that releases of one environment use."""

    environment: Environment
    router: TrafficRouter
    runner: WorkloadRunner
    sources: Sequence[MetricSource]
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that every process gets."""

    def source_of(self, metric: Metric) -> MetricSource | None:
        """The first source, in the environment's order, that the metric has a query for."""
        for source in self.sources:
            if getattr(metric.query, source.kind, None) is not None:
                return source
        return None


@dataclass(frozen=True)
class SiteView:
    """What was seen of a site in one pass."""

    statuses: Mapping[WorkloadKey, WorkloadStatus] = field(default_factory=dict)
    served: Mapping[str, Served] = field(default_factory=dict)
    router_fault: str = ""
    """Why the router could not be asked; empty when it answered."""


def is_served(state: EffectiveState, served: Served) -> bool:
    """Whether what a router serves is what was decided last, copies included."""
    copies = {name: points for name, points in state.mirrors.items() if points}
    return served.epoch == state.epoch and state.allocation.same_as(served.shares) and served.mirrors == copies


SiteFactory = Callable[[Environment, Callable[[str], str | None]], Site]
"""Builds the site of an environment; the second argument tells the entry component of a release."""
