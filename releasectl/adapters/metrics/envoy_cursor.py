"""From one scrape to the next: the cursor of a metric and what a later scrape adds to it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from releasectl.adapters.metrics.counters import InvalidCount
from releasectl.adapters.metrics.envoy_process import Life
from releasectl.adapters.metrics.envoy_totals import Scrape, Totals, totals
from releasectl.adapters.traffic.envoy_names import parse_cluster
from releasectl.domain.metric import EnvoyQuery


@dataclass(frozen=True)
class Cursor:
    """Totals of every cluster of ours, those of inner hops as well: one of them may be the entry tomorrow."""

    life: Life
    clusters: Mapping[str, Totals]

    def to_json(self, query: EnvoyQuery) -> dict[str, Any]:
        """Small JSON; the query is in it, because the totals of another query are of no use."""
        clusters = {name: list(total) for name, total in self.clusters.items()}
        return {"query": _spelled(query), "life": list(self.life), "clusters": clusters}


def from_json(data: Any, query: EnvoyQuery) -> Cursor | None:
    """The cursor, or None where the metric begins here: one of another query or of other software is none."""
    try:
        if data["query"] != _spelled(query):
            return None
        return Cursor(Life(*data["life"]), {name: Totals(*total) for name, total in data["clusters"].items()})
    except (KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class Seen:
    """What one query sees in a scrape."""

    clusters: Mapping[str, Totals]
    invalid: Mapping[str, str]
    """Cluster -> what is wrong with its values."""
    edges: tuple[float, ...] = ()
    """The histogram's edges, where the one that was asked for is not among them."""

    def fell(self, before: Cursor) -> bool:
        """Whether a total is smaller than it was: Envoy or that cluster began anew."""
        return any(
            _is_less(total, before.clusters[name]) for name, total in self.clusters.items() if name in before.clusters
        )


def see(scrape: Scrape, query: EnvoyQuery) -> Seen:
    """Totals of the clusters of ours."""
    clusters: dict[str, Totals] = {}
    invalid: dict[str, str] = {}
    edges: tuple[float, ...] = ()
    for name, tally in scrape.clusters.items():
        if parse_cluster(name) is None:
            continue
        try:
            clusters[name] = totals(tally, query)
        except InvalidCount as error:
            invalid[name] = str(error)
        except KeyError:
            edges = scrape.edges()
            break
    # Arms are compared with each other: where one of a release cannot be counted, none of it is.
    unwell = {_release(name) for name in invalid}
    return Seen({name: total for name, total in clusters.items() if _release(name) not in unwell}, invalid, edges)


def added(before: Cursor, seen: Seen, life: Life) -> Iterator[tuple[str, Totals]]:
    """What each cluster has counted since the cursor, where that is anything.

    Envoy leaves out what it never counted, so a cluster that was not there before has grown from 0; so has
    everything if another process answers.
    """
    restarted = life.identity != before.life.identity
    for name, now in seen.clusters.items():
        then = Totals(0, 0) if restarted else before.clusters.get(name, Totals(0, 0))
        new = now if _is_less(now, then) else Totals(now.trials - then.trials, now.events - then.events)
        if new.trials:
            yield name, new


def moved(before: Cursor | None, seen: Seen, life: Life) -> Cursor:
    """The cursor after a scrape. A release with invalid values keeps its place and is counted once it is well."""
    unwell = {_release(name) for name in seen.invalid}
    kept = {name: total for name, total in (before.clusters if before else {}).items() if _release(name) in unwell}
    return Cursor(life, {**kept, **seen.clusters})


def _release(cluster: str) -> str:
    return cluster.partition("/")[0]


def _is_less(now: Totals, then: Totals) -> bool:
    # Either one is enough: if only the errors fell, the trials have passed their old value since the restart.
    return now.trials < then.trials or now.events < then.events


def _spelled(query: EnvoyQuery) -> dict[str, Any]:
    return query.model_dump(mode="json", exclude_none=True)
