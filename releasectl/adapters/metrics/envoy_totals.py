"""What Envoy has counted for each cluster, from one scrape of its Prometheus text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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

_CLUSTER = "envoy_cluster_name"
_EDGE = re.compile(rf'^{TIME_BUCKET}\{{.*\ble="([0-9.]+)"', re.MULTILINE)


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
    text: str

    def edges(self) -> tuple[float, ...]:
        """Every edge of the latency histogram, in milliseconds."""
        return tuple(sorted({float(edge) for edge in _EDGE.findall(self.text)}))


def read_scrape(text: str, queries: Iterable[EnvoyQuery]) -> Scrape:
    """Sort the samples that the queries need by cluster.

    ValueError if they are not an Envoy's: a page of something else is not "no data".
    """
    if text.strip() and "# TYPE envoy_" not in text:
        raise ValueError("not the statistics of an Envoy")
    edges = [f'le="{_written(limit_ms(query.over))}"' for query in queries if query.over is not None]
    names = {ANSWERS: (), UPTIME: ()} | ({TIMEOUTS: (), TIME_COUNT: (), TIME_BUCKET: edges} if edges else {})
    clusters: dict[str, Tally] = {}
    uptime = None
    for name, labels, value in parse(text, names):
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
    return Scrape(clusters, uptime, text)


def totals(tally: Tally, query: EnvoyQuery) -> Totals:
    """What a query sees of a cluster. InvalidCount for values that are no counts; KeyError for a strange edge.

    Trials are the sum of the classes that events are taken from, not a counter beside them: the workers count on
    while Envoy writes its answer, and no event must be seen without its trial.
    """
    if query.over is None:
        events = {"5"} if query.errors == "5xx" else {"4", "5"}
        counts = {status: whole(value) for status, value in tally.answers.items()}
        return Totals(sum(counts.values()), sum(count for status, count in counts.items() if status in events))
    return _slow(tally, limit_ms(query.over))


def limit_ms(over: timedelta) -> float:
    """A limit as the histogram's edges are given."""
    return over / timedelta(milliseconds=1)


def _written(edge: float) -> str:
    return str(int(edge)) if edge.is_integer() else repr(edge)


def _slow(tally: Tally, limit: float) -> Totals:
    # Envoy records no time for a request that it gave up on. Left out, a variant that hangs would look fast.
    timed, timeouts = whole(tally.timed), whole(tally.timeouts)
    within = whole(tally.within[limit]) if timed else 0
    return Totals(timed + timeouts, timed - within + timeouts)
