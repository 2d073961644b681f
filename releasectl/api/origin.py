"""Keeps web pages out: the API is for programs, and a browser on the same machine must not be used to reach it."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from releasectl.api.answers import failure

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SIGNED = "/v1/hooks/"
"""Comes from elsewhere, through a proxy with a name of its own; a signature says who sent it, not a name."""


class SameOrigin:
    """Refuses requests of other origins, and host names that are not ours: a page can make its own name point here.

    ``hosts`` None accepts any name, for a service that is reached through one.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None = LOOPBACK) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse."""
        asked = scope["type"] == "http" and not scope["path"].startswith(_SIGNED)
        refusal = self._refusal(Headers(scope=scope)) if asked else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await failure(403, refusal)(scope, receive, send)

    def _refusal(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if self._hosts is not None and urlsplit(f"//{host}").hostname not in self._hosts:
            return "the request names a host that is not this one"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "requests of other origins are not answered"
        return None
