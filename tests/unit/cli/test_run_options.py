"""What `run` refuses to start with, each with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasectl.cli.main import main
from tests.adapters.git.keys import ssh_key
from tests.scenarios.world import prepare, run_git


@pytest.fixture
def repository(tmp_path: Path) -> str:
    run_git("init", "--quiet", "--bare", "--template=", str(tmp_path / "r.git"), cwd=tmp_path)
    return str(tmp_path / "r.git")


@pytest.mark.parametrize(
    ("secret", "options", "said"),
    [
        ("", ["--listen-hooks", "127.0.0.1:0"], "RELEASECTL_WEBHOOK_SECRET for the webhooks' secret is not set"),
        ("known", ["--webhook-secret-variable", "MINE"], "MINE for the webhooks' secret is not set"),
        ("known", ["--listen-hooks", "8687"], "--listen-hooks '8687' is not HOST:PORT"),
        ("", ["--listen", "127.0.0.1:x"], "--listen '127.0.0.1:x' is not HOST:PORT"),
        ("", ["--sign-key", "nothing-here"], "nothing-here"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(
    repository: str,
    secret: str,
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("RELEASECTL_WEBHOOK_SECRET", secret)
    assert main(["run", "-R", repository, "--state", str(tmp_path / "state"), "--once", *options]) == 64
    assert said in capsys.readouterr().err


def test_a_key_that_cannot_sign_is_refused_before_the_first_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin = prepare(tmp_path, releases=())
    key = ssh_key(tmp_path, "locked", passphrase="planted words")
    state = str(tmp_path / "state")
    assert (
        main(["run", "-R", str(origin), "--state", state, "--once", "--listen", "127.0.0.1:0", "--sign-key", str(key)])
        == 5
    )
    said = capsys.readouterr().err
    assert f"could not be signed with {key}" in said
    assert "passphrase" in said and "planted" not in said
