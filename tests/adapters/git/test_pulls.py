"""Heads of pull requests in the mirror, and merges without a work tree."""

from __future__ import annotations

from contextlib import ExitStack
from random import Random

import pytest

from releasectl.adapters.git.pulls import fetch_head
from releasectl.adapters.git.repo import GitRepo
from releasectl.errors import Conflict, Denied, Unavailable
from tests.adapters.git.conftest import OpenRepo
from tests.adapters.git.hosts import Host, git
from tests.adapters.git.http_host import serve

MANIFEST = "releases/desk.yaml"


def proposed(host: Host, number: int, files: dict[str, str], start: str = "main") -> str:
    """A commit that a pull request asks for, under the ref that GitHub and Gitea give it."""
    git(host.clone, "checkout", "--quiet", "-B", f"try-{number}", start)
    for path, text in files.items():
        (host.clone / path).write_text(text)
    git(host.clone, "add", "--all")
    git(host.clone, "commit", "--quiet", "--allow-empty", "-m", "Propose")
    git(host.clone, "push", "--quiet", "--force", "origin", f"HEAD:refs/pull/{number}/head")
    head = git(host.clone, "rev-parse", "HEAD")
    git(host.clone, "checkout", "--quiet", "main")
    return head


def test_the_merge_of_a_pull_request_is_read_like_a_commit(repo: GitRepo, host: Host) -> None:
    head = proposed(host, 7, {MANIFEST: "stable: 2\n"})
    host.commit({"policies/careful.yaml": "alpha: 0.01\n"})
    base = repo.fetch().manifests
    assert repo.pull_head("refs/pull/7/head", 7) == head
    tree = repo.tree(repo.merged(base, head))
    contents = repo.read([entry.oid for entry in tree.values()])
    assert contents[tree[MANIFEST].oid] == b"stable: 2\n"
    assert contents[tree["policies/careful.yaml"].oid] == b"alpha: 0.01\n"
    assert repo.tree(base)[MANIFEST].oid != tree[MANIFEST].oid


def test_a_head_that_moved_back_is_followed(repo: GitRepo, host: Host) -> None:
    first = proposed(host, 7, {MANIFEST: "stable: 2\n"})
    repo.fetch()
    assert repo.pull_head("refs/pull/7/head", 7) == first
    second = proposed(host, 7, {MANIFEST: "stable: 3\n"})
    assert repo.pull_head("refs/pull/7/head", 7) == second


def test_a_conflict_names_the_files(repo: GitRepo, host: Host) -> None:
    head = proposed(host, 7, {MANIFEST: "stable: 2\n"})
    host.commit({MANIFEST: "stable: 3\n"})
    base = repo.fetch().manifests
    repo.pull_head("refs/pull/7/head", 7)
    with pytest.raises(Conflict, match=f"both sides have changed {MANIFEST}$"):
        repo.merged(base, head)


def test_a_branch_without_a_common_commit_cannot_be_merged(repo: GitRepo, host: Host) -> None:
    git(host.clone, "checkout", "--quiet", "--orphan", "stray")
    git(host.clone, "commit", "--quiet", "-m", "Stray")
    git(host.clone, "push", "--quiet", "origin", "HEAD:refs/pull/8/head")
    base = repo.fetch().manifests
    head = repo.pull_head("refs/pull/8/head", 8)
    with pytest.raises(Conflict, match="no commit in common"):
        repo.merged(base, head)


def test_a_pull_request_that_is_not_there_is_unavailable(repo: GitRepo) -> None:
    repo.fetch()
    with pytest.raises(Unavailable):
        repo.pull_head("refs/pull/99/head", 99)


def test_nothing_but_heads_of_pull_requests_is_brought_here(repo: GitRepo) -> None:
    repo.fetch()
    for ref in ("refs/heads/main", "refs/pull/1/head:refs/heads/main", "--upload-pack=x", "refs/pull/../head"):
        with pytest.raises(ValueError, match="not the head of a pull request"):
            repo.pull_head(ref, 1)


def test_a_closed_pull_request_is_let_go(repo: GitRepo, host: Host) -> None:
    proposed(host, 7, {MANIFEST: "stable: 2\n"})
    proposed(host, 8, {MANIFEST: "stable: 3\n"})
    repo.fetch()
    repo.pull_head("refs/pull/7/head", 7)
    repo.pull_head("refs/pull/8/head", 8)
    repo.forget_pulls([8])
    mirror = repo._runner.directory
    assert git(mirror, "for-each-ref", "--format=%(refname)", "refs/releasectl/pulls/") == "refs/releasectl/pulls/8"


@pytest.mark.parametrize("way", ["path", "file", "http"])
@pytest.mark.parametrize("files", [1, 60], ids=["in one file", "in many files"])
def test_a_head_that_brings_too_much_is_refused_and_leaves_nothing(
    host: Host, open_repo: OpenRepo, way: str, files: int
) -> None:
    with ExitStack() as stack:
        url = {"path": lambda: str(host.path), "file": lambda: f"file://{host.path}"}.get(
            way, lambda: stack.enter_context(serve(host.path.parent)).url(host.path.name)
        )()
        repo = open_repo(url)
        repo.fetch()
        size, random = 3 << 20, Random(1)
        proposed(host, 7, {f"model-{n}.bin": random.randbytes(size // files).hex() for n in range(files)})
        head = proposed(host, 8, {MANIFEST: "stable: 2\n"})
        before = _objects(repo)
        with pytest.raises(Denied, match="brings more than 1 MB"):
            fetch_head(repo._runner, "refs/pull/7/head", 7, most=1 << 20)
        assert _objects(repo) == before
        assert fetch_head(repo._runner, "refs/pull/8/head", 8, most=1 << 20) == head
        # What is within the limit is not refused.
        assert repo.pull_head("refs/pull/7/head", 7)


def _objects(repo: GitRepo) -> set[str]:
    return {path.name for path in (repo.directory / "objects").rglob("*") if path.is_file()}
