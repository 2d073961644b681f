"""Only what a change concerns is read, and what is left out would have changed nothing."""

from __future__ import annotations

import pytest

from releasectl.manifests import load
from releasectl.manifests.catalog import Catalog
from releasectl.preview import selection
from releasectl.preview.selection import compare
from tests.unit.preview.states import BASE, ENVIRONMENT, POLICY, RELEASE, files


def named(name: str, more: str = "") -> str:
    return RELEASE.replace("name: shop", f"name: {name}").replace("  policy", f"{more}  policy")


FLEET = {
    **BASE,
    **{f"releases/r{n}.yaml": named(f"r{n}") for n in range(20)},
    "releases/hosted.yaml": named("hosted", "  route: {hosts: [api.Market]}\n"),
}


def test_releases_that_the_change_does_not_touch_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []

    def counted(file: str, data: bytes) -> load.FileResult:
        parsed.append(file)
        return load.load_file(file, data)

    monkeypatch.setattr(selection, "load_file", counted)
    after = {**FLEET, "releases/shop.yaml": RELEASE.replace("[10, 50]", "[5, 50]")}
    compared = compare(files(FLEET), files(after))
    assert compared.releases == ("shop",)
    assert sorted(set(parsed)) == ["environments/local.yaml", "policies/careful.yaml", "releases/shop.yaml"]


def test_a_release_whose_name_begins_as_the_changed_one_s_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []

    def counted(file: str, data: bytes) -> load.FileResult:
        parsed.append(file)
        return load.load_file(file, data)

    monkeypatch.setattr(selection, "load_file", counted)
    compared = compare(files(FLEET), files({**FLEET, "releases/r1.yaml": named("r1").replace("[10, 50]", "[5, 50]")}))
    assert compared.releases == ("r1",)
    assert {path for path in parsed if path.startswith("releases/")} == {"releases/r1.yaml"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("releases/shop.yaml", named("r3"), id="a name that another release has"),
        pytest.param("releases/shop.yaml", named("shop", "  route: {prefix: /r3}\n"), id="another's prefix"),
        pytest.param("releases/new.yaml", named("new", "  route: {prefix: /shop/}\n"), id="a new release in the way"),
        pytest.param("releases/shop.yaml", named("shop", "  route: {hosts: [API.market]}\n"), id="another's host"),
        pytest.param("policies/more.yaml", POLICY, id="a policy of the same name"),
        pytest.param("environments/more.yaml", ENVIRONMENT, id="an environment of the same name"),
        pytest.param("policies/careful.yaml", POLICY.replace("error-rate", "nothing"), id="a policy that all use"),
        pytest.param("releases/r4.yaml", "a: [b", id="a file that is broken"),
        pytest.param("other/r4.yml", named("r4").replace("name: r4", 'name: "\\u00724"'), id="a name in disguise"),
    ],
)
def test_what_is_left_out_hides_no_problem(path: str, text: str) -> None:
    after = files({**FLEET, path: text})
    whole = Catalog.build(dict(after.contents))
    compared = compare(files(FLEET), after)
    for name in whole.releases:
        if name in compared.releases:
            assert _outcome(compared.after, name) == _outcome(whole, name)
        else:
            assert _outcome(whole, name) == _outcome(Catalog.build(dict(files(FLEET).contents)), name)


def test_a_metric_that_changes_concerns_every_release_whose_policy_uses_it() -> None:
    metrics = """\
apiVersion: releasectl.dev/v1alpha1
kind: MetricSet
metadata: {name: more}
spec:
  metrics: [{name: refunds, direction: lower, query: {log: {outcome: refund}}}]
"""
    base = {**FLEET, "metrics/more.yaml": metrics}
    base["policies/careful.yaml"] = POLICY.replace("[{metric", "[{metric: refunds}, {metric")
    compared = compare(files(base), files({**base, "metrics/more.yaml": metrics.replace("refund}", "money-back}")}))
    assert set(compared.releases) == {"shop", "hosted", *(f"r{n}" for n in range(20))}


def _outcome(catalog: Catalog, name: str) -> object:
    try:
        return catalog.resolve(name).generation
    except Exception as error:
        return sorted(str(problem) for problem in getattr(error, "problems", [error]))
