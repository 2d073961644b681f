"""The component ``language-id``: {"text": ...} to {"language": "es"}."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from desk.identifying import MODELS
from desk.serving import Answer, Headers, serve, text_of


def load(model: str) -> Answer:
    """The component with its model in memory."""
    identify = MODELS[model]()

    def answer(body: Mapping[str, Any], headers: Headers) -> Mapping[str, Any]:
        return {"language": identify(text_of(body))}

    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(MODELS), default="py3langid")
    chosen = parser.parse_args().model
    serve(f"language-id {chosen}", lambda: load(chosen))
