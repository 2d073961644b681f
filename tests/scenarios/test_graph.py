"""A graph of two components: a verdict holds for the neighbours it was measured with.

The rates are assumed, after the press desk's story on small print: wrong labels, by the versions of ``ocr`` and
``sentiment`` that meet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from releasectl.domain.decision import EffectiveState
from tests.scenarios.world import POLICY, World

RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: NAME}
spec:
  environment: local
  components:
    - name: ocr
      versions:
        - {name: "1.0", run: {command: [ocr, "1"]}}
        - {name: "2.0", run: {command: [ocr, "2"]}}
    - name: sentiment
      after: [ocr]
      versions:
        - {name: "1.0", run: {command: [sentiment, "1"]}}
        - {name: "2.0", run: {command: [sentiment, "2"]}}
  stable: {ocr: "1.0", sentiment: "1.0"}
  strategy: [{type: canary, steps: [10, 50], interval: 10s}]
  policy: careful
"""
WRONG = {"1.0+1.0": 0.10, "2.0+1.0": 0.30, "1.0+2.0": 0.09, "2.0+2.0": 0.09}
PATH = "releases/shop.yaml"


class GraphWorld(World):
    """A world whose users notice which versions answered together."""

    def _learn(self, states: Mapping[str, EffectiveState]) -> None:
        for name, state in states.items():
            for variant in state.variants.values():
                self.users.versions[name, variant.tag] = "+".join(one.name for one in variant.versions.values())

    def try_out(self, name: str, versions: str) -> None:
        """A person's commit that puts a candidate into the manifest."""
        block = f"  candidates:\n    - {{name: {name}, versions: {{{versions}}}}}\n"
        self.replace(PATH, "  strategy:", block + "  strategy:")

    async def settle(self, decisions: int) -> None:
        """Passes until so many more decisions are recorded and nothing is on trial."""
        wanted = len(self.decisions()) + decisions
        await self.run_until(
            lambda: len(self.decisions()) >= wanted and self.state().progress is None, every=2.0, at_most=240
        )


def _world(folder: Path, policy: str) -> GraphWorld:
    world = GraphWorld(folder, template=RELEASE, policy=policy)
    world.users.error_rates = dict(WRONG)
    return world


@pytest.fixture(params=["artifact", "combination"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GraphWorld]:
    """Adopted; OCR 2.0 was rolled back beside sentiment 1.0, and sentiment 2.0 is promoted."""
    world = _world(tmp_path, POLICY + f"  quarantine: {request.param}\n")
    await world.run_pass()
    await world.run_pass()
    world.try_out("sharper", 'ocr: "2.0"')
    await world.settle(2)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    world.try_out("letters", 'sentiment: "2.0"')
    await world.settle(3)
    assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
    yield world
    world.close()


def _scope(world: GraphWorld) -> str:
    return world.read("policies/careful.yaml").rpartition("quarantine: ")[2].strip()


async def test_what_was_rolled_back_passes_once_the_graph_around_it_has_changed_where_the_policy_says_so(
    world: GraphWorld,
) -> None:
    (held,) = world.state().quarantine
    assert {name: one.version for name, one in held.combination.items()} == {"ocr": "2.0", "sentiment": "1.0"}
    assert world.status().stale == ("ocr 2.0 was measured with sentiment 1.0; the graph has changed since",)
    world.try_out("sharper", 'ocr: "2.0"')
    if _scope(world) == "combination":
        await world.settle(3)
        assert world.reasons()[-1] == "PROMOTE EvidenceSufficient"
        assert 'stable: {ocr: "2.0", sentiment: "2.0"}' in world.read(PATH)
    else:
        await world.run_for(10)
        assert world.condition() == "Quarantined"
        condition = world.status().condition
        assert condition is not None and condition.message.endswith(
            "ocr 2.0 was measured with sentiment 1.0; the graph has changed since"
        )
    world.check()


async def test_the_combination_that_was_measured_stays_held(tmp_path: Path) -> None:
    world = _world(tmp_path, POLICY + "  quarantine: combination\n")
    await world.run_pass()
    await world.run_pass()
    world.try_out("sharper", 'ocr: "2.0"')
    await world.settle(2)
    assert world.status().stale == ()
    world.try_out("again", 'ocr: "2.0"')
    await world.run_for(5)
    assert world.condition() == "Quarantined"
    world.close()


async def test_a_neighbour_changed_by_a_person_starts_the_trial_again_without_the_old_evidence(tmp_path: Path) -> None:
    world = _world(tmp_path, POLICY)
    world.users.error_rates["2.0+1.0"] = 0.10
    await world.run_pass()
    await world.run_pass()
    world.try_out("sharper", 'ocr: "2.0"')
    await world.run_for(8)
    before = world.state()
    assert before.progress is not None
    world.replace(PATH, 'sentiment: "1.0"}\n  cand', 'sentiment: "2.0"}\n  cand')
    await world.run_for(4)
    state = world.state()
    assert world.reasons()[-3:] == [
        "ROLLBACK CandidateWithdrawn",
        "REALLOCATE StableChanged",
        "ADVANCE CandidateStarted",
    ]
    assert state.quarantine == ()
    assert state.folds == {} and state.progress is not None
    assert state.progress.first_epoch > before.progress.first_epoch
    assert state.variants["sharper"].versions["sentiment"].name == "2.0"
    world.close()
