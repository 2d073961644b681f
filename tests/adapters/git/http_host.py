"""A real git server over HTTP on loopback: git's own http-backend behind Python's server.

It may want Basic credentials, and have troubles: be slow, answer with an error, take no pushes, or have somebody
come in between a controller's fetch and its push.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.adapters.git.hosts import ENV


@dataclass
class Trouble:
    """What is wrong with the host now. A test sets it, and takes it back, while the server runs."""

    status: int | None = None
    """Every request is answered with this."""
    delay: float = 0.0
    """Seconds before anything is answered."""
    read_only: bool = False
    """Pushes are answered with 403, in words of a host that archived the repository."""
    before_push: Callable[[], object] | None = None
    """Called once, when somebody wants to push and has not been told yet where the branches are."""
    in_push: Callable[[], object] | None = None
    """Called once, when a push has been told where the branches are and before its commits are taken."""


class _Handler(BaseHTTPRequestHandler):
    root: Path
    login: str | None = None
    seen: list[str]
    trouble: Trouble

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def log_message(self, format: str, *args: object) -> None:
        return

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _serve(self, body: bytes) -> None:
        self.seen.append(self.path)
        given = self.headers.get("Authorization", "")
        if self.login is not None and given != "Basic " + base64.b64encode(self.login.encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        if self._troubled(path, query):
            return
        env = {
            **ENV,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": (self.login or "tester").partition(":")[0],
            "REMOTE_ADDR": "127.0.0.1",
            "PATH": os.environ["PATH"],
        }
        out = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=False).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _troubled(self, path: str, query: str) -> bool:
        """Do what is wrong with the host; says whether the request is answered by that."""
        time.sleep(self.trouble.delay)
        if self.trouble.status is not None:
            return self._refuse(self.trouble.status, "come again later")
        if self.trouble.read_only and "git-receive-pack" in path + query:
            return self._refuse(403, "This repository was archived so it is read-only.")
        if query == "service=git-receive-pack" and (comes_before := self.trouble.before_push):
            self.trouble.before_push = None
            comes_before()
        if path.endswith("/git-receive-pack") and (comes_between := self.trouble.in_push):
            self.trouble.in_push = None
            comes_between()
        return False

    def _refuse(self, status: int, words: str) -> bool:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(words.encode())
        return True


class HttpHost:
    """Where it listens, what it was asked for, and what is wrong with it."""

    def __init__(self, base: str, asked: list[str], trouble: Trouble) -> None:
        self.base = base
        self.asked = asked
        self.trouble = trouble

    def url(self, repository: str, login: str = "") -> str:
        scheme, _, rest = self.base.partition("://")
        return f"{scheme}://{login + '@' if login else ''}{rest}/{repository}"


@contextmanager
def serve(root: Path, login: str | None = None) -> Iterator[HttpHost]:
    """Serve the repositories below a folder."""
    asked: list[str] = []
    trouble = Trouble()
    handler = type("Handler", (_Handler,), {"root": root, "login": login, "seen": asked, "trouble": trouble})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield HttpHost(f"http://127.0.0.1:{server.server_address[1]}", asked, trouble)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
