"""Tiny HTTP backends and a fast client, in the test's own event loop."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from releasectl.ports import Address


@dataclass
class Seen:
    """A request as a backend saw it."""

    path: str
    headers: dict[str, str]


@dataclass
class Backend:
    """Answers every request with its name, the path and the headers it saw.

    ``?ms=300`` in the path delays the answer; ``status`` is what it answers. ``terse`` answers with an empty
    body and remembers nothing, for load.
    """

    name: str
    status: int = 200
    terse: bool = False
    seen: list[Seen] = field(default_factory=list)
    _server: asyncio.Server | None = None

    @property
    def address(self) -> Address:
        assert self._server
        return Address(*self._server.sockets[0].getsockname()[:2])

    async def __aenter__(self) -> Backend:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Answering(self), "127.0.0.1", 0, backlog=1024)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None


class _Answering(asyncio.Protocol):
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._buffer = b""
        self._later: set[asyncio.TimerHandle] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        for handle in self._later:
            handle.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if self._backend.terse:
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            return
        first, *lines = head.decode().split("\r\n")
        path = first.split(" ")[1]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self._backend.seen.append(Seen(path, headers))
        body = json.dumps({"name": self._backend.name, "path": path, "headers": headers}).encode()
        answer = f"HTTP/1.1 {self._backend.status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        delay = float(parse_qs(urlsplit(path).query).get("ms", ["0"])[0]) / 1000
        if delay:
            self._later.add(asyncio.get_running_loop().call_later(delay, self._transport.write, answer))
        else:
            self._transport.write(answer)


async def count_variants(port: int, path: str, requests: int, *, connections: int = 32) -> Counter[str]:
    """Send so many requests, some connections at a time, and count the variants that the answers name."""
    loop = asyncio.get_running_loop()
    counts: Counter[str] = Counter()
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()
    shares = [requests // connections + (index < requests % connections) for index in range(connections)]
    askers = [_Asking(request, share, counts) for share in shares if share]
    for asker in askers:
        await loop.create_connection(lambda asker=asker: asker, "127.0.0.1", port)
    await asyncio.gather(*(asker.done for asker in askers))
    return counts


class _Asking(asyncio.Protocol):
    """Keeps one connection busy; answers without a body only."""

    def __init__(self, request: bytes, left: int, counts: Counter[str]) -> None:
        self._request = request
        self._left = left
        self._counts = counts
        self._buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("closed before the last answer"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n"):
            return
        assert self._buffer.startswith(b"HTTP/1.1 200"), self._buffer
        _, found, rest = self._buffer.partition(b"x-releasectl-variant: ")
        assert found, self._buffer
        self._counts[rest.partition(b"\r\n")[0].decode()] += 1
        self._buffer = b""
        self._left -= 1
        if self._left:
            self._transport.write(self._request)
        else:
            self.done.set_result(None)
            self._transport.close()
