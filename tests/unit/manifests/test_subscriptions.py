"""Subscriptions: what they name is there, and their templates make versions."""

from __future__ import annotations

import pytest

from releasectl.manifests.catalog import Catalog
from tests.unit.manifests.texts import ENVIRONMENT, MINIMAL

SUBSCRIPTION = """\
apiVersion: releasectl.dev/v1alpha1
kind: Subscription
metadata: {name: from-registry}
spec:
  release: desk
  component: sentiment
  from: {type: mlflow, url: "http://127.0.0.1:5000", model: sentiment, alias: champion}
  version: {address: "models:${version}"}
"""


FORGE = "  forge: {type: gitea, url: 'https://git.example', project: acme/models, tokenVariable: FORGE_TOKEN}\n"


def _catalog(*subscriptions: str, forge: str = FORGE) -> Catalog:
    environment = ENVIRONMENT + forge
    files = {"releases/desk.yaml": MINIMAL.encode(), "environments/local.yaml": environment.encode()}
    numbered = {f"subscriptions/{number}.yaml": text.encode() for number, text in enumerate(subscriptions)}
    return Catalog.build({**files, **numbered})


def test_a_valid_one_is_found() -> None:
    catalog = _catalog(SUBSCRIPTION)
    assert catalog.problems() == ()
    assert [subscription.name for subscription in catalog.subscriptions] == ["from-registry"]


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        ("", "of the release names no forge (add `forge` with type, url, project and tokenVariable, in 'local')"),
        (
            FORGE.replace(", tokenVariable: FORGE_TOKEN", ""),
            "of the release names no token for its forge (name the variable that holds it in `tokenVariable`, in",
        ),
    ],
    ids=["no forge", "no token"],
)
def test_that_nothing_can_be_proposed_is_a_warning(forge: str, told: str) -> None:
    catalog = _catalog(SUBSCRIPTION, forge=forge)
    [problem] = catalog.problems()
    assert (problem.severity, problem.code, problem.path) == ("warning", "no-forge", "spec.release")
    assert f"nothing can be proposed: the environment 'local' {told}" in str(problem)
    assert len(catalog.subscriptions) == 1


@pytest.mark.parametrize(
    ("valid", "broken", "told"),
    [
        pytest.param("release: desk", "release: desc", "5:12: spec.release: no release 'desc' (did you mean 'desk'?)"),
        pytest.param(
            "component: sentiment",
            "component: sentimint",
            "6:14: spec.component: the release 'desk' has no component 'sentimint' (did you mean 'sentiment'?)",
        ),
        pytest.param("  component: sentiment\n", "", "name the component"),
        pytest.param("${version}", "${versoin}", "a placeholder that stands for nothing"),
        pytest.param("${version}", "$(version)", "a '$' that begins no placeholder"),
        pytest.param("http://127", "http://user:secret@127", "spec.from.url"),
        pytest.param("alias: champion", "stage: champion", "unknown field 'stage'"),
        pytest.param(
            'type: mlflow, url: "http://127.0.0.1:5000", model: sentiment, alias: champion',
            "type: oci, repository: registry.example/m, tags: '('",
            "is no regular expression",
        ),
        pytest.param(
            "component: sentiment\n  from: {"
            'type: mlflow, url: "http://127.0.0.1:5000", model: sentiment, alias: champion}',
            "from: {type: release, release: desk}",
            "is the release that gets the candidates itself",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(valid: str, broken: str, told: str) -> None:
    assert valid in SUBSCRIPTION
    catalog = _catalog(SUBSCRIPTION.replace(valid, broken))
    assert any(told in str(problem) for problem in catalog.problems()), [str(p) for p in catalog.problems()]
    assert catalog.subscriptions == ()
    assert catalog.resolve("desk"), "the release itself is not hurt"


def test_of_two_with_one_name_neither_is_used() -> None:
    catalog = _catalog(SUBSCRIPTION, SUBSCRIPTION)
    assert "declared more than once" in str(catalog.problems()[0])
    assert catalog.subscriptions == ()
