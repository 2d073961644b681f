"""The routes. ``create_app`` is given everything it shows and everything it stores into.

==============================  ==============================================================================
``POST /v1/events``             predictions and outcomes as CloudEvents; 202 with the number taken
``GET /v1/releases[/{name}]``   the read model, release by release
``GET /v1/releases/{name}/assignment``
                                which variant a unit has, for ``releasectl.assign``; of a sticky release only
``GET /v1/status``              all of it, as ``releasectl status -o json`` prints it
``GET /healthz``, ``/readyz``   the process lives; it has done a pass and reaches its repository
``GET /metrics``                Prometheus text
``/v1/releases/{name}/pairs``, ``review``, ``labels``
                                what a shadow compares, and blind review: see ``releasectl.api.review``
``POST /v1/hooks/{forge}``      a forge tells that something happened: see ``releasectl.api.webhooks``
==============================  ==============================================================================
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from releasectl.api.answers import failure, on_bug, on_http_exception
from releasectl.api.cloudevents import BadBody, read_body
from releasectl.api.events import Rejected, read_events
from releasectl.api.origin import LOOPBACK, SameOrigin
from releasectl.api.review import Desk, review_routes
from releasectl.api.webhooks import Webhooks
from releasectl.errors import Unavailable
from releasectl.ports import EventSink

MAX_BODY_BYTES = 1 << 20
_MAX_WAITING = 64
"""Requests that may wait for the store at once; more are told to come again."""


def create_app(
    *,
    events: EventSink,
    releases: Callable[[], Mapping[str, Any]],
    status: Callable[[], str | None] = lambda: None,
    assignment: Callable[[str], Mapping[str, Any] | None] = lambda _: None,
    not_ready: Callable[[], Sequence[str]],
    registry: CollectorRegistry,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    hosts: Collection[str] | None = LOOPBACK,
    max_body_bytes: int = MAX_BODY_BYTES,
    webhooks: Webhooks | None = None,
    desk: Desk | None = None,
) -> Starlette:
    """The application.

    ``releases`` gives the read model, JSON values by name; ``status`` the whole report as JSON text.
    ``assignment`` gives a release's document for ``releasectl.assign``, None where units do not stick.
    ``not_ready`` gives what is missing for readiness, a sentence each; none means ready. Counters of events are
    added to ``registry``. ``hosts`` are the names under which requests may address it, None any.
    """
    taking = _Events(events, registry, now, max_body_bytes)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        missing = not_ready()
        if missing:
            return failure(503, "not ready: " + "; ".join(missing), headers={"retry-after": "1"})
        return JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def list_releases(_: Request) -> Response:
        return JSONResponse({"releases": dict(releases())})

    async def report(_: Request) -> Response:
        text = status()
        return Response(text, media_type="application/json") if text else failure(503, "no pass has been made yet")

    async def one_release(request: Request) -> Response:
        name = request.path_params["name"]
        known = releases()
        if name not in known:
            return failure(404, f"no release {name!r}", hint="GET /v1/releases lists them")
        return JSONResponse(known[name])

    async def its_assignment(request: Request) -> Response:
        name = request.path_params["name"]
        document = assignment(name)
        if document is None:
            return failure(404, f"no release {name!r} that keeps units on their variant", hint="see spec.route.sticky")
        return JSONResponse(document, headers={"cache-control": "no-store"})

    return Starlette(
        routes=[
            Route("/v1/events", taking.post, methods=["POST"]),
            Route("/v1/status", report),
            Route("/v1/releases", list_releases),
            Route("/v1/releases/{name}", one_release),
            Route("/v1/releases/{name}/assignment", its_assignment),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            *([webhooks.route] if webhooks else ()),
            *(review_routes(desk) if desk else ()),
        ],
        middleware=[Middleware(SameOrigin, hosts=hosts)],
        exception_handlers={HTTPException: on_http_exception, Exception: on_bug},
    )


class _Events:
    """``POST /v1/events``: checks a request whole, stores it whole, counts what was taken and refused."""

    def __init__(
        self, sink: EventSink, registry: CollectorRegistry, now: Callable[[], datetime], max_body_bytes: int
    ) -> None:
        self._sink = sink
        self._now = now
        self._max_body_bytes = max_body_bytes
        self._waiting = 0
        self._taken = Counter("releasectl_events_taken", "Events taken, by type", ["type"], registry=registry)
        self._refused = Counter(
            "releasectl_events_refused", "Events or requests refused, by reason", ["reason"], registry=registry
        )

    async def post(self, request: Request) -> Response:
        """202 with counts; 400 names each bad event, 413 and 415 the request; 503 asks to come again."""
        try:
            body = await self._body(request)
            taken = read_events(read_body(request.headers, body), self._now())
        except BadBody as error:
            self._refused.labels(error.reason).inc()
            return failure(error.status, str(error))
        except Rejected as error:
            for problem in error.problems:
                self._refused.labels(problem.reason).inc()
            return failure(
                400,
                str(error),
                hint="nothing was stored; repair them and send all again",
                problems=[asdict(problem) for problem in error.problems],
            )
        try:
            new = await self._append(taken.predictions, taken.outcomes)
        except Unavailable as error:
            self._refused.labels("busy").inc(len(taken.types))
            seconds = math.ceil(error.retry_after.total_seconds()) if error.retry_after else 1
            return failure(503, error.message, headers={"retry-after": str(max(1, seconds))})
        for kind, count in Tally(taken.types).items():
            self._taken.labels(kind).inc(count)
        return JSONResponse({"accepted": len(taken.types), "new": new}, status_code=202)

    async def _append(self, predictions: Sequence[Any], outcomes: Sequence[Any]) -> int:
        if not predictions and not outcomes:
            return 0
        if self._waiting >= _MAX_WAITING:
            raise Unavailable("too many requests wait for the event log")
        self._waiting += 1
        try:
            return await run_in_threadpool(self._sink.append, predictions, outcomes)
        finally:
            self._waiting -= 1

    async def _body(self, request: Request) -> bytes:
        """The body, read no further than the limit, whatever its length header says."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise BadBody(f"the body is larger than {self._max_body_bytes} bytes", status=413, reason="size")
        return bytes(body)
