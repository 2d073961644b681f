"""One module per kind of stage; the dict lists them. A new one is one module and one line here."""

from __future__ import annotations

from releasectl.strategies.base import Proposal, Strategy
from releasectl.strategies.canary import canary

STRATEGIES: dict[str, Strategy] = {"canary": canary}

__all__ = ["STRATEGIES", "Proposal", "Strategy"]
