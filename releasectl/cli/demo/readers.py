"""The desk's readers: bounded requests over HTTP on loopback, and what they think of the answers, later."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx

REQUESTS_PER_SECOND = 90
MOST_SECONDS = 150
MOST_WAITING = 64
OPINION_SECONDS = (0.5, 2.0)
"""How long a reader takes to say whether an answer was right."""


class Readers:
    """Sends each line once, at a steady rate, and posts an outcome for it. Ends by itself at MOST_SECONDS."""

    def __init__(self, story: Any, entry_url: str, events_url: str) -> None:
        self._story = story
        self._entry_url = entry_url
        self._events_url = events_url
        self._random = random.Random(1)  # noqa: S311
        self._lines: Iterator[Any] = story.lines(11, REQUESTS_PER_SECOND * MOST_SECONDS)
        self._opinions: list[tuple[float, dict[str, Any]]] = []
        self.answered: Counter[str] = Counter()
        """Requests by variant."""
        self.failed: Counter[str] = Counter()
        """Requests answered with an error, by variant."""

    async def read(self, stop: asyncio.Event) -> None:
        """Send until told to stop, or until there are no more lines."""
        limits = httpx.Limits(max_connections=MOST_WAITING)
        async with httpx.AsyncClient(timeout=10.0, limits=limits, trust_env=False) as client:
            posting = asyncio.create_task(self._post_opinions(client))
            asking: set[asyncio.Task[None]] = set()
            loop = asyncio.get_running_loop()
            due = loop.time()
            for line in self._lines:
                if stop.is_set():
                    break
                if len(asking) < MOST_WAITING:
                    task = asyncio.create_task(self._ask(client, line))
                    asking.add(task)
                    task.add_done_callback(asking.discard)
                due += 1 / REQUESTS_PER_SECOND
                await asyncio.sleep(max(0.0, due - loop.time()))
            await asyncio.gather(*asking)
            posting.cancel()
            await asyncio.gather(posting, return_exceptions=True)

    async def _ask(self, client: httpx.AsyncClient, line: Any) -> None:
        try:
            response = await client.post(self._entry_url, json=self._story.request_of(line))
        except httpx.HTTPError:
            self.failed["(no answer)"] += 1
            return
        variant = response.headers.get("x-releasectl-variant", "?")
        self.answered[variant] += 1
        if response.status_code >= 500:
            self.failed[variant] += 1
        answer = response.json() if response.headers.get("content-type", "").startswith("application/json") else None
        self._think(response.headers.get("x-request-id"), self._story.judge(answer, line))

    def _think(self, request: str | None, right: bool) -> None:
        if request is None:
            return
        ready = asyncio.get_running_loop().time() + self._random.uniform(*OPINION_SECONDS)
        event = {
            "specversion": "1.0",
            "id": f"opinion-{request}",
            "source": "/press-desk/readers",
            "type": "dev.releasectl.outcome",
            "datacontenttype": "application/json",
            "data": {
                "request_id": request,
                "metric": self._story.OUTCOME,
                "value": 1.0 if right else 0.0,
                "source": "person",
            },
        }
        self._opinions.append((ready, event))

    async def _post_opinions(self, client: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0.2)
            now = loop.time()
            ready = [event for at, event in self._opinions if at <= now]
            if not ready:
                continue
            self._opinions = [(at, event) for at, event in self._opinions if at > now]
            said = datetime.now(UTC).isoformat()
            for event in ready:
                event["time"] = said
                event["data"]["observed_at"] = said
            try:
                headers = {"content-type": "application/cloudevents-batch+json"}
                answer = await client.post(self._events_url, json=ready, headers=headers)
                answer.raise_for_status()
            except httpx.HTTPError:
                # A controller that is busy or restarting: readers say it again.
                self._opinions += [(now + 0.5, event) for event in ready]
