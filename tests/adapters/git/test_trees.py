"""What a commit holds, awkward contents included."""

from __future__ import annotations

import os

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.errors import Denied
from releasectl.ports import Commit, EntryKind, TreeEntry
from tests.adapters.git.conftest import OpenRepo
from tests.adapters.git.hosts import Host, git


def test_links_and_submodules_are_told_by_kind_and_never_followed(repo: GitRepo, host: Host) -> None:
    (host.clone / "link.yaml").symlink_to("/etc/passwd")
    module = git(host.clone, "rev-parse", "HEAD")
    git(host.clone, "update-index", "--add", "--cacheinfo", f"160000,{module},module")
    (host.clone / "module").mkdir()
    host.commit({})
    tree = repo.tree(repo.fetch().manifests)
    assert tree["link.yaml"].kind is EntryKind.SYMLINK
    assert tree["module"] == TreeEntry("module", module, EntryKind.SUBMODULE, 0)
    assert repo.read([tree["link.yaml"].oid]) == {tree["link.yaml"].oid: b"/etc/passwd"}


@pytest.mark.parametrize("warm", [False, True], ids=["listed in full", "as a change"])
def test_the_size_of_a_big_file_is_known_without_reading_it(repo: GitRepo, host: Host, warm: bool) -> None:
    if warm:
        repo.tree(repo.fetch().manifests)
    host.commit({"big.bin": b"\0" * (10 << 20)})
    assert repo.tree(repo.fetch().manifests)["big.bin"].size == 10 << 20


AWKWARD = ["with space.yaml", 'quo"te.yaml', "back\\slash.yaml", "ünï.yaml", "new\nline.yaml", "-dash.yaml", "*.yaml"]


def test_awkward_paths_are_written_listed_and_filtered_as_they_are(repo: GitRepo, host: Host) -> None:
    heads = repo.push(repo.fetch(), ledger=[Commit(f"Write {n}", {path: b"x"}) for n, path in enumerate(AWKWARD)])
    assert heads.ledger
    assert set(repo.tree(heads.ledger)) == set(AWKWARD)
    assert [entry.message for entry in repo.log(heads.ledger, path="*.yaml")] == [f"Write {len(AWKWARD) - 1}\n"]
    assert host.is_sound()


def test_a_path_that_is_no_utf8_survives(repo: GitRepo, host: Host) -> None:
    (host.clone / os.fsdecode(b"caf\xe9.yaml")).write_text("x")
    host.commit({})
    tree = repo.tree(repo.fetch().manifests)
    assert os.fsdecode(b"caf\xe9.yaml") in tree


def test_a_changed_listing_equals_a_full_one(repo: GitRepo, host: Host, open_repo: OpenRepo) -> None:
    heads = repo.fetch()
    for change in (
        Commit("Begin", {"x": b"0", "y/z": b"1"}),
        Commit("Change", {"a/b": b"1", "a/c": b"2", "x": b"10"}),
        Commit("Swap", {"a": b"now a file", "x/now": b"a folder"}, ("a/b", "a/c", "x", "y/z")),
    ):
        heads = repo.push(heads, ledger=[change])
        assert heads.ledger
        fresh = open_repo()
        assert fresh.fetch() == heads
        assert dict(repo.tree(heads.ledger)) == dict(fresh.tree(heads.ledger))


def test_the_two_branches_are_never_mixed_up(repo: GitRepo) -> None:
    heads = repo.fetch()
    for number in range(4):
        heads = repo.push(
            heads,
            manifests=[Commit("Edit", {"m.yaml": b"%d" % number})],
            ledger=[Commit("Decide", {f"{number}.json": b"{}"})],
        )
        assert heads.ledger
        assert set(repo.tree(heads.manifests)) == {"releases/desk.yaml", "policies/careful.yaml", "m.yaml"}
        assert set(repo.tree(heads.ledger)) == {f"{n}.json" for n in range(number + 1)}


def test_an_edit_keeps_the_mode_of_a_file(repo: GitRepo, host: Host) -> None:
    git(host.clone, "update-index", "--chmod=+x", "releases/desk.yaml")
    (host.clone / "releases/desk.yaml").chmod(0o755)
    host.commit({})
    repo.push(repo.fetch(), manifests=[Commit("Edit", {"releases/desk.yaml": b"stable: 3\n"})])
    assert git(host.path, "ls-tree", "main", "releases/desk.yaml").startswith("100755")


def test_a_link_is_not_written_through(repo: GitRepo, host: Host) -> None:
    (host.clone / "link.yaml").symlink_to("releases/desk.yaml")
    before = host.commit({})
    with pytest.raises(Denied, match=r"link\.yaml"):
        repo.push(repo.fetch(), manifests=[Commit("Edit", {"link.yaml": b"x"})])
    assert host.head("main") == before


IMPOSSIBLE = {
    "no change at all": Commit("Nothing"),
    "what is there already": Commit("Same", {"releases/desk.yaml": b"stable: 1\n"}),
    "the deletion of what is not there": Commit("Gone", deletes=("nowhere",)),
    "a path that leaves the repository": Commit("Out", {"../x": b""}),
    "a path into .git": Commit("In", {"a/.GIT/hooks/x": b""}),
    "an absolute path": Commit("Root", {"/etc/x": b""}),
    "a path both written and deleted": Commit("Both", {"a": b""}, ("a",)),
}


@pytest.mark.parametrize("commit", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_no_commit_is_made_of(repo: GitRepo, host: Host, commit: Commit) -> None:
    base = repo.fetch()
    with pytest.raises(ValueError, match=r"changes nothing|not a path|written and deleted"):
        repo.push(base, manifests=[commit])
    assert host.head("main") == base.manifests
