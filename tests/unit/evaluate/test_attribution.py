"""Which component a harm at the entry comes from, from exact counts of a made-up graph.

A request goes through three components, ``sentiment`` at the entry, which asks ``translation``, which asks ``ocr``.
Each fails by itself at a rate, and passes on every failure of what it asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pytest

from releasectl.domain.metric import BUILT_IN
from releasectl.domain.observation import Block, Counts, Observation, Reading, ReadState
from releasectl.domain.parts import COMPONENT, Part, part_name
from releasectl.domain.release import STABLE, Variant, Version
from releasectl.evaluate.components import Graph, fold_components
from releasectl.evaluate.evaluation import Evaluation, evaluate
from tests.builders import NOW, a_policy

CHAIN = ("ocr", "translation", "sentiment")
"""In the order in which they answer."""
EDGES: Mapping[str, tuple[str, ...]] = {"sentiment": ("translation",), "translation": ("ocr",), "ocr": ()}
SOUND = {"ocr": 0.01, "translation": 0.01, "sentiment": 0.01}
METRIC = BUILT_IN["error-rate"]


def a_graph(*changed: str) -> Graph:
    """``next`` brings version 2 of some components."""

    def variant(name: str, versions: Mapping[str, str]) -> Variant:
        made = {one: Version(name=version, address=f"{one}{version}:1") for one, version in versions.items()}
        return Variant(name=name, versions=made)

    stable = dict.fromkeys(CHAIN, "1")
    return Graph(
        "sentiment",
        EDGES,
        {STABLE: variant(STABLE, stable), "next": variant("next", stable | dict.fromkeys(changed, "2"))},
    )


def answers(rates: Mapping[str, float], n: int, rng: np.random.Generator) -> dict[str, Counts]:
    """Counts of each component for so many requests."""
    found, failed = {}, 0
    for name in CHAIN:
        failed += int(rng.binomial(n - failed, rates[name]))
        found[name] = Counts(trials=n, events=failed)
    return found


def readings(
    tried: Mapping[str, float], *, looks: int = 20, stable: Mapping[str, float] | None = None, seed: int = 5
) -> dict[str, Reading]:
    """The entry's blocks and those of the components behind it."""
    rng = np.random.default_rng(seed)
    blocks: dict[str, list[Block]] = {name: [] for name in CHAIN}
    for look in range(looks):
        arms = {STABLE: answers(stable or SOUND, 200, rng), "next": answers({**SOUND, **tried}, 50, rng)}
        end = NOW + timedelta(seconds=look)
        for name in CHAIN:
            counts = {variant: found[name] for variant, found in arms.items()}
            blocks[name].append(Block(start_at=end - timedelta(seconds=1), end_at=end, epoch=2, arms=counts))
    return {
        METRIC.name if name == "sentiment" else part_name(METRIC.name, Part(COMPONENT, name)): Reading(
            state=ReadState.OK, blocks=tuple(found)
        )
        for name, found in blocks.items()
    }


def judged(graph: Graph | None, given: Mapping[str, Reading]) -> Evaluation:
    return evaluate(
        policy=a_policy().spec,
        metrics=dict(BUILT_IN),
        candidates=("next",),
        folds={},
        observed=Observation(readings=given),
        epoch=2,
        graph=graph,
    )


class Case(NamedTuple):
    id: str
    tried: Mapping[str, float]
    changed: Sequence[str]
    component: str | None
    says: str


CASES = [
    Case("the first one fails, and all above it pass it on", {"ocr": 0.3}, ["ocr"], "ocr", "it begins in ocr 2: by "),
    Case("one in the middle fails", {"translation": 0.3}, ["translation"], "translation", "it begins in translation 2"),
    Case("the entry fails by itself", {"sentiment": 0.3}, ["sentiment"], "sentiment", "it begins in sentiment 2"),
    Case(
        "of two that changed the one that fails is named",
        {"translation": 0.3},
        ["ocr", "translation"],
        "translation",
        "it begins in translation 2",
    ),
    Case(
        "a version that did not change fails on what a changed one gives it",
        {"sentiment": 0.3},
        ["ocr"],
        "sentiment",
        "that version did not change, what it gets from ocr did",
    ),
    Case(
        "a version that did not change fails on what a changed one asks it",
        {"ocr": 0.3},
        ["sentiment"],
        "ocr",
        "that version did not change, what it is asked by sentiment did",
    ),
    Case(
        "the one that moved more comes first",
        {"ocr": 0.1, "translation": 0.3},
        ["ocr", "translation"],
        "translation",
        "; ocr 2 moved as well",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_harm_is_traced_to_the_component_that_fails_by_itself(case: Case) -> None:
    (row,) = judged(a_graph(*case.changed), readings(case.tried)).evidence
    assert row.attribution is not None
    assert row.attribution.component == case.component
    assert case.says in row.attribution.sentence
    assert row.attribution.changed == tuple(name for name in CHAIN if name in case.changed)


def test_a_sentence_has_the_components_own_numbers_and_their_interval() -> None:
    (row,) = judged(a_graph("ocr"), readings({"ocr": 0.3})).evidence
    assert row.attribution is not None
    (ocr,) = [one for one in row.attribution.movements if one.component == "ocr"]
    assert (ocr.stable_trials, ocr.tried_trials) == (4_000, 1_000)
    assert ocr.lower is not None and ocr.upper is not None and ocr.lower < 0.29 < ocr.upper
    shown = f"{100 * ocr.tried_bad / 1_000:.3g} % of 1000 against {100 * ocr.stable_bad / 4_000:.3g} % of 4000"
    assert shown in row.attribution.sentence
    assert f"(interval {100 * ocr.lower:+.3g} to {100 * ocr.upper:+.3g})" in row.attribution.sentence


def test_where_no_component_moved_beyond_chance_that_is_said_with_what_changed_and_what_meets_it() -> None:
    everywhere = dict.fromkeys(CHAIN, 0.025)
    (row,) = judged(a_graph("ocr", "sentiment"), readings(everywhere)).evidence
    assert row.attribution is not None
    assert row.attribution.component is None
    assert row.attribution.sentence == (
        "no single component explains it by its own numbers: ocr 2, sentiment 2 changed; "
        "translation did not and meets other neighbours"
    )
    assert row.attribution.other_neighbours == ("translation",)


def test_without_numbers_of_components_nothing_is_said_and_nothing_is_folded() -> None:
    given = {METRIC.name: readings({"ocr": 0.3})[METRIC.name]}
    found = judged(a_graph("ocr"), given)
    assert found.evidence[0].attribution is None
    assert found == judged(None, given)


def test_no_harm_is_attributed_to_nobody() -> None:
    (row,) = judged(a_graph("ocr"), readings({})).evidence
    assert row.attribution is None


@pytest.mark.parametrize("at", [1, 7, 19])
def test_folding_in_two_goes_gives_the_same_states_to_the_bit(at: int) -> None:
    given, graph = readings({"ocr": 0.3}), a_graph("ocr")

    def some(part: slice) -> dict[str, Reading]:
        return {name: one.model_copy(update={"blocks": one.blocks[part]}) for name, one in given.items()}

    once = fold_components({}, given, METRIC, graph)
    first = fold_components({}, some(slice(at)), METRIC, graph)
    assert fold_components(first, some(slice(at, None)), METRIC, graph) == once


def test_blocks_in_which_no_part_was_counted_change_nothing_whether_they_come_alone_or_not() -> None:
    given, graph = readings({"ocr": 0.3}), a_graph("ocr")
    late = {
        name: one.model_copy(update={"blocks": one.blocks[5:]}) if name != METRIC.name else one
        for name, one in given.items()
    }
    alone = fold_components({}, {METRIC.name: given[METRIC.name].model_copy(update={"blocks": ()})}, METRIC, graph)
    before = {METRIC.name: given[METRIC.name].model_copy(update={"blocks": given[METRIC.name].blocks[:5]})}
    assert alone == fold_components({}, before, METRIC, graph) == {}
    after = {name: one.model_copy(update={"blocks": one.blocks[-15:]}) for name, one in given.items()}
    assert fold_components({}, late, METRIC, graph) == fold_components({}, after, METRIC, graph)


def test_the_components_of_a_harmless_candidate_are_seldom_blamed() -> None:
    """Three intervals at alpha together blame anybody in at most 5 % of trials; with 3 se of 300 runs that is 8.8 %."""
    policy, graph, blamed = a_policy().spec, a_graph("ocr"), 0
    from releasectl.evaluate.attribution import attribute

    for seed in range(300):
        folds = fold_components({}, readings({}, seed=seed), METRIC, graph)
        found = attribute(folds, METRIC.name, "next", policy, graph)
        blamed += found is not None and found.component is not None
    assert blamed / 300 <= 0.088
