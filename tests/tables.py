"""Route tables with sensible defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from releasectl.domain.assignment import Assignment
from releasectl.domain.decision import Allocation
from releasectl.domain.release import Route, Sticky
from releasectl.ports import Address, RouteTable

NOWHERE = Address("127.0.0.1", 9)


def a_table(
    release: str = "desk",
    *,
    shares: Mapping[str, int] | None = None,
    at: Mapping[str, Address] | None = None,
    sticky: Sticky | None = None,
    mirrors: Mapping[str, int] | None = None,
    assignment: Assignment | None = None,
    epoch: int = 1,
    backends: Mapping[str, Mapping[str, Address]] | None = None,
    **route: Any,
) -> RouteTable:
    """One release whose entry is ``sentiment``; ``at`` says where each variant of it listens."""
    at = at or {"stable": NOWHERE, "cand": NOWHERE}
    backends = backends or {variant: {"sentiment": address} for variant, address in at.items()}
    # A router looks for itself, so its tests give it names that no manifest gets through with.
    unchecked = {name: route.pop(name) for name in ("hosts", "prefix") if name in route}
    return RouteTable(
        release=release,
        epoch=epoch,
        route=Route(sticky=sticky, **route).model_copy(update=unchecked),
        entry="sentiment",
        shares=Allocation(shares=dict(shares or {"stable": 10_000})),
        backends=backends,
        tags={variant: f"tag{variant[:4]}" for variant in backends},
        mirrors=mirrors or {},
        assignment=assignment,
    )
