"""Prediction events: told to ``$RELEASECTL_EVENTS_URL`` in the background, in batches of CloudEvents.

The answer to the user never waits for them and never fails with them: the queue is bounded, what does not
fit is dropped and counted, a batch that cannot be delivered is tried once more and then dropped.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from desk.serving import Headers, say

TYPE = "dev.releasectl.prediction"
_BATCH = 200
_EVERY_S = 0.25
_TIMEOUT_S = 3.0
Event = Mapping[str, Any]


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
        "variant": headers.get("x-releasectl-variant"),
        "component": component,
        "version": os.environ.get("RELEASECTL_VERSION"),
        "allocation_id": headers.get("x-releasectl-allocation"),
        "propensity": _number(headers.get("x-releasectl-propensity")),
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
    """Sends events from a thread of its own; does nothing without ``$RELEASECTL_EVENTS_URL``."""

    def __init__(self, size: int = 5_000) -> None:
        self._url = os.environ.get("RELEASECTL_EVENTS_URL", "")
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
            if not (self._delivered(batch) or self._delivered(batch)):
                self.dropped += len(batch)
                say("events", f"{self.dropped} dropped so far")

    def _delivered(self, batch: list[Event]) -> bool:
        """Whether the batch arrived. One that was refused counts as arrived: sending it again is no help."""
        request = urllib.request.Request(
            self._url,
            data=json.dumps(batch, ensure_ascii=False).encode(),
            headers={"content-type": "application/cloudevents-batch+json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                response.read()
        except urllib.error.HTTPError as refusal:
            say("events", f"{self._url} answered {refusal.code}")
            return refusal.code < 500
        except OSError:
            return False
        return True


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
