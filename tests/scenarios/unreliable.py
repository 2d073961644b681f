"""A planner's process that hangs or dies over the pull requests that a test names, and plans all others."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from releasectl.cli import planner


def main() -> None:
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        # Beside the mirror: head -> what is to happen.
        fate = json.loads(Path(asked["mirror"]).with_name("fates.json").read_text()).get(asked["head"])
        if fate == "hang":
            time.sleep(600)
        elif fate == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        sys.stdout.buffer.write(json.dumps(planner._answer(asked, {})).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
