"""A model server of a few lines: answers 200 or, at a given rate, 500, and can be poisoned while it runs.

``python component.py RATE [FILE]``: the share of requests answered with an error; once FILE exists, the rate
that it holds. ``/healthz`` is always well and says the pid. The first error is noted beside FILE, with its time.
"""

from __future__ import annotations

import http.server
import os
import random
import sys
import time
from pathlib import Path

RATE = float(sys.argv[1])
POISON = Path(sys.argv[2]) if len(sys.argv) > 2 else None
CHANCE = random.Random(1)


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        rate = 0.0 if self.path.startswith("/healthz") else _rate()
        status = 500 if CHANCE.random() < rate else 200
        if status == 500 and POISON and POISON.exists():
            _note(POISON.with_suffix(".first"))
        body = str(os.getpid()).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def _rate() -> float:
    if POISON is None or not POISON.exists():
        return RATE
    return float(POISON.read_text() or RATE)


def _note(path: Path) -> None:
    if not path.exists():
        path.write_text(repr(time.time()))


Server(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
