"""What every ReleaseRepo promises, asked of the git adapter over each way to reach a repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.errors import Conflict
from releasectl.ports import Commit, EntryKind, Heads, ReleaseRepo
from tests.adapters.git.hosts import Host
from tests.adapters.git.http_host import serve


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, {"a.yaml": "a: 1\n", "deep/er/b.yaml": "b: 1\n"})


_SSH = """#!/bin/sh
# Takes the place of ssh and sshd: runs the last argument here.
for last; do :; done
exec sh -c "$last"
"""


@pytest.fixture(params=["a path", "file://", "http://", "ssh://"])
def repo(
    request: pytest.FixtureRequest, tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ReleaseRepo]:
    with ExitStack() as stack:
        if request.param == "http://":
            url = stack.enter_context(serve(tmp_path, login="bot:s3cret")).url("host.git", login="bot:s3cret")
        elif request.param == "ssh://":
            (tmp_path / "ssh").write_text(_SSH)
            (tmp_path / "ssh").chmod(0o755)
            monkeypatch.setenv("GIT_SSH_COMMAND", str(tmp_path / "ssh"))
            url = f"ssh://git@localhost{host.path}"
        else:
            url = str(host.path) if request.param == "a path" else host.path.as_uri()
        yield stack.enter_context(GitRepo(url, mirror=tmp_path / "mirror"))


def test_a_new_repository_has_manifests_and_no_ledger(repo: ReleaseRepo, host: Host) -> None:
    assert repo.fetch() == Heads(str(host.head("main")), None)


def test_a_fetch_finds_what_a_person_pushed(repo: ReleaseRepo, host: Host) -> None:
    before = repo.fetch()
    sha = host.commit({"a.yaml": "a: 2\n"})
    after = repo.fetch()
    assert (after.manifests, after) == (sha, repo.fetch())
    assert before != after


def test_a_tree_names_every_file_and_read_gives_its_bytes(repo: ReleaseRepo) -> None:
    tree = repo.tree(repo.fetch().manifests)
    assert {path: entry.kind for path, entry in tree.items()} == {
        "a.yaml": EntryKind.FILE,
        "deep/er/b.yaml": EntryKind.FILE,
    }
    assert repo.read(entry.oid for entry in tree.values()) == {
        tree["a.yaml"].oid: b"a: 1\n",
        tree["deep/er/b.yaml"].oid: b"b: 1\n",
    }
    assert {entry.size for entry in tree.values()} == {5}


def test_only_what_changed_gets_a_new_oid(repo: ReleaseRepo, host: Host) -> None:
    before = repo.tree(repo.fetch().manifests)
    host.commit({"a.yaml": "a: 22\n", "c.yaml": "c: 1\n"})
    after = repo.tree(repo.fetch().manifests)
    assert {path for path in after if after[path] != before.get(path)} == {"a.yaml", "c.yaml"}
    assert after["a.yaml"].size == 6


def test_a_push_lands_on_both_branches(repo: ReleaseRepo, host: Host) -> None:
    heads = repo.push(
        repo.fetch(),
        manifests=[Commit("Promote", {"a.yaml": b"a: 2\n"}, deletes=("deep/er/b.yaml",))],
        ledger=[Commit("Decide", {"releases/a/state.json": b"{}"})],
    )
    assert (host.head("main"), host.head("releasectl/ledger")) == (heads.manifests, heads.ledger)
    assert host.show("main", "a.yaml") == "a: 2"
    assert host.files("main") == ["a.yaml"]
    assert host.files("releasectl/ledger") == ["releases/a/state.json"]
    assert repo.fetch() == heads
    assert host.is_sound()


def test_commits_of_one_push_follow_each_other(repo: ReleaseRepo, host: Host) -> None:
    commits = [Commit(f"Decide {n}", {f"{n}.json": b"%d" % n}) for n in range(3)]
    heads = repo.push(repo.fetch(), ledger=commits)
    repo.push(heads, ledger=[Commit("Decide 3", {"3.json": b"3"})])
    assert host.subjects("releasectl/ledger") == ["Decide 3", "Decide 2", "Decide 1", "Decide 0"]
    assert host.files("releasectl/ledger") == ["0.json", "1.json", "2.json", "3.json"]


@pytest.mark.parametrize("branch", ["main", "releasectl/ledger"])
def test_if_either_branch_has_moved_nothing_is_written(repo: ReleaseRepo, host: Host, branch: str) -> None:
    base = repo.push(repo.fetch(), ledger=[Commit("First", {"1": b"1"})])
    moved = host.commit({"z.yaml": "z\n"}, branch=branch)
    heads = {"main": base.manifests, "releasectl/ledger": base.ledger, branch: moved}
    with pytest.raises(Conflict):
        repo.push(base, manifests=[Commit("Edit", {"a.yaml": b"x"})], ledger=[Commit("Decide", {"2": b"2"})])
    assert {name: host.head(name) for name in heads} == heads


def test_a_decision_on_an_old_manifest_is_refused(repo: ReleaseRepo, host: Host) -> None:
    base = repo.push(repo.fetch(), ledger=[Commit("First", {"1": b"1"})])
    host.commit({"a.yaml": "a: 3\n"})
    with pytest.raises(Conflict):
        repo.push(base, ledger=[Commit("Decide", {"2": b"2"})])
    assert host.head("releasectl/ledger") == base.ledger


def test_the_first_ledger_commit_is_refused_if_a_ledger_came_into_being(repo: ReleaseRepo, host: Host) -> None:
    base = repo.fetch()
    host.reset("releasectl/ledger", base.manifests)
    with pytest.raises(Conflict):
        repo.push(base, ledger=[Commit("Decide", {"1": b"1"})])
    assert host.head("releasectl/ledger") == base.manifests


def test_history_is_read_back_newest_first_with_trailers(repo: ReleaseRepo) -> None:
    message = "release(a): roll back\n\nIt failed.\n\nReleasectl-Decision: ROLLBACK\nReleasectl-Release: a\n"
    first = Commit("First", {"a/1": b"1"}, author=("Grace", "grace@example.com"))
    heads = repo.push(repo.fetch(), ledger=[first, Commit(message, {"b/1": b"1"})])
    assert heads.ledger
    newest, oldest = repo.log(heads.ledger)
    assert (newest.sha, newest.message) == (heads.ledger, message)
    assert newest.trailers == (("Releasectl-Decision", "ROLLBACK"), ("Releasectl-Release", "a"))
    assert (oldest.author, oldest.trailers) == ("Grace <grace@example.com>", ())
    assert [entry.sha for entry in repo.log(heads.ledger, limit=1)] == [newest.sha]
    assert [entry.sha for entry in repo.log(heads.ledger, path="a")] == [oldest.sha]


def test_a_push_without_commits_changes_nothing(repo: ReleaseRepo, host: Host) -> None:
    base = repo.fetch()
    assert repo.push(base) == base
    assert host.head("releasectl/ledger") is None


def test_heads_are_known_without_the_host_once_they_were_fetched(repo: ReleaseRepo, host: Host, tmp_path: Path) -> None:
    assert repo.known() is None
    heads = repo.push(repo.fetch(), ledger=[Commit("Decide", {"1": b"1"})])
    host.path.rename(tmp_path / "away.git")
    assert repo.known() == heads
    assert heads.ledger
    assert set(repo.tree(heads.ledger)) == {"1"}


def test_a_proposal_is_a_branch_of_its_own_that_is_found_again(repo: ReleaseRepo, host: Host) -> None:
    base = repo.fetch()
    assert repo.find_branch("proposed/a") is None
    made = repo.propose(base.manifests, Commit("Propose", {"a.yaml": b"a: 2\n"}), branch="proposed/a")
    assert repo.find_branch("proposed/a") == made == str(host.head("proposed/a"))
    assert repo.fetch() == base
    entries = repo.tree(made)
    assert repo.read([entries["a.yaml"].oid]) == {entries["a.yaml"].oid: b"a: 2\n"}


def test_a_proposal_is_not_pushed_over_what_somebody_put_there(repo: ReleaseRepo, host: Host) -> None:
    base = repo.fetch().manifests
    first = repo.propose(base, Commit("Propose", {"a.yaml": b"a: 2\n"}), branch="proposed/a")
    with pytest.raises(Conflict):
        repo.propose(base, Commit("Propose", {"a.yaml": b"a: 3\n"}), branch="proposed/a")
    edited = host.commit({"a.yaml": "a: 4\n"}, branch="proposed/a")
    with pytest.raises(Conflict):
        repo.propose(base, Commit("Propose", {"a.yaml": b"a: 3\n"}), branch="proposed/a", replaces=first)
    again = repo.propose(base, Commit("Propose", {"a.yaml": b"a: 3\n"}), branch="proposed/a", replaces=edited)
    assert repo.find_branch("proposed/a") == again
