"""Plans for pull requests, made in a process of their own: ``python -m releasectl.cli.planner SECONDS``.

It reads a merge a line and answers with its plan. What it plans was written by anybody who may open a pull request,
so it has limits of its own for time and memory, gives way to everything else on the machine, and knows no secret: it
reads the mirror and nothing more.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from releasectl.adapters.git.clone import Clone
from releasectl.adapters.worker import TookTooLong, Worker
from releasectl.errors import Denied, ReleasectlError, Unavailable
from releasectl.preview.document import Plan
from releasectl.pulls.check import Merge, plan_of

SECONDS = 60.0
"""That a plan may take. One of ten thousand releases takes one or two."""
MOST_MEMORY = 2 << 30
MODULE = "releasectl.cli.planner"
_LOW = 10
_AGAIN = "ask for it again with `/releasectl plan`"


class Planner:
    """A ``pulls.check.Planner`` over the mirror in a folder."""

    def __init__(self, mirror: Path, *, seconds: float = SECONDS, module: str = MODULE) -> None:
        self._mirror = mirror
        self._seconds = seconds
        self._worker = Worker(module, (str(seconds),), seconds=seconds)

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._worker.pid

    async def __call__(self, merge: Merge) -> Plan:
        """Raises Denied for what is more than is checked or planned, Unavailable where it may go well next time."""
        asked = {**asdict(merge), "at": merge.at.isoformat(), "mirror": str(self._mirror)}
        try:
            answer: dict[str, Any] = json.loads(await self._worker.ask(json.dumps(asked).encode()))
        except TookTooLong as fault:
            raise Denied(f"its plan takes more than {self._seconds:g} s", hint=_AGAIN) from fault
        except ReleasectlError as fault:
            raise Unavailable(f"no plan was made: {fault.message}", hint=fault.hint) from fault
        if "plan" in answer:
            return Plan.model_validate_json(answer["plan"])
        family = Denied if answer["kind"] == "denied" else Unavailable
        raise family(answer["message"], hint=answer["hint"])

    async def close(self) -> None:
        """End the process."""
        await self._worker.close()


def main() -> None:
    """Answer until nobody asks any more."""
    seconds = float(sys.argv[1])
    os.nice(_LOW)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    clones: dict[str, Clone] = {}
    for line in sys.stdin.buffer:
        # Whoever asks ends this process earlier than that; without him it must not go on for ever.
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds)
        answer = json.dumps(_answer(json.loads(line), clones))
        sys.stdout.buffer.write(answer.encode() + b"\n")
        sys.stdout.buffer.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(asked: dict[str, Any], clones: dict[str, Clone]) -> dict[str, Any]:
    mirror = asked.pop("mirror")
    try:
        if mirror not in clones:
            clones[mirror] = Clone(Path(mirror))
        plan = plan_of(clones[mirror], Merge(**asked | {"at": datetime.fromisoformat(asked["at"])}))
        return {"plan": json.dumps(plan.model_dump(mode="json", by_alias=True))}
    except Denied as error:
        return {"kind": "denied", "message": error.message, "hint": error.hint}
    except ReleasectlError as error:
        return {"kind": "unavailable", "message": error.message, "hint": error.hint}
    except MemoryError:
        return {"kind": "denied", "message": f"its plan takes more than {MOST_MEMORY >> 30} GB of memory", "hint": ""}


if __name__ == "__main__":
    main()
