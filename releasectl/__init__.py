"""releasectl: a declarative GitOps release controller for machine-learning models.

One direction of flow::

    git --> manifests --> observe --> evaluate --> decide --> plan --> act --> record --> git

The middle (evaluate, decide, plan) is pure: it takes the time and every number as arguments, so equal
inputs give equal decisions on any machine. Effects live in ``adapters`` and their order in ``controller``.
Layers, upper may import lower (checked by import-linter)::

    cli > api > controller | adapters > plan > decide > strategies > evaluate
        > manifests | stats > ports > domain > errors
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `releasectl.assign(unit, document)` for applications, loaded when it is first asked for.
    if name != "assign":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from releasectl.assignment import assign

    return assign
