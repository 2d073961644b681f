"""A component of a graph, in the test's own event loop: it asks the next one and passes the headers on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from releasectl.ports import Address

PASSED_ON = ("x-releasectl-", "x-request-id")


@dataclass
class Relay:
    """Answers with its name and, after a blank, what the component at ``asks`` answered.

    What that one fails with, it fails with too. ``?wait=1`` in the path waits for ``go_on`` before asking.
    """

    name: str
    asks: str = ""
    fails_every: int = 0
    """Of so many requests it fails one by itself, without asking anybody; 0: none."""
    seen: list[str] = field(default_factory=list)
    """Paths as they were asked for."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(trust_env=False, timeout=20))

    @property
    def address(self) -> Address:
        assert self._server
        return Address(*self._server.sockets[0].getsockname()[:2])

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        await self._client.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.split("\r\n")
                headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines) if key}
                status, text = await self._answer(first.split(" ")[1], headers)
                body = text.encode()
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        self.seen.append(path)
        if self.fails_every and len(self.seen) % self.fails_every == 0:
            return 500, f"{self.name} fails"
        if "wait=1" in path:
            await self.go_on.wait()
        if not self.asks:
            return 200, self.name
        told = {key: value for key, value in headers.items() if key.startswith(PASSED_ON)}
        answer = await self._client.get(f"{self.asks}/", headers=told)
        if answer.is_error:
            return answer.status_code, answer.text
        found = answer.json()["name"] if answer.text.startswith("{") else answer.text
        return 200, f"{self.name} {found}"
