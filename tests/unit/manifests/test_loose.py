"""A document of the wrong shape tells its references that lead nowhere as well, in the same round."""

from __future__ import annotations

import pytest

from releasectl.errors import ManifestError
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


@pytest.mark.parametrize("policy", [POLICY, wrong(POLICY)], ids=["of the right shape", "of the wrong shape"])
def test_a_policy_is_not_told_that_metrics_are_missing_whose_set_is_wrong(policy: str) -> None:
    codes = {problem[::2] for problem in found(policies_production=policy, metrics_desk=wrong(METRICS))}
    wrong_ones = ["metrics/desk.yaml"] if policy == POLICY else ["metrics/desk.yaml", POLICY_FILE]
    assert codes >= {(file, "unknown-field") for file in wrong_ones}
    assert "unknown-name" not in {code for _, code in codes}


def test_a_metric_that_is_declared_wrong_is_not_read_as_the_built_in_one() -> None:
    text = METRICS.replace("name: slow", "name: error-rate")
    files = {**REPOSITORY, "metrics/desk.yaml": wrong(text).encode()}
    with pytest.raises(ManifestError, match="unheardOf"):
        Catalog.build(files).resolve("press")
