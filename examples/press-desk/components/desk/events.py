"""Prediction events: told to ``$RELEASECTL_EVENTS_URL`` in the background, in batches of CloudEvents.

The answer to the user never waits for them and never fails with them: the queue is bounded, what does not
fit is dropped and counted. A batch that does not arrive is tried once more; one that is refused is taken
apart, since the receiver takes a batch whole or not at all.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from desk.serving import Headers, say

TYPE = "dev.releasectl.prediction"
_BATCH = 200
_EVERY_S = 0.25
_TIMEOUT_S = 3.0
Event = Mapping[str, Any]
Number = TypeVar("Number", int, float)


def prediction(
    *,
    component: str,
    headers: Headers,
    latency_ms: float,
    status: int,
    output: Mapping[str, Any],
    segment: Mapping[str, str],
    unit: str | None = None,
) -> Event:
    """One CloudEvents 1.0 event about one answer, in structured JSON form."""
    data = {
        "request_id": headers.get("x-request-id") or uuid.uuid4().hex,
        "unit": unit,
        "release": os.environ.get("RELEASECTL_RELEASE"),
        "variant": headers.get("x-releasectl-variant") or "stable",
        "component": component,
        "version": os.environ.get("RELEASECTL_VERSION"),
        "allocation_id": _number(headers.get("x-releasectl-allocation"), int),
        "propensity": _number(headers.get("x-releasectl-propensity"), float),
        "mirrored": headers.get("x-releasectl-mirror") == "1" or None,
        "latency_ms": round(latency_ms, 3),
        "status": status,
        "output": output,
        "segment": segment,
    }
    return {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "source": f"/components/{component}",
        "type": TYPE,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {key: value for key, value in data.items() if value is not None},
    }


class Reporter:
    """Sends events from a thread of its own; does nothing where no controller has started the process."""

    def __init__(self, size: int = 5_000) -> None:
        # An event without its release would be refused.
        self._url = os.environ.get("RELEASECTL_EVENTS_URL", "") if os.environ.get("RELEASECTL_RELEASE") else ""
        self._waiting: queue.Queue[Event] = queue.Queue(size)
        self.dropped = 0
        if self._url:
            threading.Thread(target=self._run, daemon=True).start()

    def report(self, event: Event) -> None:
        """Queue it, or count it as dropped; returns at once."""
        if not self._url:
            return
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            time.sleep(_EVERY_S)
            with contextlib.suppress(queue.Empty):
                while len(batch) < _BATCH:
                    batch.append(self._waiting.get_nowait())
            self._deliver(batch)

    def _deliver(self, batch: list[Event]) -> None:
        status = self._posted(batch) or self._posted(batch)
        if 400 <= status < 500 and len(batch) > 1:
            for event in batch:
                self._deliver([event])
        elif not 200 <= status < 300:
            self.dropped += len(batch)
            say("events", f"{self._url} answered {status or 'nothing'}; {self.dropped} dropped so far")

    def _posted(self, batch: list[Event]) -> int:
        """The answer's status; 0 without an answer."""
        request = urllib.request.Request(
            self._url,
            data=json.dumps(batch, ensure_ascii=False).encode(),
            headers={"content-type": "application/cloudevents-batch+json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                response.read()
                return int(response.status)
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return refusal.code
        except (OSError, http.client.HTTPException):
            return 0


def _number(text: str | None, kind: Callable[[str], Number]) -> Number | None:
    try:
        return kind(text) if text else None
    except ValueError:
        return None
