"""Component processes for tests: a real HTTP server in one file of a few lines, and ones that misbehave."""

from __future__ import annotations

from collections.abc import Mapping

from releasectl.domain.release import Process
from releasectl.ports import Workload, WorkloadKey

GOOD = """
import http.server, json, os

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"pid": os.getpid(), "cwd": os.getcwd(), "env": dict(os.environ)}).encode()
        self.send_response(503 if os.path.exists(os.environ.get("SICK", "")) else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ[os.environ.get("NAMED", "PORT")])), Answer).serve_forever()
"""
NEVER_READY = "import time; print('loading for ever', flush=True); time.sleep(600)"
EXITS = "import sys; sys.exit('no such model')"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + GOOD
WITH_A_CHILD = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n" + GOOD
)


def a_workload(
    version: str = "1.0",
    code: str = GOOD,
    *,
    component: str = "sentiment",
    env: Mapping[str, str] | None = None,
    process_env: Mapping[str, str] | None = None,
    command: tuple[str, ...] | None = None,
    port_variable: str = "PORT",
    start_within: str = "20s",
) -> Workload:
    """One version of a component that is started as a Python process."""
    process = Process(
        command=command or ("python", "-c", code),
        env=dict(process_env or {}),
        port_variable=port_variable,
        start_within=start_within,  # type: ignore[arg-type]
    )
    return Workload(WorkloadKey("desk", component, version, f"sha256:{version}"), process=process, env=dict(env or {}))
