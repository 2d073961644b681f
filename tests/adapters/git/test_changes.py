"""A branch followed along its first parents: who changed what, and who merely came along."""

from __future__ import annotations

from releasectl.adapters.git.repo import GitRepo
from tests.adapters.git.conftest import OpenRepo
from tests.adapters.git.hosts import Host, git


def _told(repo: GitRepo, old: str | None, new: str, **options: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(change.subject, change.paths) for change in repo.changes(old, new, **options)]


def test_commits_come_oldest_first_with_what_they_changed(repo: GitRepo, host: Host) -> None:
    first = repo.fetch().manifests
    host.commit({"a b/ñ\n.yaml": "1"}, "Odd name")
    host.commit({"x": "1", "y": "1"}, "Two files")
    git(host.clone, "rm", "--quiet", "x")
    host.commit({}, "Delete")
    head = repo.fetch().manifests
    since = [("Odd name", ("a b/ñ\n.yaml",)), ("Two files", ("x", "y")), ("Delete", ("x",))]
    assert _told(repo, first, head) == since
    assert _told(repo, None, head) == [("Begin", ("policies/careful.yaml", "releases/desk.yaml")), *since]
    assert _told(repo, head, head) == []


def test_a_commit_that_changes_nothing_has_no_paths(repo: GitRepo, host: Host) -> None:
    first = repo.fetch().manifests
    git(host.clone, "commit", "--quiet", "--allow-empty", "-m", "Nothing")
    git(host.clone, "push", "--quiet", "origin", "HEAD:main")
    host.commit({"x": "1"}, "Something")
    assert _told(repo, first, repo.fetch().manifests) == [("Nothing", ()), ("Something", ("x",))]


def test_a_file_named_like_a_commit_confuses_nobody(repo: GitRepo, host: Host) -> None:
    first = repo.fetch().manifests
    second = host.commit({"x": "1"}, "Two")
    host.commit({first: "1", second: "1", "y": "1"}, "Three")
    assert _told(repo, first, repo.fetch().manifests) == [
        ("Two", ("x",)),
        ("Three", tuple(sorted([first, second, "y"]))),
    ]


def test_a_merge_has_changed_all_that_it_brought(repo: GitRepo, host: Host) -> None:
    first = repo.fetch().manifests
    git(host.clone, "checkout", "--quiet", "-b", "feature", first)
    for name in ("f1", "f2"):
        (host.clone / name).write_text("1")
        git(host.clone, "add", name)
        git(host.clone, "commit", "--quiet", "-m", f"Feature {name}")
    host.commit({"m": "1"}, "On main")
    git(host.clone, "merge", "--quiet", "--no-ff", "-m", "Merge", "feature")
    git(host.clone, "push", "--quiet", "origin", "HEAD:main")
    assert _told(repo, first, repo.fetch().manifests) == [("On main", ("m",)), ("Merge", ("f1", "f2"))]


def test_a_line_that_does_not_lead_through_the_old_commit_is_one_change(repo: GitRepo, host: Host) -> None:
    first = repo.fetch().manifests
    old = host.commit({"m": "1"}, "On main")
    git(host.clone, "checkout", "--quiet", "-b", "draft", first)
    (host.clone / "d").write_text("1")
    git(host.clone, "add", "d")
    git(host.clone, "commit", "--quiet", "-m", "Draft")
    git(host.clone, "merge", "--quiet", "--no-ff", "-m", "Main into draft", old)
    git(host.clone, "push", "--quiet", "origin", "HEAD:main")
    assert _told(repo, old, repo.fetch().manifests) == [("Main into draft", ("d",))]


def test_commits_that_bring_or_take_a_text_are_found(open_repo: OpenRepo, host: Host) -> None:
    host.commit({"e.yaml": "trust: {signers: a}\n"}, "Bring")
    host.commit({"e.yaml": "trust: {signers: b}\n"}, "Change beside it")
    host.commit({"e.yaml": "trust: {}\n"}, "Take")
    repo = open_repo()
    head = repo.fetch().manifests
    assert [name for name, _ in _told(repo, None, head, containing="signers")] == ["Bring", "Take"]
