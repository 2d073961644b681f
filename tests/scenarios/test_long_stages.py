"""A stage that lasts: its record stays small, and what was forgotten is not forgotten."""

from __future__ import annotations

import json

import pytest

from releasectl.controller import evidence
from tests.scenarios.world import World


async def test_many_looks_are_kept_as_folds_and_prove_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_BLOCKS", 4)
    world.add_candidate("2")
    await world.run_for(30)
    world.restart()
    await world.run_for(30)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    heads = world.person.fetch()
    path = f"releases/shop/decisions/{world.state().seq:06d}.json"
    entry = world.person.tree(heads.ledger or "")[path]
    observed = json.loads(world.person.read([entry.oid])[entry.oid])["given"]["observed"]
    assert len(observed["readings"]["error-rate"]["blocks"]) <= 5
    totals = next(iter(observed["folds"].values()))
    last = world.state().last
    assert last is not None
    assert totals["tried"][0] <= last.evidence[0].tried.trials
