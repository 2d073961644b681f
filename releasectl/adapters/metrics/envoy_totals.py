"""What Envoy has counted for each cluster, from one scrape of its Prometheus text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from releasectl.adapters.metrics.counters import whole
from releasectl.adapters.metrics.exposition import parse
from releasectl.domain.metric import EnvoyQuery

ANSWERS = "envoy_cluster_upstream_rq_xx"
TIMEOUTS = "envoy_cluster_upstream_rq_timeout"
TIME_BUCKET = "envoy_cluster_upstream_rq_time_bucket"
TIME_COUNT = "envoy_cluster_upstream_rq_time_count"
UPTIME = "envoy_server_uptime"

_NAMES = frozenset({ANSWERS, TIMEOUTS, TIME_BUCKET, TIME_COUNT, UPTIME})
_CLUSTER = "envoy_cluster_name"


class Totals(NamedTuple):
    """Trials and events since the process started."""

    trials: int
    events: int


@dataclass
class Tally:
    """The numbers of one cluster that a query may need."""

    answers: dict[str, float] = field(default_factory=dict)
    """By class of status. Those that Envoy gave itself are among them: 503 unreachable, 504 timed out."""
    timed: float = 0.0
    """Requests that were answered and so have a time."""
    within: dict[float, float] = field(default_factory=dict)
    """Of those, how many took at most so many milliseconds."""
    timeouts: float = 0.0
    """Requests that Envoy gave up waiting for; they have no time."""


@dataclass(frozen=True)
class Scrape:
    """All of one answer."""

    clusters: Mapping[str, Tally]
    uptime: float | None


def read_scrape(text: str) -> Scrape:
    """Sort the samples by cluster. ValueError if it is not an Envoy's: a page of something else is not "no data"."""
    if text.strip() and "# TYPE envoy_" not in text:
        raise ValueError("not the statistics of an Envoy")
    clusters: dict[str, Tally] = {}
    uptime = None
    for name, labels, value in parse(text, _NAMES):
        if name == UPTIME:
            uptime = value
            continue
        tally = clusters.setdefault(labels.get(_CLUSTER, ""), Tally())
        if name == ANSWERS:
            tally.answers[labels.get("envoy_response_code_class", "")] = value
        elif name == TIME_BUCKET:
            tally.within[float(labels.get("le", "nan"))] = value
        elif name == TIME_COUNT:
            tally.timed = value
        else:
            tally.timeouts = value
    return Scrape(clusters, uptime)


def totals(tally: Tally, query: EnvoyQuery) -> Totals:
    """What a query sees of a cluster. InvalidCount for values that are no counts; KeyError for a strange edge.

    Trials are the sum of the classes that events are taken from, not a counter beside them: the workers count on
    while Envoy writes its answer, and no event must be seen without its trial.
    """
    if query.over is None:
        events = {"5"} if query.errors == "5xx" else {"4", "5"}
        counts = {status: whole(value) for status, value in tally.answers.items()}
        return Totals(sum(counts.values()), sum(count for status, count in counts.items() if status in events))
    return _slow(tally, query.over / timedelta(milliseconds=1))


def _slow(tally: Tally, limit_ms: float) -> Totals:
    # Envoy records no time for a request that it gave up on. Left out, a variant that hangs would look fast.
    timed, timeouts = whole(tally.timed), whole(tally.timeouts)
    within = whole(tally.within[limit_ms]) if timed else 0
    return Totals(timed + timeouts, timed - within + timeouts)
