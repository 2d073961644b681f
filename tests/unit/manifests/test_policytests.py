"""Policy tests: what they name is there."""

from __future__ import annotations

import pytest

from releasectl.manifests.catalog import Catalog
from tests.unit.manifests.texts import ENVIRONMENT, MINIMAL

TEST = """\
apiVersion: releasectl.dev/v1alpha1
kind: PolicyTest
metadata: {name: harm}
spec:
  release: desk
  policy: safe-default
  cases:
    - name: harm goes back
      given:
        - {for: 1h, stable: {error-rate: 1%}, candidate: {error-rate: 9%}, metrics: {slow-requests: stale}}
      expect: [{decision: ROLLBACK}]
"""


def problems(text: str) -> list[str]:
    files = {"releases/desk.yaml": MINIMAL, "environments/local.yaml": ENVIRONMENT, "tests/harm.yaml": text}
    return [str(one) for one in Catalog.build({path: text.encode() for path, text in files.items()}).problems()]


def test_names_that_are_there_are_accepted() -> None:
    assert problems(TEST) == []
    assert problems(TEST.replace("slow-requests", "agreement")) == []


@pytest.mark.parametrize(
    ("valid", "broken", "told"),
    [
        ("release: desk", "release: desc", "5:12: spec.release: no release 'desc' (did you mean 'desk'?)"),
        ("safe-default", "save-default", "6:11: spec.policy: no policy 'save-default' (did you mean 'safe-default'?)"),
        ("stable: {error-rate", "stable: {error-rat", "no metric 'error-rat' (did you mean 'error-rate'?)"),
        ("candidate: {error-rate", "candidates: {next: {eror-rate", "no metric 'eror-rate'"),
        ("candidate: {error-rate", "segments: {x=y: {stable: {eror-rate", "no metric 'eror-rate'"),
        ("slow-requests", "slow-request", "no metric 'slow-request' (did you mean 'slow-requests'?)"),
    ],
)
def test_names_that_are_not_are_told_with_their_place(valid: str, broken: str, told: str) -> None:
    text = TEST.replace(valid, broken)
    text = text.replace("9%}", "9%" + "}" * (1 + broken.count("{") - valid.count("{")))
    (found,) = problems(text)
    assert found.startswith("tests/harm.yaml:") and told in found
