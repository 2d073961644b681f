"""Calls from one component to another: the address from the environment, the headers passed on.

The router matches inner hops by ``x-releasectl-variant``, so a component that drops the ``x-releasectl-*``
headers would mix variants inside one request.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from desk.serving import Headers, Refused

_TIMEOUT_S = 10.0


class Neighbour:
    """Another component of the release, found at ``$RELEASECTL_URL_<NAME>``; connections are kept per thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        url = os.environ.get("RELEASECTL_URL_" + name.upper().replace("-", "_"), "")
        self.is_known = bool(url)
        parts = urlsplit(url)
        self._host, self._path = parts.netloc, parts.path.rstrip("/") + "/"
        self._own = threading.local()

    def ask(self, body: Mapping[str, Any], headers: Headers) -> Mapping[str, Any]:
        """Its answer. Refused with 502 if it does not answer or answers no 200."""
        sent = {name: value for name, value in headers.items() if _is_passed_on(name.lower())}
        content = json.dumps(body, ensure_ascii=False).encode()
        try:
            status, answer = self._posted(content, {**sent, "content-type": "application/json"})
            if status == 200:
                return json.loads(answer)
        except (OSError, http.client.HTTPException, ValueError) as fault:
            raise Refused(502, f"{self.name} does not answer: {type(fault).__name__}") from fault
        raise Refused(502, f"{self.name} answered {status}")

    def _posted(self, content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        # The other side may have closed a connection that lay idle, so a kept one gets a second try.
        if (kept := getattr(self._own, "connection", None)) is not None:
            try:
                return self._exchange(kept, content, headers)
            except (OSError, http.client.HTTPException):
                self._drop()
        fresh = http.client.HTTPConnection(self._host, timeout=_TIMEOUT_S)
        try:
            return self._exchange(fresh, content, headers)
        except BaseException:
            fresh.close()
            self._drop()
            raise

    def _exchange(
        self, connection: http.client.HTTPConnection, content: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        connection.request("POST", self._path, content, dict(headers))
        response = connection.getresponse()
        answer = response.read()
        self._own.connection = connection
        return response.status, answer

    def _drop(self) -> None:
        if (kept := getattr(self._own, "connection", None)) is not None:
            kept.close()
        self._own.connection = None


def _is_passed_on(name: str) -> bool:
    return name == "x-request-id" or name.startswith("x-releasectl-")
