"""A branch that loses commits stops everything until a person has looked."""

from __future__ import annotations

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.errors import Conflict
from releasectl.ports import Commit, Heads
from tests.adapters.git.conftest import OpenRepo
from tests.adapters.git.hosts import Host, git

LEDGER = "releasectl/ledger"


def _decided(repo: GitRepo, count: int) -> Heads:
    heads = repo.fetch()
    for number in range(count):
        heads = repo.push(heads, ledger=[Commit(f"Decide {number}", {f"{number}.json": b"{}"})])
    return heads


def test_a_ledger_set_back_is_reported_on_each_fetch_with_the_lost_commits(repo: GitRepo, host: Host) -> None:
    before = _decided(repo, 4)
    host.reset(LEDGER, f"{before.ledger}~3")
    for _ in range(2):
        with pytest.raises(Conflict, match=rf"{LEDGER} lost 3 commits: .* Decide 3; .* Decide 2; .* Decide 1"):
            repo.fetch()


def test_it_is_still_known_after_a_restart(open_repo: OpenRepo, host: Host) -> None:
    before = _decided(open_repo(mirror="one"), 2)
    host.reset(LEDGER, f"{before.ledger}~1")
    with pytest.raises(Conflict, match="Decide 1"):
        open_repo(mirror="one").fetch()


def test_a_person_acknowledges_and_work_goes_on(repo: GitRepo, host: Host) -> None:
    before = _decided(repo, 3)
    host.reset(LEDGER, f"{before.ledger}~2")
    with pytest.raises(Conflict):
        repo.fetch()
    now = repo.acknowledge_rewrite()
    assert now == repo.fetch() == Heads(before.manifests, host.head(LEDGER))
    repo.push(now, ledger=[Commit("Decide again", {"1.json": b"{}"})])
    assert host.subjects(LEDGER) == ["Decide again", "Decide 0"]


def test_commits_that_come_back_end_the_report(repo: GitRepo, host: Host) -> None:
    before = _decided(repo, 3)
    assert before.ledger
    host.reset(LEDGER, f"{before.ledger}~2")
    with pytest.raises(Conflict):
        repo.fetch()
    host.reset(LEDGER, before.ledger)
    assert repo.fetch() == before


def test_a_deleted_ledger_is_a_rewrite(repo: GitRepo, host: Host) -> None:
    _decided(repo, 2)
    git(host.path, "update-ref", "-d", f"refs/heads/{LEDGER}")
    with pytest.raises(Conflict, match="lost 2 commits"):
        repo.fetch()
    assert repo.acknowledge_rewrite().ledger is None


def test_a_rewritten_manifests_branch_is_one_as_well(repo: GitRepo, host: Host) -> None:
    first = repo.fetch().manifests
    host.commit({"releases/desk.yaml": "stable: 2\n"}, "Promote by hand")
    repo.fetch()
    host.reset("main", first)
    with pytest.raises(Conflict, match=r"main lost 1 commits: .* Promote by hand"):
        repo.fetch()


def test_a_push_onto_a_branch_that_was_set_back_does_not_bring_the_removed_commits_back(
    repo: GitRepo, host: Host
) -> None:
    before = _decided(repo, 3)
    host.reset(LEDGER, f"{before.ledger}~2")
    with pytest.raises(Conflict):
        repo.push(before, ledger=[Commit("Decide 3", {"3.json": b"{}"})])
    assert host.subjects(LEDGER) == ["Decide 0"]


def test_the_lost_commits_stay_readable_here(repo: GitRepo, host: Host) -> None:
    before = _decided(repo, 3)
    assert before.ledger
    host.reset(LEDGER, f"{before.ledger}~2")
    with pytest.raises(Conflict):
        repo.fetch()
    repo.acknowledge_rewrite()
    repo.maintain()
    assert [entry.message for entry in repo.log(before.ledger, limit=2)] == ["Decide 2\n", "Decide 1\n"]
