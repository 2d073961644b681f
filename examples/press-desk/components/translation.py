"""The component ``translation``: {"text": ..., "language": ...} to {"text": English}, by Debian's Apertium.

Everything but English is taken for Spanish: language identification calls some Spanish lines Galician or
Aragonese, and the desk reads no other language.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from desk.serving import Answer, Headers, Refused, serve, text_of

_LIMIT_S = 10


def load() -> Answer:
    """The component; RuntimeError where Apertium is not installed."""
    if not shutil.which("apertium"):
        raise RuntimeError("apertium is missing: apt-get install apertium apertium-eng-spa")

    def answer(body: Mapping[str, Any], headers: Headers) -> Mapping[str, Any]:
        text = text_of(body)
        return {"text": text if body.get("language") == "en" else translated(text)}

    return answer


def translated(text: str) -> str:
    """Spanish to English, unknown words as they are; 502 when Apertium fails."""
    try:
        done = subprocess.run(
            ["apertium", "-u", "spa-eng"], input=text.encode(), capture_output=True, timeout=_LIMIT_S, check=True
        )
    except subprocess.SubprocessError as fault:
        raise Refused(502, f"apertium: {type(fault).__name__}") from fault
    return done.stdout.decode(errors="replace").strip()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    serve("translation", load)
