"""A document of the wrong shape tells its references that lead nowhere as well, in the same round."""

from __future__ import annotations

from releasectl.manifests.catalog import Catalog
from tests.unit.manifests.texts import FULL, METRICS, POLICY, REPOSITORY

RELEASE_FILE, POLICY_FILE = "releases/press.yaml", "policies/production.yaml"
WRONG = "  unheardOf: 1\n"
"""A field that there is not: the shape of whatever it is put into is wrong."""


def found(**changed: str) -> set[tuple[str, str, str]]:
    files = REPOSITORY | {name.replace("_", "/") + ".yaml": text.encode() for name, text in changed.items()}
    catalog = Catalog.build(files)
    return {(problem.file, problem.path, problem.code) for problem in catalog.problems()}


def wrong(text: str) -> str:
    return text.rstrip("\n") + "\n" + WRONG


def test_a_release_tells_its_mistake_and_what_it_refers_to_in_vain() -> None:
    text = wrong(FULL.replace("policy: production", "policy: prodution"))
    text = text.replace("environment: local", "environment: locl")
    assert found(releases_press=text) == {
        (RELEASE_FILE, "spec.unheardOf", "unknown-field"),
        (RELEASE_FILE, "spec.policy", "unknown-name"),
        (RELEASE_FILE, "spec.environment", "unknown-name"),
    }


def test_references_that_lead_somewhere_are_not_told() -> None:
    assert found(releases_press=wrong(FULL)) == {(RELEASE_FILE, "spec.unheardOf", "unknown-field")}


def test_a_reference_that_is_wrong_itself_is_told_once() -> None:
    text = FULL.replace("policy: production", "policy: [production]")
    assert [path for _, path, _ in found(releases_press=text)] == ["spec.policy"]


def test_a_policy_tells_its_mistake_and_the_metrics_that_nothing_declares() -> None:
    guarded = POLICY.replace("metric: error-rate", "metric: eror-rate", 1)
    assert guarded != POLICY
    assert found(policies_production=wrong(guarded)) >= {
        (POLICY_FILE, "spec.unheardOf", "unknown-field"),
        (POLICY_FILE, "spec.guardrails[0].metric", "unknown-name"),
    }


def test_metrics_of_a_set_that_is_wrong_itself_count_as_declared() -> None:
    codes = {
        code
        for file, _, code in found(policies_production=wrong(POLICY), metrics_desk=wrong(METRICS))
        if file == POLICY_FILE
    }
    assert codes == {"unknown-field"}
