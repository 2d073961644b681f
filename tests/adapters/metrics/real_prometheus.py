"""A real Prometheus that scrapes targets whose counters a test sets, once a second."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests.adapters.metrics.real_envoy import eventually, free_port


class Target:
    """A process with two counters for each arm. ``restart`` sets them to nothing, as a restarted process does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, str], int] = {}
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = target.text().encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def add(self, variant: str, ok: int, failed: int = 0, release: str = "desk") -> None:
        with self._lock:
            for code, count in (("200", ok), ("500", failed)):
                if count:
                    key = (release, variant, code)
                    self._counts[key] = self._counts.get(key, 0) + count

    def restart(self) -> None:
        with self._lock:
            self._counts.clear()

    def text(self) -> str:
        with self._lock:
            return "".join(
                f'requests_total{{release="{release}",variant="{variant}",code="{code}"}} {count}\n'
                for (release, variant, code), count in self._counts.items()
            )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class RealPrometheus:
    """One server with its data in a temporary directory."""

    def __init__(self, directory: Path, targets: list[Target]) -> None:
        binary = shutil.which("prometheus")
        assert binary, "these tests need Debian's package prometheus: apt-get install prometheus"
        self.url = f"http://127.0.0.1:{free_port()}"
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {"job_name": "desk", "static_configs": [{"targets": [target.address for target in targets]}]}
            ],
        }
        file = directory / "prometheus.yml"
        file.write_text(json.dumps(config))
        self._log = (directory / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                binary,
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
            stdout=self._log,
            stderr=self._log,
        )
        eventually(lambda: httpx.get(self.url + "/-/ready").status_code == 200, what="a ready Prometheus")

    def value(self, query: str) -> float | None:
        result = httpx.get(self.url + "/api/v1/query", params={"query": query}).json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
