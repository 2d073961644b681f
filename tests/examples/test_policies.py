"""Every shipped policy can be used as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasectl.domain.metric import BUILT_IN
from releasectl.domain.policy import PromotionPolicy
from releasectl.manifests import shipped
from releasectl.manifests.catalog import Catalog

FOLDER = Path(__file__).parents[2] / "policies"
FILES = sorted(FOLDER.glob("*.yaml"))

RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: desk}
spec:
  environment: local
  components: [{name: a, versions: [{name: v1, address: "a:1"}, {name: v2, address: "a:2"}]}]
  stable: {a: v1}
  candidates: [{name: new, versions: {a: v2}}]
  strategy: [{type: canary}]
  policy: POLICY
"""
ENVIRONMENT = b"apiVersion: releasectl.dev/v1alpha1\nkind: Environment\nmetadata: {name: local}\n"


def test_the_four_choices_are_shipped() -> None:
    assert {"safe-default", "fast-iterate", "regulated-human", "cost-aware"} <= shipped.policies().keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_shipped_policy_is_valid_and_named_like_its_file(file: Path) -> None:
    policy = shipped.policies()[file.stem]
    assert policy.problems == ()
    assert isinstance(policy.value, PromotionPolicy)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_shipped_policy_works_with_built_in_metrics_in_a_plain_local_environment(file: Path) -> None:
    catalog = Catalog.build({"r.yaml": RELEASE.replace("POLICY", file.stem).encode(), "e.yaml": ENVIRONMENT})
    assert catalog.problems() == ()
    resolved = catalog.resolve("desk")
    assert resolved.policy.spec.guardrails
    assert resolved.metrics.keys() <= BUILT_IN.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_shipped_policy_points_editors_at_its_schema_and_says_what_it_is_for(file: Path) -> None:
    first, *rest = file.read_text().splitlines()
    assert first == "# yaml-language-server: $schema=../schemas/promotionpolicy.v1alpha1.json"
    assert any(line.startswith("# ") for line in rest[:4])


def test_the_careful_policy_is_the_stricter_one() -> None:
    careful, fast = (shipped.policies()[name].value for name in ("safe-default", "fast-iterate"))
    assert isinstance(careful, PromotionPolicy)
    assert isinstance(fast, PromotionPolicy)
    assert careful.spec.alpha < fast.spec.alpha
    assert careful.spec.min_samples > fast.spec.min_samples
    for strict, loose in zip(careful.spec.guardrails, fast.spec.guardrails, strict=True):
        assert (strict.margin.points or 0) < (loose.margin.points or 0)
