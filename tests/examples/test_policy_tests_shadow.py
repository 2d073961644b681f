"""Strategies that begin with a shadow can be tested and simulated like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from releasectl.cli.main import cli

TEST = """\
apiVersion: releasectl.dev/v1alpha1
kind: PolicyTest
metadata: {name: shadowed}
spec:
  policy: fast-iterate
  candidates: [next, late]
  strategy:
    - type: shadow
      duration: 1m
      agreement: {atLeast: 95, field: label}
      errors: {atMost: 2}
      slower: {than: 50ms, atMost: 10}
    - {type: canary, steps: [20], interval: 1m}
  cases:
    - name: one
      given: GIVEN
      expect: EXPECT
"""
RELEASE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: shop}
spec:
  environment: local
  components: [{name: app, versions: [{name: "1", address: "a:1"}, {name: "2", address: "a:2"}]}]
  stable: {app: "1"}
  candidates: [{name: next, versions: {app: "2"}}]
  strategy: [{type: shadow, duration: 1m, agreement: {atLeast: 95}}, {type: canary, steps: [20], interval: 1m}]
  policy: fast-iterate
"""
ENVIRONMENT = """\
apiVersion: releasectl.dev/v1alpha1
kind: Environment
metadata: {name: local}
spec: {router: {type: envoy, port: 8080}, providers: [{type: envoy}, {type: log}]}
"""
GOES_ON = "{decision: ADVANCE, reason: StagePassed, within: 5m}, {decision: PROMOTE}"
TAKEN_BACK = "{decision: ROLLBACK, reason: GuardrailBreached, candidate: late, within: 3m}"


def played(folder: Path, given: str, expect: str) -> Result:
    (folder / "test.yaml").write_text(TEST.replace("GIVEN", given).replace("EXPECT", expect))
    return CliRunner().invoke(cli, ["test", "-R", str(folder)], standalone_mode=False)


@pytest.mark.parametrize(
    ("given", "expect"),
    [
        ("[{for: 6m, pairs: {agreement: 99%, slower: 2%}}]", f"[{GOES_ON}]"),
        ("[{for: 6m, pairs: {errors: 10%, stable-errors: 10%}}]", f"[{GOES_ON}]"),
        ("[{for: 6m, candidatePairs: {late: {agreement: 80%}}}]", f"[{TAKEN_BACK}, {GOES_ON}]"),
        ("[{for: 6m, candidatePairs: {late: {errors: 10%}}}]", f"[{TAKEN_BACK}, {GOES_ON}]"),
        ("[{for: 6m, candidatePairs: {late: {slower: 30%}}}]", f"[{TAKEN_BACK}, {GOES_ON}]"),
        ("[{for: 6m, pairs: {errors: 2%}}]", "[{decision: HOLD, reason: AwaitingEvidence}]"),
        ("[{for: 6m, metrics: {agreement: stale}}]", "[{decision: HOLD, reason: MetricsUnavailable}]"),
        ("[{for: 6m, requests: 1/h}]", "[{decision: HOLD, reason: CollectingSamples}]"),
    ],
)
def test_pairs_are_given_and_decisions_follow(tmp_path: Path, given: str, expect: str) -> None:
    done = played(tmp_path, given, expect)
    assert done.return_value == 0, done.output


def test_a_rate_of_pairs_that_is_none_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "test.yaml").write_text(
        TEST.replace("GIVEN", "[{for: 6m, pairs: {agrement: 99%}}]").replace("EXPECT", f"[{GOES_ON}]")
    )
    done = CliRunner().invoke(cli, ["test", "-R", str(tmp_path)], standalone_mode=False)
    assert done.exception is not None
    assert "agrement" in str(done.exception)


def simulated(folder: Path, *arguments: str) -> dict[str, dict[str, float]]:
    (folder / "release.yaml").write_text(RELEASE)
    (folder / "environment.yaml").write_text(ENVIRONMENT)
    command = ["simulate", "shop", "-R", str(folder), "--runs", "20", "--looks", "60", "-o", "json", *arguments]
    done = CliRunner().invoke(cli, command, standalone_mode=False)
    assert done.return_value == 0, done.output
    worlds = json.loads(done.stdout)["worlds"]
    return {world["world"]: {row["name"]: row["value"] for row in world["figures"]} for world in worlds}


@pytest.mark.slow
def test_a_strategy_with_a_shadow_is_simulated(tmp_path: Path) -> None:
    found = simulated(tmp_path, "--effect", "agreement=-15%")
    assert found["no difference"]["promoted"] >= 0.9
    assert found["no difference"]["false rollback"] <= 0.05
    assert found["with the effect"]["harm found"] == 1.0
    assert found["with the effect"]["users exposed to harm"] == 0


@pytest.mark.slow
def test_a_candidate_at_the_limit_of_agreement_is_not_promoted_in_a_hurry(tmp_path: Path) -> None:
    found = simulated(tmp_path, "--baseline", "agreement=95%")
    assert found["no difference"]["promoted"] <= 0.1
