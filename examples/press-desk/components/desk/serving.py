"""A component's HTTP server: JSON in, JSON out, ready only once its model is loaded.

``GET /healthz`` answers 503 until then and 200 afterwards; ``POST /`` hands the body to the component and
answers what it returns. A fault of the component is a 500 for that request and nothing else. HTTP/1.1
with connections kept alive; listens on 127.0.0.1 at ``$PORT`` (0 or none: a free one, told on stderr).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Headers = Mapping[str, str]
Answer = Callable[[Mapping[str, Any], Headers], Mapping[str, Any]]
"""Request body and headers to response body. ``Refused`` becomes a 4xx or 5xx, anything else a 500."""
MAX_BODY = 16_000_000
REQUEST_ID = "x-request-id"
"""The header that the answer repeats, so that a client can name the request it tells the outcome of."""


class Refused(Exception):
    """The request cannot be answered: an HTTP status and a sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def serve(name: str, load: Callable[[], Answer]) -> None:
    """Listen, load the model, answer until SIGTERM or SIGINT. Requests before the model is there get 503."""
    server = _Server(("127.0.0.1", int(os.environ.get("PORT", "0"))), _Handler)
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop that this handler interrupts, so it needs a thread of its own.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    threading.Thread(target=_load, args=(server, name, load), daemon=True).start()
    say(name, f"listening on http://127.0.0.1:{server.server_port}")
    with server:
        server.serve_forever(poll_interval=0.1)
    say(name, "stopped")


def say(name: str, what: str) -> None:
    """One line to stderr."""
    print(f"{name}: {what}", file=sys.stderr, flush=True)


def _load(server: _Server, name: str, load: Callable[[], Answer]) -> None:
    began = time.monotonic()
    try:
        server.answer = load()
    except Exception as fault:
        say(name, f"cannot load its model: {fault!r}")
        os._exit(1)
    say(name, f"ready after {time.monotonic() - began:.1f} s")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    answer: Answer | None = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: headers and body leave in one packet
    server: _Server

    def do_GET(self) -> None:
        if self.path != "/healthz":
            self._reply(404, {"error": f"nothing at {self.path}"})
        elif self.server.answer is None:
            self._reply(503, {"status": "loading"})
        else:
            self._reply(200, {"status": "ready"})

    def do_POST(self) -> None:
        try:
            self._reply(200, self._answered())
        except Refused as refused:
            self._reply(refused.status, {"error": str(refused)})
        except Exception as fault:
            say("fault", repr(fault))
            self._reply(500, {"error": f"internal error: {type(fault).__name__}"})

    def _answered(self) -> Mapping[str, Any]:
        body = self._body()
        if self.server.answer is None:
            raise Refused(503, "the model is still loading")
        return self.server.answer(body, self.headers)

    def _body(self) -> Mapping[str, Any]:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            raise Refused(411 if not length.isdecimal() else 413, "give a content-length of 16 MB at most")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except ValueError:
            raise Refused(400, "the body is no JSON") from None
        if not isinstance(body, dict):
            raise Refused(400, "the body is no JSON object")
        return body

    def _reply(self, status: int, body: Mapping[str, Any]) -> None:
        content = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if request_id := self.headers.get(REQUEST_ID):
            self.send_header(REQUEST_ID, request_id)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """No line per request: at hundreds a second it would be most of the work."""


def text_of(body: Mapping[str, Any]) -> str:
    """The request's ``text``."""
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        raise Refused(400, 'give a text: {"text": "..."}')
    return text
