"""What every command's help and every form of ``status`` print, to the byte.

After a change that is meant, run with ``GOLDEN_WRITE=1`` and review the difference.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from releasectl.cli import readmodel
from releasectl.cli.main import COMMANDS, cli
from releasectl.domain.decision import Action, Outcome, Quarantine, Suspension
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.observation import Health, VariantHealth
from releasectl.domain.reasons import Reason
from releasectl.domain.status import Condition, ReleaseStatus, StageStatus, StatusReport, VariantStatus

DATA = Path(__file__).parent / "data" / "cli"
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def matches(name: str, text: str) -> bool:
    file = DATA / name
    if os.environ.get("GOLDEN_WRITE"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return file.read_text() == text


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_as_published(name: str) -> None:
    arguments = [name, "--help"] if name else ["--help"]
    printed = CliRunner().invoke(cli, arguments, prog_name="releasectl", terminal_width=100)
    assert printed.exit_code == 0
    assert matches(f"help/{name or 'releasectl'}.txt", printed.output)
    assert max(len(line) for line in printed.output.splitlines()) <= 120


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def guardrail(metric: str, state: MetricState, summary: str) -> Evidence:
    return Evidence(metric=metric, role="guardrail", candidate="tiny-bert", state=state, summary=summary)


ON_TRIAL = ReleaseStatus(
    name="press-sentiment",
    environment="local",
    phase="trial",
    condition=Condition(
        type="Reconciling", reason=Reason.COLLECTING_SAMPLES, message="37 of 50 samples", since=ago(40)
    ),
    url="http://127.0.0.1:8080/press-sentiment/",
    path="releases/press-sentiment.yaml",
    revision="0123456789abcdef0123456789abcdef01234567",
    stage=StageStatus(
        type="canary",
        number=1,
        of=1,
        step=2,
        steps=4,
        started_at=ago(700),
        step_started_at=ago(100),
        served_since=ago(95),
    ),
    variants=(
        VariantStatus(
            name="stable",
            versions={"language-id": "1.0", "sentiment": "1.4"},
            share=9500,
            served=9900,
            health=VariantHealth(health=Health.READY),
        ),
        VariantStatus(
            name="tiny-bert",
            versions={"language-id": "1.0", "sentiment": "2.0"},
            share=500,
            served=100,
            health=VariantHealth(health=Health.STARTING, detail="loads"),
        ),
    ),
    evidence=(
        guardrail("error-rate", MetricState.BAD, "9 % of 100 against 1 % of 900: [harm] beyond the margin"),
        guardrail("slow", MetricState.NO_DATA, "no data yet"),
    ),
    decision="7f3a2c9e",
    seq=3,
    last=Outcome(
        action=Action.ADVANCE,
        reason=Reason.STEP_PASSED,
        message="step 1 of 4 passed",
        candidate="tiny-bert",
        at=ago(100),
    ),
)
PAUSED = ReleaseStatus(
    name="shop",
    environment="local",
    phase="paused",
    condition=Condition(type="Stalled", reason=Reason.INVALID_MANIFEST, message="unknown field", since=ago(90_000)),
    variants=(VariantStatus(name="stable", versions={"app": "1"}, share=10_000),),
    seq=12,
    last=Outcome(
        action=Action.ROLLBACK, reason=Reason.GUARDRAIL_BREACHED, message="error-rate", candidate="x", at=ago(90_000)
    ),
    suspension=Suspension(by="ada", at=ago(60)),
    quarantine=(
        Quarantine(
            release="shop", identity="sha256:1", component="app", version="2", reason=Reason.GUARDRAIL_BREACHED,
            decision="fb6c0266", at=ago(90_000),
        ),
    ),
)  # fmt: skip
REPORTS = {
    "controller": StatusReport(
        source="controller",
        at=NOW,
        repository="https://git.example/models.git",
        revision="0123456789abcdef0123456789abcdef01234567",
        ledger="fedcba9876543210fedcba9876543210fedcba98",
        problems=("GitUnavailable: https://git.example/models.git does not answer",),
        releases=(ON_TRIAL, PAUSED, ReleaseStatus(name="young", environment="local", phase="new")),
    ),
    "git": StatusReport(source="git", at=NOW, repository="/srv/models.git", revision="0123456789abcdef", releases=()),
}


@pytest.mark.parametrize("source", REPORTS)
@pytest.mark.parametrize("output", ["table", "wide", "json", "yaml"])
def test_status_is_as_published(source: str, output: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(readmodel, "read_status", lambda _: REPORTS[source])
    arguments = ["status", "-R", "https://git.example/models.git", "--state", str(tmp_path), "-o", output]
    printed = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert printed.exception is None
    assert printed.stderr == ""
    assert matches(f"status-{source}.{output}.txt", printed.stdout)
    if output == "json":
        assert StatusReport.model_validate_json(printed.stdout) == REPORTS[source]


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"COLUMNS": "40"}, {"TERM": "xterm-256color"}])
def test_what_is_no_terminal_gets_no_colours_and_one_width(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(readmodel, "read_status", lambda _: REPORTS["controller"])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    arguments = ["status", "-R", "https://git.example/models.git", "--state", str(tmp_path)]
    printed = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert matches("status-controller.table.txt", printed.stdout)
