"""One module per kind of stage; the dict lists them. A new one is one module and one line here."""

from __future__ import annotations

from releasectl.strategies.abtest import abtest
from releasectl.strategies.approval import approval
from releasectl.strategies.bandit import bandit
from releasectl.strategies.base import Finish, Move, Proposal, Refuse, Situation, Strategy, Wait
from releasectl.strategies.canary import canary
from releasectl.strategies.shadow import shadow
from releasectl.strategies.watch import watch

STRATEGIES: dict[str, Strategy] = {
    "shadow": shadow,
    "canary": canary,
    "ab": abtest,
    "bandit": bandit,
    "approval": approval,
    "watch": watch,
}

__all__ = ["STRATEGIES", "Finish", "Move", "Proposal", "Refuse", "Situation", "Strategy", "Wait"]
