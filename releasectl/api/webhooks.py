"""``POST /v1/hooks/{forge}``: a forge tells that something happened, and whoever waits for it is woken.

Contract:
- a request without a good signature gets 401 and learns nothing more; its body is read only if it brings one;
- whatever a good signature brings is answered with 2xx, so that the forge does not give the hook up: events that
  nothing depends on, deliveries seen before and old ones are ignored, and the answer says so;
- a delivery counts once, by the forge's name for it and by its content, because the name is not signed;
- bodies, their number at a time, and the time they may take are bounded.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from releasectl.api.answers import failure, on_bug, on_http_exception
from releasectl.api.hook_events import FORGES, HookEvent, delivery_of, event_of
from releasectl.api.hook_signatures import is_genuine, is_signed

log = structlog.get_logger(__name__)

PATH = "/v1/hooks/{forge}"
MAX_BODY_BYTES = 2 << 20
MAX_AGE = timedelta(minutes=10)
"""An event that tells its time and is older wakes nobody: what it tells of has been seen by polling since."""
REMEMBERED = 4096
"""Deliveries that are remembered, each by its name and its content."""
QUIET = timedelta(minutes=1)
"""Between two warnings of one kind about requests that were refused; all of them are counted."""
_AT_ONCE = 16
_READ_SECONDS = 10.0


class Webhooks:
    """The endpoint. Without secrets there is none: every request gets 404."""

    def __init__(
        self,
        secrets: Sequence[str],
        told: Callable[[HookEvent], None],
        registry: CollectorRegistry,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """``told`` is called with each event that is new and genuine; it must not block.

        Any of ``secrets`` may have signed, so that one can be replaced by another without a gap.
        """
        self._secrets = tuple(secrets)
        self._told = told
        self._now = now
        self._max_body_bytes = max_body_bytes
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._reading = 0
        self._warned_at: dict[int, datetime] = {}
        self._count = Counter(
            "releasectl_webhooks", "Requests to the webhooks, by what became of them", ["outcome"], registry=registry
        )

    @property
    def route(self) -> Route:
        return Route(PATH, self.post, methods=["POST"])

    async def post(self, request: Request) -> Response:
        """202 with what became of it; 401, 404, 413, 503, or 400 for signed nonsense."""
        forge = request.path_params["forge"]
        if not self._secrets or forge not in FORGES:
            return failure(404, "no such webhook", hint="run with --webhook-secret-variable; " + ", ".join(FORGES))
        if not is_signed(forge, request.headers):
            return self._refused(401, "no signature")
        if self._reading >= _AT_ONCE:
            return self._refused(503, "too many requests at once", {"retry-after": "1"})
        self._reading += 1
        try:
            async with asyncio.timeout(_READ_SECONDS):
                body = await self._body(request)
        except (TimeoutError, ClientDisconnect):
            return self._refused(408, "the body did not come in time")
        finally:
            self._reading -= 1
        if body is None:
            return self._refused(413, f"the body is larger than {self._max_body_bytes} bytes")
        if not is_genuine(forge, request.headers, body, self._secrets, self._now()):
            return self._refused(401, "no signature")
        return self._take(forge, request, body)

    def _take(self, forge: str, request: Request, body: bytes) -> Response:
        if not request.headers.get("content-type", "").startswith("application/json"):
            return self._refused(415, "the hook must send application/json")
        if self._seen_before(forge, delivery_of(forge, request.headers), body):
            return self._ignored("seen before")
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            return self._refused(400, "the body is not JSON")
        event = event_of(forge, request.headers, payload)
        if event is None:
            return self._ignored("nothing depends on it")
        if event.at and abs(self._now() - event.at) > MAX_AGE:
            return self._ignored("too old")
        self._count.labels("taken").inc()
        log.debug("webhook", forge=forge, kind=event.kind.value, branch=event.branch, pull=event.pull)
        self._told(event)
        return JSONResponse({"taken": True}, status_code=202)

    def _seen_before(self, forge: str, delivery: str, body: bytes) -> bool:
        names = [f"{forge}:{hashlib.sha256(body).hexdigest()}"]
        if delivery:
            names.append(f"{forge}:{delivery[:200]}")
        known = any(name in self._seen for name in names)
        self._seen |= dict.fromkeys(names)
        while len(self._seen) > 2 * REMEMBERED:
            self._seen.popitem(last=False)
        return known

    async def _body(self, request: Request) -> bytes | None:
        """The body; None if it is too large, read no further than the limit whatever its length header says."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                return None
        return bytes(body)

    def _ignored(self, why: str) -> Response:
        self._count.labels(f"ignored: {why}").inc()
        return JSONResponse({"taken": False, "why": why}, status_code=202)

    def _refused(self, status: int, why: str, headers: dict[str, str] | None = None) -> Response:
        self._count.labels(f"refused: {status}").inc()
        now, before = self._now(), self._warned_at.get(status)
        # Anybody may knock; whoever set a hook up wrongly must still find out why nothing happens.
        if before is None or now - before >= QUIET:
            self._warned_at[status] = now
            log.warning("a webhook was refused", status=status, why=why)
        return failure(status, why, headers=headers)


def webhooks_app(webhooks: Webhooks) -> Starlette:
    """An application with nothing but webhooks, for a listener that others than this machine may reach."""
    return Starlette(routes=[webhooks.route], exception_handlers={HTTPException: on_http_exception, Exception: on_bug})
