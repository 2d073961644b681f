"""The mirror is a cache: damaged, stale or lost, it comes back; what is not ours is left alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.errors import Conflict, Denied, Unavailable
from releasectl.ports import Commit
from tests.adapters.git.conftest import OpenRepo
from tests.adapters.git.hosts import Host, git

LEDGER = "releasectl/ledger"


def _truncate(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(b"")


def _loose(mirror: Path, name: str) -> Path:
    return mirror / "objects" / name[:2] / name[2:]


@pytest.mark.parametrize("reopened", [False, True], ids=["while running", "after a restart"])
@pytest.mark.parametrize("what", ["blob", "commit", "pack", "refs", "head", "everything"])
def test_a_damaged_mirror_is_cloned_again(
    open_repo: OpenRepo, host: Host, tmp_path: Path, what: str, reopened: bool
) -> None:
    repo = open_repo(mirror="mirror")
    heads = repo.push(repo.fetch(), manifests=[Commit("Edit", {"releases/desk.yaml": b"stable: 1.5\n"})])
    entry = repo.tree(heads.manifests)["releases/desk.yaml"]
    mirror = tmp_path / "mirror"
    match what:
        case "blob":
            _truncate(_loose(mirror, entry.oid))
        case "commit":
            _truncate(_loose(mirror, heads.manifests))
        case "pack":
            _truncate(next(mirror.glob("objects/pack/*.pack")))
        case "refs":
            (mirror / "refs/remotes/origin/main").write_bytes(b"\0" * 41)
        case "head":
            (mirror / "HEAD").write_bytes(b"")
        case _:
            shutil.rmtree(mirror / "objects")
    if reopened:
        repo.close()
        repo = open_repo(mirror="mirror")
    sha = host.commit({"releases/desk.yaml": "stable: 2\n"})
    now = repo.fetch()
    assert now.manifests == sha
    assert repo.read([entry.oid]) == {entry.oid: b"stable: 1.5\n"}
    assert set(repo.tree(sha)) == {"releases/desk.yaml", "policies/careful.yaml"}
    repo.push(now, ledger=[Commit("Decide", {"1": b"1"})])
    assert host.is_sound()


def test_a_mirror_cloned_again_still_knows_what_it_had_seen(open_repo: OpenRepo, host: Host, tmp_path: Path) -> None:
    repo = open_repo(mirror="mirror")
    heads = repo.fetch()
    for number in range(3):
        heads = repo.push(heads, ledger=[Commit(f"Decide {number}", {f"{number}": b"x"})])
    repo.close()
    shutil.rmtree(tmp_path / "mirror" / "objects")
    host.reset(LEDGER, f"{heads.ledger}~1")
    again = open_repo(mirror="mirror")
    with pytest.raises(Conflict, match=f"{LEDGER} lost"):
        again.fetch()


def test_a_damaged_mirror_is_kept_while_the_host_is_away(repo: GitRepo, host: Host, tmp_path: Path) -> None:
    heads = repo.push(repo.fetch(), ledger=[Commit("Decide", {"1": b"one", "2": b"two"})])
    assert heads.ledger
    tree = repo.tree(heads.ledger)
    _truncate(_loose(tmp_path / "mirror-0", tree["1"].oid))
    away = host.path.rename(tmp_path / "away.git")
    with pytest.raises(Unavailable):
        repo.read([tree["1"].oid])
    assert repo.known() == heads
    assert repo.read([tree["2"].oid]) == {tree["2"].oid: b"two"}
    away.rename(host.path)
    assert repo.read([tree["1"].oid]) == {tree["1"].oid: b"one"}


def test_a_lost_mirror_is_cloned_again(open_repo: OpenRepo, tmp_path: Path) -> None:
    heads = open_repo(mirror="mirror").fetch()
    shutil.rmtree(tmp_path / "mirror")
    assert open_repo(mirror="mirror").fetch() == heads


def test_a_mirror_deleted_under_a_running_controller_is_cloned_again(repo: GitRepo, host: Host, tmp_path: Path) -> None:
    heads = repo.push(repo.fetch(), ledger=[Commit("Decide", {"1": b"1"})])
    shutil.rmtree(tmp_path / "mirror-0")
    assert repo.fetch() == heads
    assert set(repo.tree(heads.manifests)) == {"releases/desk.yaml", "policies/careful.yaml"}
    assert repo.push(heads, ledger=[Commit("Decide", {"2": b"2"})]).ledger == host.head(LEDGER)


def test_a_place_that_cannot_be_used_is_denied(open_repo: OpenRepo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Denied, match="cannot be made"):
        open_repo(mirror="file/mirror").fetch()


def test_lock_files_of_a_killed_git_are_taken_away(open_repo: OpenRepo, host: Host, tmp_path: Path) -> None:
    open_repo(mirror="mirror").fetch()
    for name in ("packed-refs.lock", "HEAD.lock", "refs/remotes/origin/main.lock"):
        (tmp_path / "mirror" / name).write_text("")
    sha = host.commit({"x.yaml": "x\n"})
    repo = open_repo(mirror="mirror")
    assert repo.push(repo.fetch(), ledger=[Commit("Decide", {"1": b"1"})]).manifests == sha


def test_a_folder_with_other_contents_is_refused_and_left_alone(open_repo: OpenRepo, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    with pytest.raises(Denied, match="no mirror of ours"):
        open_repo(mirror="photos").fetch()
    assert [file.name for file in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_a_mirror_of_another_repository_starts_anew(open_repo: OpenRepo, tmp_path: Path) -> None:
    open_repo(mirror="mirror").fetch()
    other = Host(tmp_path / "other", {"other.yaml": "x\n"})
    repo = open_repo(str(other.path), mirror="mirror")
    assert set(repo.tree(repo.fetch().manifests)) == {"other.yaml"}


def test_an_object_nobody_has_is_unavailable_and_the_sound_mirror_stays(repo: GitRepo, tmp_path: Path) -> None:
    repo.fetch()
    marker = (tmp_path / "mirror-0").stat().st_ino
    with pytest.raises(Unavailable):
        repo.read(["a" * 40])
    with pytest.raises(Unavailable):
        repo.tree("a" * 40)
    with pytest.raises(Unavailable):
        repo.log("a" * 40)
    assert (tmp_path / "mirror-0").stat().st_ino == marker


@pytest.mark.parametrize("name", ["HEAD", "--help", "main", "a" * 39, "../x"])
def test_only_full_object_names_are_taken(repo: GitRepo, name: str) -> None:
    repo.fetch()
    for ask in (repo.tree, repo.log, lambda oid: repo.read([oid])):
        with pytest.raises(ValueError, match="not the name of an object"):
            ask(name)


def test_maintenance_packs_loose_objects_and_nothing_is_lost(repo: GitRepo, host: Host, tmp_path: Path) -> None:
    heads = repo.fetch()
    base = heads
    # Each push leaves a pack of its own once it is past the limit of loose objects.
    for number in range(25):
        files = {f"{number}/{n}.json": b"%d %d" % (number, n) for n in range(100)}
        heads = repo.push(heads, ledger=[Commit(f"Decide {number}", files)])
    packs = len(list((tmp_path / "mirror-0/objects/pack").glob("*.pack")))
    repo.maintain()
    assert len(list((tmp_path / "mirror-0/objects/pack").glob("*.pack"))) < packs
    assert repo.fetch() == heads
    assert heads.ledger
    assert len(repo.tree(heads.ledger)) == 2500
    assert set(repo.tree(base.manifests)) == {"releases/desk.yaml", "policies/careful.yaml"}
    assert git(tmp_path / "mirror-0", "fsck", "--connectivity-only") == ""


def test_the_persons_own_git_settings_change_nothing(
    open_repo: OpenRepo, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = tmp_path / "gitconfig"
    evil.write_text(
        f'[core]\n\thooksPath = {tmp_path}\n[commit]\n\tgpgSign = true\n[url "ext::touch {tmp_path}/owned"]\n'
        f"\tinsteadOf = {host.path}\n"
    )
    (tmp_path / "reference-transaction").write_text(f"#!/bin/sh\ntouch {tmp_path}/owned\n")
    (tmp_path / "reference-transaction").chmod(0o755)
    for name, value in {
        "GIT_CONFIG_GLOBAL": str(evil),
        "GIT_DIR": "/nowhere",
        "GIT_WORK_TREE": "/nowhere",
        "GIT_INDEX_FILE": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_NAMESPACE": "elsewhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(tmp_path),
        "GIT_CONFIG_PARAMETERS": f"'core.hooksPath={tmp_path}'",
        "GIT_TRACE": "1",
        "GIT_TRACE_CURL": "1",
        "LC_ALL": "de_DE.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    repo = open_repo()
    repo.push(repo.fetch(), ledger=[Commit("Decide", {"1": b"1"})])
    assert host.files(LEDGER) == ["1"]
    assert not (tmp_path / "owned").exists()
