"""Releases and variants: identities and what a settled manifest asks for."""

from __future__ import annotations

from releasectl.domain.base import digest_of
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
