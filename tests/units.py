"""Units as applications know them: plain, accented, long, with what headers may hold."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import releasectl.assignment

_JAVASCRIPT = """
let text = "";
process.stdin.on("data", part => text += part).on("end", () => {
  const { units, document, now } = JSON.parse(text);
  console.log(JSON.stringify(units.map(unit => assign(unit, document, now))));
});
"""


def some_units(count: int) -> list[str]:
    """Every seventh is not ASCII, every thirteenth longer than a block of the hash."""
    return [
        f"user-{i}" + ("-é世" if i % 7 == 0 else "") + ("x" * (i % 97) if i % 13 == 0 else "") for i in range(count)
    ]


def assigned_by_javascript(units: Sequence[str], document: Mapping[str, Any], now: float) -> list[str]:
    """What the function in the module's docstring answers under Node; ``now`` is in seconds."""
    _, _, text = (releasectl.assignment.__doc__ or "").partition("JavaScript::\n")
    program = text.replace("\\\\0", "\\0") + _JAVASCRIPT
    question = json.dumps({"units": units, "document": document, "now": now * 1000})
    done = subprocess.run(["node", "-e", program], input=question, capture_output=True, check=True, encoding="utf-8")
    answers: list[str] = json.loads(done.stdout)
    return answers
