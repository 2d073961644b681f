"""The shipped policies do what their tests say; and tests that are wrong say so."""

from __future__ import annotations

import json
from pathlib import Path
from xml.dom.minidom import parseString

import pytest
from click.testing import CliRunner, Result

from releasectl.cli.main import cli
from releasectl.errors import ManifestError, UsageError
from releasectl.manifests import shipped

FOLDER = Path(__file__).parents[2] / "examples" / "policy-tests"

TEST = """\
apiVersion: releasectl.dev/v1alpha1
kind: PolicyTest
metadata: {name: mine}
spec:
  policy: fast-iterate
  strategy: [{type: canary, steps: [10], interval: 1m}]
  cases:
    - name: harm
      given: [{for: 3m, requests: 20/s, stable: {error-rate: 1%}, candidate: {error-rate: 40%}}]
      expect: EXPECT
"""


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["test", "-R", str(folder), *arguments], standalone_mode=False)


def mine(folder: Path, expect: str, old: str = "", new: str = "") -> Result:
    (folder / "test.yaml").write_text(
        TEST.replace("EXPECT", expect).replace(old, new) if old else TEST.replace("EXPECT", expect)
    )
    return run(folder)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_shipped_policy_does_what_its_test_says(file: Path) -> None:
    done = run(FOLDER, str(file))
    assert done.return_value == 0, done.output
    assert "all passed" in done.output


def test_every_shipped_policy_has_a_test() -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == set(shipped.policies())


def test_a_rollback_that_is_expected_passes(tmp_path: Path) -> None:
    assert mine(tmp_path, "[{decision: ROLLBACK, reason: GuardrailBreached, within: 1m}]").return_value == 0


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ("[{decision: PROMOTE}]", "expected PROMOTE"),
        ("[{decision: HOLD}]", "expected HOLD"),
        ("[{decision: ROLLBACK, reason: Inconclusive}]", "expected ROLLBACK Inconclusive"),
        ("[{decision: PROMOTE, candidate: candidate}]", "expected PROMOTE of candidate"),
        ("[{decision: ROLLBACK, within: 5s}]", "expected ROLLBACK within 5s; it came after"),
        ("[{decision: ROLLBACK, after: 2m}]", "expected ROLLBACK not before 2m; it came after"),
    ],
)
def test_what_was_expected_and_what_happened_is_told(tmp_path: Path, expect: str, told: str) -> None:
    done = mine(tmp_path, expect)
    assert done.return_value == 1
    assert told in done.output
    assert "happened: ROLLBACK GuardrailBreached after" in done.output


def test_a_rollback_that_nobody_expected_fails_the_case(tmp_path: Path) -> None:
    # One candidate passes; the harm of the other must not go unnoticed beside it.
    done = mine(
        tmp_path,
        "[{decision: PROMOTE, candidate: a}]",
        "  cases:",
        "  candidates: [a, b]\n  cases:",
    )
    assert done.return_value == 1
    text = (tmp_path / "test.yaml").read_text()
    split = text.replace("candidate: {error-rate: 40%}", "candidates: {a: {error-rate: 1%}, b: {error-rate: 40%}}")
    (tmp_path / "test.yaml").write_text(split.replace("for: 3m", "for: 20m"))
    done = run(tmp_path)
    assert done.return_value == 1
    assert "did not expect ROLLBACK GuardrailBreached" in done.output


def test_the_same_test_gives_the_same_answer_to_the_byte(tmp_path: Path) -> None:
    first = mine(tmp_path, "[{decision: ROLLBACK}]")
    assert run(tmp_path, "-o", "json").output == run(tmp_path, "-o", "json").output
    assert first.return_value == 0


def test_a_release_is_tested_with_its_own_strategy_and_policy(tmp_path: Path) -> None:
    desk = FOLDER.parent / "press-desk"
    for name in ("environments", "metrics", "policies", "releases"):
        (tmp_path / name).mkdir()
        for file in (desk / name).glob("*.yaml"):
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    done = mine(
        tmp_path,
        "[{decision: ROLLBACK, reason: GuardrailBreached}]",
        "  policy: fast-iterate\n",
        "  release: press-sentiment\n",
    )
    assert done.return_value == 0, done.output


def test_reports_are_json_and_junit(tmp_path: Path) -> None:
    mine(tmp_path, "[{decision: PROMOTE}]")
    found = json.loads(run(tmp_path, "-o", "json").output)
    assert (found["passed"], found["failed"]) == (0, 1)
    assert found["cases"][0]["happened"][-1]["decision"] == "ROLLBACK"
    report = parseString(run(tmp_path, "-o", "junit").output)
    assert report.documentElement.getAttribute("failures") == "1"
    assert report.getElementsByTagName("failure")[0].getAttribute("message") == "expected PROMOTE"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("40%", "140%", "140%"),
        ("20/s", "20", "requests"),
        ("decision: PROMOTE", "decison: PROMOTE", "decison"),
        ("policy: fast-iterate", "policy: fast-iterat", "no policy 'fast-iterat'"),
    ],
)
def test_a_test_that_is_misspelt_is_refused_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    done = mine(tmp_path, "[{decision: PROMOTE}]", old, new)
    assert isinstance(done.exception, ManifestError)
    assert message in str(done.exception)


def test_no_tests_is_no_success(tmp_path: Path) -> None:
    assert isinstance(run(tmp_path).exception, UsageError)
