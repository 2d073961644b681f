"""What a registry offers, turned into a proposal for a release, or the reason for none."""

from __future__ import annotations

from typing import Any

import pytest

from releasectl.domain.base import digest_of
from releasectl.domain.decision import Action, Outcome
from releasectl.domain.release import Interface, Process, Release, Version
from releasectl.domain.subscription import Subscription
from releasectl.ports import Offer
from releasectl.pulls.dvc import offer_of
from releasectl.pulls.offers import Proposed, proposed
from releasectl.pulls.promoted import offers_of
from tests.builders import a_release, a_state

DIGEST = digest_of("weights")
OFFER = Offer(version="7", artifact="models:/app/7", digest=DIGEST)


def a_subscription(**spec: Any) -> Subscription:
    return Subscription.model_validate(
        {
            "apiVersion": "releasectl.dev/v1alpha1",
            "kind": "Subscription",
            "metadata": {"name": "from-registry"},
            "spec": {
                "release": "shop",
                "component": "app",
                "from": {"type": "mlflow", "url": "http://127.0.0.1:5000", "model": "app"},
                **spec,
            },
        },
        strict=False,
        by_alias=True,
        by_name=False,
    )


def made(release: Release, offer: Offer = OFFER, held: frozenset[str] = frozenset(), **spec: Any) -> Proposed | str:
    return proposed(a_subscription(**spec), {"app": offer}, release, held)


def test_a_new_artifact_becomes_a_version_like_stables_and_a_candidate() -> None:
    found = made(a_release(candidates={}))
    assert isinstance(found, Proposed)
    assert found.proposal.versions == {
        "app": Version(name="7", artifact="models:/app/7", digest=DIGEST, run=Process(command=("app", "1")))
    }
    assert (found.proposal.candidate.name, dict(found.proposal.candidate.versions)) == ("app-7", {"app": "7"})
    assert found.title == "app 7"


def test_the_template_goes_before_stables_fields_and_knows_the_new_version() -> None:
    template = {"run": {"command": ["serve", "${artifact}"], "env": {"DIGEST": "${digest}", "PRICE": "$$5"}}}
    found = made(a_release(candidates={}), version=template)
    assert isinstance(found, Proposed)
    assert found.proposal.versions["app"].run == Process(
        command=("serve", "models:/app/7"), env={"DIGEST": DIGEST, "PRICE": "$5"}
    )


def test_a_name_that_another_artifact_has_gets_a_piece_of_the_identity() -> None:
    found = made(a_release(candidates={}), Offer("2", "models:/app/2", DIGEST))
    assert isinstance(found, Proposed)
    assert found.proposal.versions["app"].name == f"2-{DIGEST[7:14]}"


def test_a_registrys_odd_names_are_made_fit() -> None:
    found = made(a_release(candidates={}), Offer("Été 2026/β", "x", DIGEST))
    assert isinstance(found, Proposed)
    assert found.proposal.versions["app"].name == "t-2026-"
    assert found.proposal.candidate.name == "app-t-2026"


WITH_SEVEN = {"1": {}, "7": {"artifact": "models:/app/7", "digest": DIGEST}}


@pytest.mark.parametrize(
    ("release", "held", "why"),
    [
        pytest.param(a_release(stable="7", candidates={}, versions=WITH_SEVEN), (), "stable has it already"),
        pytest.param(
            a_release(candidates={"next": "7"}, versions=WITH_SEVEN), (), "the candidate next tries it already"
        ),
        pytest.param(a_release(candidates={}), (DIGEST,), "app 7 was rolled back and is held"),
    ],
)
def test_what_is_known_or_held_is_not_proposed(release: Release, held: tuple[str, ...], why: str) -> None:
    found = made(release, held=frozenset(held))
    assert isinstance(found, str)
    assert found.startswith(why)


def test_a_version_that_is_declared_already_is_tried_under_its_name() -> None:
    versions = {"1": {}, "seven": {"artifact": "models:/app/7", "digest": DIGEST}}
    found = made(a_release(candidates={}, versions=versions))
    assert isinstance(found, Proposed)
    assert found.proposal.versions["app"].name == "seven"
    assert dict(found.proposal.candidate.versions) == {"app": "seven"}


def test_a_contract_is_taken_where_there_is_none() -> None:
    contract = Interface(request={"type": "object", "required": ["text"]})
    found = made(a_release(candidates={}), Offer("7", "models:/app/7", DIGEST, interface=contract))
    assert isinstance(found, Proposed)
    assert found.proposal.interfaces == {"app": contract}
    assert found.misfits == ()


def test_where_a_contract_is_declared_its_differences_are_told() -> None:
    release = a_release(candidates={})
    declared = Interface(
        request={"type": "object", "properties": {"text": {"type": "string"}}},
        response={"type": "object", "required": ["label", "score"], "properties": {"score": {"type": "number"}}},
    )
    component = release.spec.components[0].model_copy(update={"interface": declared})
    release = release.model_copy(update={"spec": release.spec.model_copy(update={"components": (component,)})})
    brought = Interface(
        request={
            "type": "object",
            "required": ["text", "tone"],
            "properties": {"text": {"type": "array"}, "tone": {"type": "string"}},
        },
        response={"type": "object", "properties": {"score": {"type": "number"}}},
    )
    found = made(release, Offer("7", "models:/app/7", DIGEST, interface=brought))
    assert isinstance(found, Proposed)
    assert found.proposal.interfaces == {}
    assert found.misfits == (
        "app: requests must have 'text' now",
        "app: requests must have 'tone' now",
        "app: 'text' in requests: string is not array",
        "app: answers need not have 'label' any more",
        "app: answers need not have 'score' any more",
    )


# --- from another release -------------------------------------------------------------------------------


def _promoted(**more: Any) -> Any:
    state = a_state(a_release("shop-staging", stable="2", candidates={}), step=None)
    last = {"action": "PROMOTE", "reason": "EvidenceSufficient", "message": "proven", "at": "2026-01-01T12:00:00Z"}
    return state.model_copy(update={"last": Outcome.model_validate(last, strict=False), **more})


def test_what_was_promoted_elsewhere_is_offered_with_its_evidence() -> None:
    target = a_release(candidates={}, versions={"1": {}})
    [(component, offer)] = offers_of(_promoted(), target).items()
    assert (component, offer.version) == ("app", "2")
    assert ("why", "proven") in offer.facts
    found = proposed(a_subscription(), {"app": offer}, target, held=())
    assert isinstance(found, Proposed)
    assert found.proposal.versions["app"].run == Process(command=("app", "2"))


def test_what_is_on_trial_or_was_rolled_back_is_not_offered() -> None:
    target = a_release(candidates={})
    assert offers_of(None, target) == {}
    assert offers_of(a_state(), target) == {}
    promoted = _promoted()
    rolled_back = promoted.last.model_copy(update={"action": Action.ROLLBACK})
    assert offers_of(_promoted(last=rolled_back), target) == {}


# --- from a .dvc file -----------------------------------------------------------------------------------


def test_a_changed_hash_is_another_version() -> None:
    text = "outs:\n- md5: {}\n  size: 5\n  hash: md5\n  path: model.pkl\n"
    one, two = (offer_of("models/m.pkl.dvc", text.format(value * 32).encode()) for value in "ab")
    assert one is not None and two is not None
    assert one.artifact == "dvc://models/m.pkl@md5:" + "a" * 32
    assert one.version == "a" * 12
    assert one.artifact != two.artifact


@pytest.mark.parametrize("text", [b"", b"outs: []", b"outs: [{path: model.pkl}]", b"- [", b"\xff", b"outs: {md5: a}"])
def test_a_file_that_names_no_hash_offers_nothing(text: bytes) -> None:
    assert offer_of("m.dvc", text) is None
