"""Prometheus' query API over samples that a test writes, with its own clock."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx

TRIALS, EVENTS = "requests_total", 'requests_total{code="500"}'


@dataclass
class FakePrometheus:
    """``samples`` is selector -> labels as JSON -> list of (time, value as text)."""

    time: float = 1_000.0
    samples: dict[str, dict[str, list[tuple[float, Any]]]] = field(default_factory=dict)
    answers: list[httpx.Response | Exception] = field(default_factory=list)
    """Given out first, one per request."""
    requests: list[httpx.Request] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)

    def put(self, selector: str, value: Any, at: float | None = None, **labels: str) -> None:
        labels = {"release": "desk", "variant": "stable", "instance": "a:1", "job": "desk"} | labels
        key = json.dumps({name: value for name, value in labels.items() if value}, sort_keys=True)
        self.samples.setdefault(selector, {}).setdefault(key, []).append((self.time if at is None else at, str(value)))

    def both(self, trials: Any, events: Any, at: float | None = None, **labels: str) -> None:
        self.put(TRIALS, trials, at, **labels)
        self.put(EVENTS, events, at, **labels)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        form = parse_qs(request.content.decode())
        query = form["query"][0]
        self.queries.append(query)
        if query == "time()":
            return _success("scalar", [self.time, str(self.time)])
        match = re.fullmatch(r"(.*)\[(\d+)s\]", query)
        assert match, query
        at = float(form["time"][0])
        return _success("matrix", self._matrix(match[1], at - int(match[2]), at))

    def _matrix(self, selector: str, start: float, end: float) -> list[dict[str, Any]]:
        found = []
        for labels, samples in self.samples.get(selector, {}).items():
            inside = [[at, value] for at, value in samples if start <= at <= end]
            if inside:
                found.append({"metric": json.loads(labels), "values": inside})
        return found


def _success(kind: str, result: Any) -> httpx.Response:
    return httpx.Response(200, json={"status": "success", "data": {"resultType": kind, "result": result}})
