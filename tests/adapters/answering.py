"""A worker for tests: echoes, and hangs, dies or tells what it knows when it is asked to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    for line in sys.stdin:
        word = line.strip()
        if word == "hang":
            # What it started must end with it.
            child = subprocess.Popen(["sleep", "600"])
            Path(sys.argv[1]).write_text(str(child.pid))
            time.sleep(600)
        elif word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "environment":
            print(json.dumps(dict(os.environ)), flush=True)
        else:
            print(f"{word} {os.getpid()}", flush=True)


if __name__ == "__main__":
    main()
