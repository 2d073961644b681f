"""Raw samples from a Prometheus-compatible HTTP API: two queries per metric, whatever the number of releases."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import httpx

from releasectl.adapters.metrics.prometheus_api import PrometheusApi, Series
from releasectl.adapters.metrics.prometheus_count import Counted, Cursor, count, stale
from releasectl.domain.metric import Metric, PrometheusQuery
from releasectl.domain.observation import ReadState
from releasectl.errors import Denied, Unavailable
from releasectl.ports import SourceReading

LOOKBACK_SECONDS = 300.0
"""How far the first read looks for series that are there already: as far as Prometheus itself does."""
STEP_SECONDS = 600.0
"""The most that one read catches up after a pause."""
OVERLAP_SECONDS = 30.0
"""How far a read looks back behind the one before, for samples that were stored late; none counts twice."""


class PrometheusSource:
    """Counters of every release and variant by their labels.

    Windows are in the provider's time, so that our clock does not matter. After a pause each read catches up by
    ``STEP_SECONDS`` at most; until it has, the data are as old as they are, and stale if the metric says so.
    """

    kind = "prometheus"

    def __init__(
        self,
        url: str,
        *,
        timeout: timedelta = timedelta(seconds=5),
        token_variable: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._api = PrometheusApi(url, timeout=timeout, token_variable=token_variable, transport=transport)
        self._quiet_until: datetime | None = None
        self._asked_for_quiet = ""

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def read(
        self, metrics: Sequence[Metric], cursors: Mapping[str, Any], now: datetime
    ) -> Mapping[str, SourceReading]:
        """See the port. A provider that asked for quiet gets it."""
        asked = [
            _Question(metric.name, metric.query.prometheus, metric.stale_after, cursors.get(metric.name))
            for metric in metrics
            if metric.query.prometheus is not None
        ]
        if not asked:
            return {}
        if self._quiet_until is not None and now < self._quiet_until:
            return {question.name: question.failed(self._asked_for_quiet) for question in asked}
        try:
            there = await self._api.time()
        except (Unavailable, Denied) as error:
            self._heed(error, now)
            return {question.name: question.failed(error.message) for question in asked}
        readings = await self._read(asked, there)
        for reading in readings.values():
            if isinstance(reading, Unavailable | Denied):
                self._heed(reading, now)
        return {
            question.name: question.failed(answer.message)
            if isinstance(answer := readings[question.name], Unavailable | Denied)
            else answer
            for question in asked
        }

    async def _read(self, asked: Sequence[_Question], there: float) -> dict[str, SourceReading | Unavailable | Denied]:
        # All trials before any events: what the events saw may be more, never less.
        trials = await self._ask({question: question.query.trials for question in asked}, there)
        alive = [question for question in asked if not isinstance(trials[question.name], Exception)]
        events = await self._ask({question: question.query.events for question in alive}, there)
        readings: dict[str, SourceReading | Unavailable | Denied] = {}
        for question in asked:
            seen, hit = trials[question.name], events.get(question.name, ())
            if isinstance(seen, Unavailable | Denied):
                readings[question.name] = seen
            elif isinstance(hit, Unavailable | Denied):
                readings[question.name] = hit
            else:
                readings[question.name] = question.answered(seen, hit, there)
        return readings

    async def _ask(
        self, selectors: Mapping[_Question, str], there: float
    ) -> dict[str, tuple[Series, ...] | Unavailable | Denied]:
        """The series of each question; metrics that share a selector and a range share the request."""
        wanted = {question: (selector, *question.window(there)) for question, selector in selectors.items()}
        requests = list(dict.fromkeys(wanted.values()))
        answers = await asyncio.gather(*(self._samples(*request) for request in requests))
        found = dict(zip(requests, answers, strict=True))
        return {question.name: found[request] for question, request in wanted.items()}

    async def _samples(self, selector: str, at: float, seconds: int) -> tuple[Series, ...] | Unavailable | Denied:
        try:
            return await self._api.samples(selector, at, seconds)
        except (Unavailable, Denied) as error:
            return error

    def _heed(self, error: Unavailable | Denied, now: datetime) -> None:
        if isinstance(error, Unavailable) and error.retry_after is not None:
            self._quiet_until = now + error.retry_after
            self._asked_for_quiet = error.message


@dataclass(frozen=True, eq=False)
class _Question:
    """One metric of a read."""

    name: str
    query: PrometheusQuery
    stale_after: timedelta
    unmoved: Any
    """The cursor as it was handed in."""

    @cached_property
    def cursor(self) -> Cursor | None:
        """The cursor, unless it is one of another query or of other software."""
        try:
            known = self.unmoved["query"] == self.query.model_dump(mode="json")
            return Cursor.from_json(self.unmoved) if known else None
        except (KeyError, TypeError, AttributeError):
            return None

    def window(self, there: float) -> tuple[float, int]:
        """Time of evaluation, and seconds before it."""
        before = self.cursor
        if before is None:
            return there, math.ceil(LOOKBACK_SECONDS)
        at = min(there, before.at + STEP_SECONDS)
        return at, math.ceil(max(0.0, at - before.at) + OVERLAP_SECONDS)

    def answered(self, trials: Sequence[Series], events: Sequence[Series], there: float) -> SourceReading:
        """The reading of a provider that answered."""
        counted = count(self.query, trials, events, self.cursor, at=self.window(there)[0])
        seen = counted.cursor.newest or counted.faults
        return SourceReading(
            state=ReadState.OK if seen else ReadState.NO_DATA,
            detail="" if seen else self._nothing(counted),
            increments=counted.increments,
            cursor={"query": self.query.model_dump(mode="json"), **counted.cursor.to_json()},
            faults={**stale(counted.cursor, there, self.stale_after), **counted.faults},
        )

    def failed(self, message: str) -> SourceReading:
        """The reading when the provider did not answer."""
        return SourceReading(ReadState.PROVIDER_ERROR, message, cursor=self.unmoved)

    def _nothing(self, counted: Counted) -> str:
        if counted.unlabelled:
            labels = f"{self.query.release_label} and {self.query.variant_label}"
            return f"{counted.unlabelled} series match, but none has both labels {labels}"
        return f"no series matches {self.query.trials}"
