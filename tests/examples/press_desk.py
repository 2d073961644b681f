"""What the tests of the press desk share: its folder, its story, its component processes, a fake neighbour."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).parents[2] / "examples" / "press-desk"


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("press_desk_story", FOLDER / "story.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


story = _loaded()
# Under the name by which the example's other scripts import it, too.
sys.modules.setdefault("story", story)
sys.path.append(str(FOLDER))
# The story makes the components' modules importable; tests take them from here, so that the order of imports is safe.
import ocr  # noqa: E402
import record  # noqa: E402
import scanning  # noqa: E402
from desk import events, identifying, lexicon, lines, ngrams, wording  # noqa: E402

__all__ = ["events", "identifying", "lexicon", "lines", "ngrams", "ocr", "record", "scanning", "story", "wording"]


@contextlib.contextmanager
def component(tmp_path: Path, *command: str, **env: str) -> Iterator[str]:
    """The address of a component's process that is ready; it is stopped in the end, and must stop well."""
    log = tmp_path / f"{len(list(tmp_path.iterdir()))}.log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RELEASECTL_")}
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *command],
            cwd=FOLDER,
            env={**inherited, "PORT": "0", "OMP_NUM_THREADS": "1", **env},
            stderr=stderr,
        )
    try:
        yield _ready(process, log)
    finally:
        process.terminate()
        assert process.wait(10) == 0, log.read_text()


def post(address: str, body: object, headers: Mapping[str, str] | None = None) -> tuple[int, Any, Mapping[str, str]]:
    """Status, JSON body and headers of the answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _asked(address, "POST", "/", content, headers or {})


def get(address: str, path: str) -> tuple[int, Any, Mapping[str, str]]:
    """Status, JSON body and headers of the answer."""
    return _asked(address, "GET", path, None, {})


@contextlib.contextmanager
def listener(answer: object) -> Iterator[tuple[str, list[tuple[Mapping[str, str], Any]]]]:
    """A server that answers every POST the same; its URL, and the headers and bodies that it got."""
    got: list[tuple[Mapping[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", got
        finally:
            server.shutdown()


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"listening on http://(127\.0\.0\.1:\d+)", log.read_text())
        if found and get(found[1], "/healthz")[0] == 200:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"not ready: {log.read_text()}")


def _asked(
    address: str, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
) -> tuple[int, Any, Mapping[str, str]]:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(method, path, content, dict(headers))
        response = connection.getresponse()
        return response.status, json.loads(response.read()), dict(response.getheaders())
    finally:
        connection.close()
