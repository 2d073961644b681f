"""Reading from a registry over HTTP: bounded answers, and errors in words without credentials."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from releasectl.errors import Denied, Unavailable

MAX_ANSWER_BYTES = 8 << 20
TIMEOUT_SECONDS = 20.0


class Web:
    """GET requests to one registry, called ``name`` in messages."""

    def __init__(self, name: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.name = name
        # A redirect could carry credentials to a host they are not meant for.
        self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=transport, follow_redirects=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(
        self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The whole answer, read no further than the limit. 401, 403, 404 and other 4xx are the caller's to judge."""
        async with self._stream(url, params, headers) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise Unavailable(f"{self.name} answered with more than {MAX_ANSWER_BYTES >> 20} MiB")
            return httpx.Response(response.status_code, headers=response.headers, content=_plain(response, body))

    async def digest(self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int) -> tuple[str, int]:
        """``sha256:`` digest and length in bytes of what stands at a URL, without keeping it."""
        async with self._stream(url, None, headers) as response:
            if response.status_code != httpx.codes.OK:
                raise self.refused(response.status_code)
            seen, length = hashlib.sha256(), 0
            async for chunk in response.aiter_bytes():
                seen.update(chunk)
                length += len(chunk)
                if length > max_bytes:
                    raise Unavailable(f"{self.name} holds a file of more than {max_bytes >> 20} MiB")
            return f"sha256:{seen.hexdigest()}", length

    def json(self, response: httpx.Response) -> dict[str, Any]:
        """The JSON object in an answer."""
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Unavailable(f"{self.name} answered with status {response.status_code} and no JSON object")
        return answer

    def refused(self, status: int) -> Denied | Unavailable:
        """The error for a status that nothing can be done with."""
        if status in (401, 403):
            return Denied(f"{self.name} refuses the credentials (status {status})", hint="see its tokenVariable")
        return Unavailable(f"{self.name} answered with status {status}")

    @asynccontextmanager
    async def _stream(
        self, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> AsyncIterator[httpx.Response]:
        try:
            async with self._client.stream("GET", url, params=params, headers=headers) as response:
                if response.status_code in (429, 503):
                    raise Unavailable(f"{self.name} is overloaded (status {response.status_code})")
                yield response
        except httpx.TimeoutException as error:
            raise Unavailable(f"{self.name} did not answer within {TIMEOUT_SECONDS:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{self.name} cannot be reached ({type(error).__name__})") from error


def bearer(variable: str | None, name: str) -> dict[str, str]:
    """Headers with the token of an environment variable; none where no variable is named."""
    if variable is None:
        return {}
    token = os.environ.get(variable, "").strip()
    if not token:
        raise Denied(f"the environment variable {variable} holds no token for {name}", hint=f"set {variable}")
    return {"authorization": f"Bearer {token}"}


def host_of(url: str) -> str:
    """Host and port of a URL, for messages."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _plain(response: httpx.Response, body: bytearray) -> bytes:
    """The body, decoded already: a second decoding must not be tried."""
    for header in ("content-encoding", "content-length", "transfer-encoding"):
        response.headers.pop(header, None)
    return bytes(body)
