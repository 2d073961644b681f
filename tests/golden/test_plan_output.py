"""What `plan` prints in its three forms, to the byte, for two commits of a real repository.

After a change that is meant, run with ``GOLDEN_WRITE=1`` and review the difference.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from releasectl.cli.commands.plan import plan
from releasectl.cli.commands.schema import published
from releasectl.errors import UsageError
from releasectl.preview.document import Plan
from releasectl.preview.markdown import as_markdown
from releasectl.preview.text import as_text
from tests.unit.preview.states import BASE, ENVIRONMENT, IDLE, POLICY, RELEASE

DATA = Path(__file__).parent / "data" / "plan"
WHEN = "2026-01-31T12:00:00Z"
MANY = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: desk}
spec:
  environment: local
  components:
    - name: language-id
      interface:
        response: {type: object, required: [language], properties: {language: {type: string}}}
      versions: [{name: "1.0", artifact: "oci://models.example/lang@sha256:DIGEST", run: {command: [lang]}}]
    - name: sentiment
      after: [language-id]
      interface:
        request: {type: object, required: [language], properties: {language: {type: string}}}
      versions:
        - {name: "1.4", runtime: {language: python, framework: scikit-learn}, run: {command: [old]}}
        - {name: "2.0", runtime: {language: python, framework: onnx}, run: {command: [new]}}
  stable: {language-id: "1.0", sentiment: "1.4"}
  candidates: [{name: tiny, versions: {sentiment: "2.0"}}]
  strategy:
    - {type: shadow, duration: 30m, mirror: 50}
    - {type: canary, steps: [5, 25], interval: 10m}
    - {type: approval, required: 2, from: [risk, Ana]}
  policy: careful
""".replace("DIGEST", "a" * 64)
UNIT = MANY.replace("[lang]}}]", '[lang]}}, {name: "1.1", run: {command: [lang, "1.1"]}}]').replace(
    'versions: {sentiment: "2.0"}', 'unit: independent, versions: {sentiment: "2.0", language-id: "1.1"}'
)
TEAM = ENVIRONMENT + "spec: {teams: {risk: [Bo, Cleo]}, caps: {maxConcurrent: 3}}\n"
WATCHED = POLICY.replace("  maxDuration: 10m\n", "  maxDuration: 12h\n  watch: {for: 15m}\n")

STORIES: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "start": ({**BASE, "releases/shop.yaml": IDLE}, BASE),
    "graph": (
        {"policies/careful.yaml": WATCHED, "environments/local.yaml": TEAM},
        {"policies/careful.yaml": WATCHED, "environments/local.yaml": TEAM, "releases/desk.yaml": MANY},
    ),
    "unit": (
        {"policies/careful.yaml": WATCHED, "environments/local.yaml": TEAM},
        {"policies/careful.yaml": WATCHED, "environments/local.yaml": TEAM, "releases/desk.yaml": UNIT},
    ),
    "mistake": (BASE, {**BASE, "releases/shop.yaml": RELEASE.replace("policy: careful", "policy: carefull")}),
    "policy": (BASE, {**BASE, "policies/careful.yaml": POLICY.replace("points: 2", "points: 1")}),
    "nothing": (BASE, {**BASE, "releases/shop.yaml": RELEASE.replace("# what serves now", "# the good one")}),
    "deleted": (BASE, {path: text for path, text in BASE.items() if "shop" not in path}),
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A repository with two commits, ``before`` and ``after``, of which even the names are the same everywhere."""
    monkeypatch.setenv("RELEASECTL_STATE", str(tmp_path / "state"))

    def made(story: str) -> Path:
        folder = tmp_path / "models"
        folder.mkdir()
        _git(folder, "init", "--quiet", "--template=", "--initial-branch=main", ".")
        for tag, texts in zip(("before", "after"), STORIES[story], strict=True):
            for path in list(folder.rglob("*.yaml")):
                path.unlink()
            for name, text in texts.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(text)
            _git(folder, "add", "--all")
            _git(folder, "commit", "--quiet", "-m", tag)
            _git(folder, "tag", tag)
        return folder

    return made


def ran(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(plan, ["-R", str(folder), *arguments], standalone_mode=False, catch_exceptions=False)
    return int(done.return_value or 0), done.stdout


@pytest.mark.parametrize("story", STORIES)
def test_a_plan_is_printed_as_published(repository: Callable[[str], Path], story: str) -> None:
    folder = repository(story)
    code, printed = ran(folder, "--against", "before..after", "-o", "json")
    assert code == (1 if story == "mistake" else 0)
    Draft202012Validator(published("Plan")).validate(json.loads(printed))
    assert matches(f"{story}.json", printed)
    read_back = Plan.model_validate_json(printed)
    assert matches(f"{story}.txt", as_text(read_back) + "\n")
    assert matches(f"{story}.md", as_markdown(read_back) + "\n")


def matches(name: str, printed: str) -> bool:
    file = DATA / name
    if os.environ.get("GOLDEN_WRITE"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(printed)
    return file.read_text() == printed


@pytest.mark.parametrize(("form", "name"), [("table", "start.txt"), ("json", "start.json"), ("markdown", "start.md")])
def test_the_same_two_commits_give_the_same_bytes(repository: Callable[[str], Path], form: str, name: str) -> None:
    assert ran(repository("start"), "--against", "before..after", "-o", form)[1] == (DATA / name).read_text()


def test_exit_codes_tell_whether_anything_differs(repository: Callable[[str], Path]) -> None:
    folder = repository("start")
    assert ran(folder, "--against", "before..after", "--exit-code")[0] == 1
    assert ran(folder, "--against", "after..after", "--exit-code")[0] == 0
    assert ran(folder, "--exit-code")[0] == 0


def test_a_work_tree_is_compared_with_the_branch(repository: Callable[[str], Path]) -> None:
    folder = repository("start")
    assert ran(folder)[1] == "No changes. No release is made of anything that differs.\n"
    (folder / "releases" / "shop.yaml").write_text(RELEASE.replace("[10, 50]", "[5, 50]"))
    code, printed = ran(folder, "--exit-code")
    assert code == 1
    assert "~ strategy stage 1 (canary) steps[0]: 10 -> 5" in printed


def test_a_commit_that_was_amended_before_it_is_pushed_is_planned_with_a_warning(
    repository: Callable[[str], Path],
) -> None:
    folder = repository("start")
    assert ran(folder)[0] == 0
    _git(folder, "commit", "--quiet", "--amend", "-m", "Another message")
    done = CliRunner().invoke(plan, ["-R", str(folder)], standalone_mode=False, catch_exceptions=False)
    assert done.stdout == "No changes. No release is made of anything that differs.\n"
    assert "planned on what is there now" in done.stderr
    assert "warning" not in CliRunner().invoke(plan, ["-R", str(folder)], standalone_mode=False).stderr


def test_what_a_branch_changed_itself_is_told_apart_from_what_main_did_since(
    repository: Callable[[str], Path],
) -> None:
    folder = repository("start")
    _git(folder, "checkout", "--quiet", "-b", "side", "before")
    (folder / "policies" / "careful.yaml").write_text(POLICY.replace("points: 2", "points: 3"))
    _git(folder, "commit", "--quiet", "-am", "Side")
    both, own = ran(folder, "--against", "main..side")[1], ran(folder, "--against", "main...side")[1]
    assert "candidate" in both
    assert "candidate" not in own
    assert "points: 2 -> 3" in own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shopp",), "no release 'shopp' on either side"),
        (("--against", "nowhere"), "has no revision 'nowhere'"),
        (("--against", "--output=x"), "has no revision"),
    ],
)
def test_what_is_not_there_is_named(
    repository: Callable[[str], Path], arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ran(repository("start"), *arguments)


def test_a_bare_repository_takes_two_commits_only(repository: Callable[[str], Path], tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    _git(tmp_path, "clone", "--quiet", "--bare", str(repository("start")), str(bare))
    assert "Plan: 1 to start." in ran(bare, "--against", "before..after")[1]
    with pytest.raises(UsageError, match="bare repository"):
        ran(bare)


def _git(folder: Path, *arguments: str) -> None:
    names = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _SIGNED.items()}
    subprocess.run(
        ["git", "-c", "commit.gpgsign=false", *arguments],
        cwd=folder, check=True, capture_output=True, env={**os.environ, **names},
    )  # fmt: skip


_SIGNED = {"NAME": "ada", "EMAIL": "ada@example.org", "DATE": WHEN}
