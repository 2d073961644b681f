"""Which repositories may be reached, and that no credential ever leaves through a text, a file or a process list."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from releasectl.adapters.git.remote import parse_remote, redact
from releasectl.adapters.git.repo import GitRepo
from releasectl.errors import Denied, ReleasectlError, UsageError
from releasectl.ports import Commit
from tests.adapters.git.hosts import Host
from tests.adapters.git.http_host import serve

TOKEN = "ghp_Zm9vYmFyYmF6"


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "--upload-pack=touch",
        "-x",
        "",
        "ftp://host/x",
        "ext+https://host/x",
        "ssh://-oProxyCommand=x/y",
        "ssh://-x@host/y",
        "https://host/x\ny",
        "transport::https://host/x",
        "ssh://git:secret@host/x",
    ],
)
def test_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_remote(url)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("/srv/x.git", "/srv/x.git"),
        ("file:///srv/x.git", "file:///srv/x.git"),
        ("https://host/x.git", "https://host/x.git"),
        ("https://bot:pw@host:8443/x.git", "https://host:8443/x.git"),
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("git@host:team/x.git", "git@host:team/x.git"),
    ],
)
def test_taken_and_handed_to_git_without_credentials(url: str, given: str) -> None:
    assert parse_remote(url).url == given


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_remote("x.git").url == str(tmp_path / "x.git")


@pytest.mark.parametrize(
    "text",
    [
        f"fatal: unable to access 'https://bot:{TOKEN}@host/x': 403",
        f"https://{TOKEN}@host/x",
        f"Authorization: Basic {TOKEN}",
        f"ssh://git:{TOKEN}@host",
        f"the token {TOKEN} twice {TOKEN}",
    ],
)
def test_redacted(text: str) -> None:
    assert TOKEN not in redact(text, (TOKEN,))


@pytest.mark.parametrize("text", ["https://host/a@b", "ssh://git@host/x", "mail bot@host", "no colon: here@x"])
def test_left_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("given", ["in the URL", "by a variable", "as the user"])
def test_a_token_works_and_is_nowhere_to_be_found(tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path, {"a.yaml": "a: 1\n"})
    user = {"in the URL": "bot", "by a variable": "x-access-token", "as the user": TOKEN}[given]
    password = "" if given == "as the user" else TOKEN
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    with serve(tmp_path, login=f"{user}:{password}") as server:
        login = {"in the URL": f"bot:{TOKEN}", "by a variable": "", "as the user": TOKEN}[given]
        variable = "DESK_TOKEN" if given == "by a variable" else None
        with GitRepo(server.url("host.git", login=login), mirror=tmp_path / "mirror", token_variable=variable) as repo:
            repo.push(repo.fetch(), ledger=[Commit("Decide", {"1": b"1"})])
            assert TOKEN not in repr(vars(repo)) + repr(repo._runner.remote) + repo.url
            assert not _command_lines_with(TOKEN)
    written = [file for file in (tmp_path / "mirror").rglob("*") if file.is_file()]
    assert written
    assert not [file for file in written if TOKEN.encode() in file.read_bytes()]
    assert host.files("releasectl/ledger") == ["1"]


def _command_lines_with(secret: str) -> list[str]:
    return [
        line
        for line in subprocess.run(
            ["ps", "-eo", "args"], capture_output=True, text=True, check=False
        ).stdout.splitlines()
        if secret in line
    ]


def test_a_wrong_token_is_denied_without_being_told(tmp_path: Path) -> None:
    Host(tmp_path, {"a.yaml": "a: 1\n"})
    with (
        serve(tmp_path, login="bot:right") as server,
        GitRepo(server.url("host.git", login=f"bot:{TOKEN}"), mirror=tmp_path / "mirror") as repo,
        pytest.raises(Denied) as refused,
    ):
        repo.fetch()
    assert TOKEN not in _everything(refused.value)
    assert "credentials" in refused.value.hint


def test_a_server_that_repeats_the_token_is_redacted(tmp_path: Path) -> None:
    host = Host(tmp_path, {"a.yaml": "a: 1\n"})
    host.hook("pre-receive", f"echo 'your token {TOKEN} may not push' >&2; exit 1\n")
    with (
        serve(tmp_path, login=f"bot:{TOKEN}") as server,
        GitRepo(server.url("host.git", login=f"bot:{TOKEN}"), mirror=tmp_path / "mirror") as repo,
        pytest.raises(Denied, match="may not push") as refused,
    ):
        repo.push(repo.fetch(), ledger=[Commit("Decide", {"1": b"1"})])
    assert TOKEN not in _everything(refused.value)


def test_an_unset_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESK_TOKEN", raising=False)
    with pytest.raises(Denied, match="DESK_TOKEN"):
        GitRepo("https://host/x.git", mirror=tmp_path, token_variable="DESK_TOKEN")


@pytest.mark.parametrize("branch", ["-x", "a..b", "a//b", "x.lock", "x/", "a b", "a:b", "a*", "", "@{1}", "a~1", "^a"])
def test_an_impossible_branch_is_refused(tmp_path: Path, branch: str) -> None:
    with pytest.raises(UsageError):
        GitRepo("/srv/x.git", mirror=tmp_path, branch=branch)


def _everything(error: ReleasectlError) -> str:
    chain: list[str] = []
    fault: BaseException | None = error
    while fault is not None:
        chain += [str(fault), repr(fault), getattr(fault, "hint", "")]
        fault = fault.__cause__ or fault.__context__
    return "\n".join(chain)
