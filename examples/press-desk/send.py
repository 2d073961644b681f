"""Readers of scans: send them to the desk and say, a moment later, whether the labels were right.

    python send.py http://127.0.0.1:PORT/ http://127.0.0.1:PORT/v1/events --seconds 300

The first address is the release's, the second the controller's, as `releasectl status` and `releasectl run` tell
them. Needs Pillow and Debian's fonts-dejavu-core, for the scans are drawn here.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from scanning import MIX, PRINTS, Scan, scans
from story import OUTCOME, judge

_TIMEOUT_S = 60.0
_MOST = 100_000


class Reader:
    """Sends scans and tells outcomes, one at a time; several threads may share one."""

    def __init__(self, entry_url: str, events_url: str) -> None:
        self._entry_url = entry_url
        self._events_url = events_url
        self.seen: Counter[tuple[str, str, str]] = Counter()
        """Answers by variant, print, and ``right``, ``wrong`` or ``failed``."""

    def read(self, scan: Scan) -> None:
        """Send a scan, wait for its label, tell what a reader thinks of it."""
        request_id = uuid.uuid4().hex
        status, answer, variant = self._asked(scan, request_id)
        is_right = judge(answer, scan.line)
        self.seen[variant, scan.print, "right" if is_right else "wrong" if status == 200 else "failed"] += 1
        self._tell([_outcome(request_id, OUTCOME, float(is_right))])

    def _asked(self, scan: Scan, request_id: str) -> tuple[int, object, str]:
        """Status, body and variant; 0 without an answer."""
        body = json.dumps({"image": scan.image}).encode()
        headers = {"content-type": "application/json", "x-request-id": request_id, "x-desk-print": scan.print}
        try:
            with urllib.request.urlopen(_post(self._entry_url, body, headers), timeout=_TIMEOUT_S) as response:
                return response.status, json.load(response), response.headers.get("x-releasectl-variant", "?")
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, None, error.headers.get("x-releasectl-variant", "?")
        except OSError:
            return 0, None, "?"

    def _tell(self, events: list[Mapping[str, Any]]) -> None:
        headers = {"content-type": "application/cloudevents-batch+json"}
        try:
            with urllib.request.urlopen(_post(self._events_url, json.dumps(events).encode(), headers), timeout=10):
                pass
        except OSError as fault:
            print(f"an opinion got lost: {fault}", file=sys.stderr)


def _post(url: str, body: bytes, headers: dict[str, str]) -> urllib.request.Request:
    return urllib.request.Request(url, data=body, headers=headers, method="POST")


def _outcome(request_id: str, name: str, value: float) -> Mapping[str, Any]:
    return {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "source": "/readers",
        "type": "dev.releasectl.outcome",
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {"request_id": request_id, "metric": name, "value": value},
    }


def send(reader: Reader, *, seconds: float, threads: int, seed: int, mix: Mapping[str, int]) -> None:
    """Scans, one after the other in each thread, until the time is up."""
    until = time.monotonic() + seconds
    stream = scans(seed, _MOST, mix)
    with ThreadPoolExecutor(threads) as pool:
        while time.monotonic() < until:
            # Drawn here and not in the threads: a generator has one reader.
            for done in [pool.submit(reader.read, scan) for _, scan in zip(range(4 * threads), stream, strict=False)]:
                done.result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entry", help="the release's address")
    parser.add_argument("events", help="the controller's /v1/events")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(PRINTS), help="one print; left out: the mix of the desk")
    chosen = parser.parse_args()
    desk = Reader(chosen.entry, chosen.events)
    try:
        send(
            desk,
            seconds=chosen.seconds,
            threads=chosen.threads,
            seed=chosen.seed,
            mix={chosen.only: 1} if chosen.only else MIX,
        )
    finally:
        for (variant, print_, how), count in sorted(desk.seen.items()):
            print(f"{variant:12} {print_:6} {how:7} {count}")
