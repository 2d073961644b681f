"""Releases and variants: identities and what a settled manifest asks for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from releasectl.domain.base import digest_of
from releasectl.domain.release import Candidate, Component, Release, Version
from tests.builders import a_release


def test_a_copy_takes_over_nothing_that_was_worked_out_from_the_old_fields() -> None:
    release = a_release()
    before = release.intent
    dropped = release.settled(drop=("next",))
    assert dropped.intent != before
    assert dropped.intent == a_release(candidates={}).intent


def test_a_promoted_candidate_and_a_manifest_that_names_it_as_stable_ask_for_the_same() -> None:
    release = a_release(candidates={"next": "2", "other": "3"})
    assert release.intent
    assert release.settled(promote="next").intent == a_release(stable="2", candidates={}).intent


def test_the_intent_changes_with_what_is_tried_and_how_and_not_with_the_policy() -> None:
    release = a_release()
    assert a_release(policy="other").intent == release.intent
    assert a_release(candidates={"next": "3"}).intent != release.intent
    assert a_release(strategy=[{"type": "canary", "steps": [5]}]).intent != release.intent
    assert a_release(environment="other").intent != release.intent


def test_an_artifact_keeps_its_identity_under_another_name() -> None:
    digest = digest_of("weights")
    one = a_release(versions={"1": {}, "2": {"digest": digest}})
    other = a_release(versions={"1": {}, "two": {"digest": digest}}, candidates={"next": "two"})
    assert one.variant("next").identity == other.variant("next").identity
    assert one.variant("next").versions["app"].identity == digest


def a_graph(
    edges: Mapping[str, tuple[str, ...]],
    changes: tuple[str, ...],
    *,
    unit: str = "independent",
    stable: Mapping[str, str] | None = None,
) -> Release:
    """Components by their edges, all of version 1 in stable; the candidate ``both`` brings version 2 of some."""
    release = a_release(candidates={})
    versions = tuple(Version(name=name, address=f"{name}:1") for name in ("1", "2"))
    candidate = {"name": "both", "versions": dict.fromkeys(changes, "2"), "unit": unit}
    update = {
        "components": tuple(Component(name=name, after=after, versions=versions) for name, after in edges.items()),
        "stable": dict.fromkeys(edges, "1") | dict(stable or {}),
        "candidates": (Candidate.model_validate(candidate),),
    }
    return release.model_copy(update={"spec": release.spec.model_copy(update=update)})


CHAIN = {"sentiment": ("translation",), "translation": ("ocr",), "ocr": (), "topics": ()}

ORDERS = [
    (CHAIN, ("ocr", "translation", "sentiment", "topics"), "producers first, whatever the manifest's order"),
    ({"b": (), "a": (), "c": ("a",)}, ("b", "a", "c"), "otherwise the manifest's order"),
    ({"d": ("b", "c"), "b": ("a",), "c": ("a",), "a": ()}, ("a", "b", "c", "d"), "a diamond"),
    ({"a": ("b",), "b": ("a",), "c": ()}, ("c", "a", "b"), "a circle has a beginning all the same"),
    ({"a": ("elsewhere",)}, ("a",), "an edge that leads nowhere"),
]


@pytest.mark.parametrize(("edges", "expected", "_why"), ORDERS, ids=[case[2] for case in ORDERS])
def test_the_order_of_the_graph(edges: Mapping[str, tuple[str, ...]], expected: tuple[str, ...], _why: str) -> None:
    assert a_graph(edges, ("a",)).graph_order == expected


def test_an_independent_unit_is_tried_one_component_at_a_time_on_top_of_what_was_promoted() -> None:
    release = a_graph(CHAIN, ("sentiment", "ocr", "topics"))
    seen = []
    while release.spec.candidates:
        seen.append({name: version.name for name, version in release.variant("both").versions.items()})
        release = release.settled(promote="both")
    assert seen == [
        {"sentiment": "1", "translation": "1", "ocr": "2", "topics": "1"},
        {"sentiment": "2", "translation": "1", "ocr": "2", "topics": "1"},
        {"sentiment": "2", "translation": "1", "ocr": "2", "topics": "2"},
    ]
    assert dict(release.spec.stable) == seen[-1]


def test_what_needs_a_component_that_was_taken_back_goes_with_it_and_the_rest_stays() -> None:
    release = a_graph(CHAIN, ("sentiment", "ocr", "topics")).settled(drop=("both",))
    assert [dict(candidate.versions) for candidate in release.spec.candidates] == [{"topics": "2"}]
    assert release.spec.stable["ocr"] == "1"


def test_a_consumer_that_was_taken_back_takes_nothing_with_it() -> None:
    release = a_graph(CHAIN, ("sentiment", "topics")).settled(drop=("both",))
    assert [dict(candidate.versions) for candidate in release.spec.candidates] == [{"topics": "2"}]


def test_a_line_that_stable_has_already_is_passed_over() -> None:
    release = a_graph(CHAIN, ("ocr", "sentiment"), stable={"ocr": "2"})
    assert dict(release.tried(release.spec.candidates[0])) == {"sentiment": "2"}
    assert release.settled(promote="both").spec.candidates == ()


def test_an_atomic_unit_is_tried_and_settled_whole() -> None:
    release = a_graph(CHAIN, ("ocr", "sentiment"), unit="atomic")
    assert {name for name, version in release.variant("both").versions.items() if version.name == "2"} == {
        "ocr",
        "sentiment",
    }
    assert release.settled(promote="both").spec.candidates == ()
    assert release.settled(drop=("both",)).spec.candidates == ()


def test_lines_that_are_not_on_trial_yet_are_no_part_of_what_is_tried_now() -> None:
    one = a_graph(CHAIN, ("ocr", "sentiment"))
    assert one.intent == a_graph(CHAIN, ("ocr", "topics")).intent
    assert one.intent != a_graph(CHAIN, ("sentiment",)).intent
