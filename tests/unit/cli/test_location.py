"""Which repository a command speaks of, and the folder that belongs to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from releasectl.cli.location import Location, without_credentials
from releasectl.errors import UsageError


def find(repo: str | Path, state: str | None = "s") -> Location:
    return Location.find(str(repo), branch="main", ledger="releasectl/ledger", state=state)


def git(*arguments: str, cwd: Path) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    git("init", "--quiet", "--bare", "origin.git", cwd=tmp_path)
    git("clone", "--quiet", "origin.git", "clone", cwd=tmp_path)
    return tmp_path / "origin.git"


def test_a_bare_repository_is_itself(origin: Path) -> None:
    assert find(origin).url == str(origin)
    assert find(origin / "refs").url == str(origin)


def test_a_clone_stands_for_its_origin_from_any_folder_in_it(origin: Path) -> None:
    clone = origin.parent / "clone"
    (clone / "releases").mkdir()
    assert find(clone).url == str(origin)
    assert find(clone / "releases").url == str(origin)
    git("remote", "set-url", "origin", "../origin.git", cwd=clone)
    assert find(clone / "releases").url == str(origin)
    git("remote", "set-url", "origin", "git@git.example:team/models.git", cwd=clone)
    assert find(clone).url == "git@git.example:team/models.git"


def test_a_repository_without_an_origin_is_itself(tmp_path: Path) -> None:
    git("init", "--quiet", "alone", cwd=tmp_path)
    assert find(tmp_path / "alone").url == str(tmp_path / "alone")


def test_a_hook_does_not_mislead(origin: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    git("init", "--quiet", "--bare", "other.git", cwd=tmp_path)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other.git"))
    assert find(origin).url == str(origin)


@pytest.mark.parametrize("address", ["https://git.example/a.git", "ssh://git@git.example/a.git", "file:///srv/a.git"])
def test_an_address_is_taken_as_it_is(address: str) -> None:
    assert find(address).url == address


def test_what_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a git repository"):
        find(tmp_path)
    with pytest.raises(UsageError, match="there is no repository at"):
        find(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://git.example/a.git", "https://git.example/a.git"),
        ("https://token@git.example/a.git", "https://git.example/a.git"),
        ("https://ada:SECRET@git.example:8443/a.git", "https://git.example:8443/a.git"),
        ("https://ada:SE@CR/ET@git.example/a.git", "https://git.example/a.git"),
        ("https://git.example/a.git?private_token=SECRET", "https://git.example/a.git"),
        ("git@git.example:team/a.git", "git@git.example:team/a.git"),
        ("/srv/a.git", "/srv/a.git"),
    ],
)
def test_credentials_are_not_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
    assert find(url if "://" in url or "@" in url else "https://x/" + url).shown_url.endswith(shown)
    assert "SECRET" not in repr(find("https://ada:SECRET@git.example/a.git"))


@pytest.mark.parametrize(
    "url",
    ["http://ada:SECRET@127.0.0.1:1", "http://ada:SECRET@h/", "http://h/x.git?t=SECRET", "http://a:SECRET@h/x.git"],
)
def test_the_default_folder_is_named_without_them(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    state = find(url, None).state
    assert state.parent == tmp_path / "releasectl"
    assert "SECRET" not in state.name
    assert state == find(url, None).state
    assert state != find(url + "x", None).state


def test_a_controller_that_has_ended_does_not_listen(tmp_path: Path) -> None:
    location = find("https://git.example/a.git", str(tmp_path))
    assert location.controller_url() is None
    ended = subprocess.Popen(["true"])
    ended.wait()
    for text in ("", "{}", "[]", f'{{"pid": {ended.pid}, "url": "http://127.0.0.1:1"}}'):
        location.controller_file.write_text(text)
        assert location.controller_url() is None, text
