"""A push or fetch that does not happen says why in the family that tells the loop what to do."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from releasectl.adapters.git.rejections import fetch_error, parse_porcelain, push_error
from releasectl.adapters.git.repo import GitRepo
from releasectl.errors import Conflict, Denied, ReleasectlError, Unavailable
from releasectl.ports import Commit
from tests.adapters.git.conftest import OpenRepo
from tests.adapters.git.hosts import Host, git

EDIT = Commit("Edit", {"releases/desk.yaml": b"stable: 2\n"})
DECIDE = Commit("Decide", {"releases/desk/state.json": b"{}"})


def test_a_hook_that_declines_is_denied_with_its_first_words(repo: GitRepo, host: Host) -> None:
    host.hook("pre-receive", "echo; echo 'only on weekdays' >&2; echo 'see the wiki' >&2; exit 1\n")
    base = repo.fetch()
    with pytest.raises(Denied, match="only on weekdays"):
        repo.push(base, manifests=[EDIT], ledger=[DECIDE])
    assert (host.head("main"), host.head("releasectl/ledger")) == (base.manifests, None)


def test_a_protected_branch_is_denied_and_the_ledger_stays_unwritten(repo: GitRepo, host: Host) -> None:
    host.hook("update", '[ "$1" != refs/heads/main ] || { echo "GitLab: You are not allowed to push" >&2; exit 1; }\n')
    base = repo.fetch()
    with pytest.raises(Denied, match="not allowed to push"):
        repo.push(base, manifests=[EDIT], ledger=[DECIDE])
    assert (host.head("main"), host.head("releasectl/ledger")) == (base.manifests, None)
    assert repo.push(base, ledger=[DECIDE]).ledger == host.head("releasectl/ledger")


def test_a_server_without_atomic_pushes_is_denied_with_a_hint(repo: GitRepo, host: Host) -> None:
    git(host.path, "config", "receive.advertiseAtomic", "false")
    with pytest.raises(Denied) as refused:
        repo.push(repo.fetch(), manifests=[EDIT], ledger=[DECIDE])
    assert "atomic" in refused.value.hint
    assert host.head("releasectl/ledger") is None


def test_a_work_tree_with_the_branch_checked_out_is_denied_with_a_hint(open_repo: OpenRepo, host: Host) -> None:
    repo = open_repo(str(host.clone))
    with pytest.raises(Denied) as refused:
        repo.push(repo.fetch(), manifests=[EDIT])
    assert "bare" in refused.value.hint


def test_a_branch_named_like_the_ledgers_folder_is_denied_not_retried(repo: GitRepo, host: Host) -> None:
    base = repo.fetch()
    host.reset("releasectl", base.manifests)
    with pytest.raises(Denied) as refused:
        repo.push(base, ledger=[DECIDE])
    assert "rename" in refused.value.hint


def test_a_host_that_vanishes_is_unavailable_and_found_again(repo: GitRepo, host: Host, tmp_path: Path) -> None:
    base = repo.fetch()
    away = host.path.rename(tmp_path / "away.git")
    with pytest.raises(Unavailable):
        repo.fetch()
    with pytest.raises(Unavailable):
        repo.push(base, ledger=[DECIDE])
    assert repo.read([repo.tree(base.manifests)["releases/desk.yaml"].oid])
    away.rename(host.path)
    assert repo.fetch() == base
    assert repo.push(base, ledger=[DECIDE]).ledger == host.head("releasectl/ledger")


def test_a_missing_branch_names_those_that_exist(open_repo: OpenRepo) -> None:
    with pytest.raises(Unavailable, match="no branch trunk") as missing:
        open_repo(branch="trunk").fetch()
    assert "main" in missing.value.hint


def test_an_empty_repository_says_what_to_do(open_repo: OpenRepo, tmp_path: Path) -> None:
    empty = Host(tmp_path / "empty", {})
    with pytest.raises(Unavailable, match="no commits yet"):
        open_repo(str(empty.path)).fetch()


def test_a_closed_port_is_unavailable(open_repo: OpenRepo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable):
            open_repo(f"http://127.0.0.1:{taken.getsockname()[1]}/x.git").fetch()


def test_a_host_that_never_answers_is_given_up_and_its_process_reaped(open_repo: OpenRepo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        repo = open_repo(f"http://127.0.0.1:{silent.getsockname()[1]}/x.git", timeout=0.5)
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"did not end within 0\.5 s"):
            repo.fetch()
        assert time.monotonic() - began < 20
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    if children.exists():
        assert "git" not in [Path(f"/proc/{pid}/comm").read_text().strip() for pid in children.read_text().split()]


def test_a_receiving_hook_that_hangs_is_ended_and_leaves_the_host_usable(open_repo: OpenRepo, host: Host) -> None:
    repo = open_repo(timeout=5.0)
    base = repo.fetch()
    host.hook("pre-receive", "exec sleep 600\n")
    with pytest.raises(Unavailable):
        _hurried(open_repo).push(base, ledger=[DECIDE])
    (host.path / "hooks" / "pre-receive").unlink()
    assert host.head("releasectl/ledger") is None
    assert not list(host.path.rglob("*.lock"))
    assert repo.push(base, ledger=[DECIDE]).ledger == host.head("releasectl/ledger")


def _hurried(open_repo: OpenRepo) -> GitRepo:
    repo = open_repo(timeout=60.0)
    repo.fetch()
    repo._runner.timeout = 1.0
    return repo


SAID = {
    "the answer of GitHub to a push to a protected branch": (
        "!\tx:refs/heads/main\t[remote rejected] (protected branch hook declined)\n",
        "remote: error: GH006: Protected branch update failed for refs/heads/main.\n",
        Denied,
        "GH006",
    ),
    "a lock that another push holds": (
        "!\tx:refs/heads/main\t[remote rejected] (cannot lock ref 'refs/heads/main': is at aaaa but expected bbbb)\n",
        "",
        Conflict,
        "main has moved",
    ),
    "an older server that could not lock": (
        "!\tx:refs/heads/main\t[remote rejected] (failed to update ref)\n",
        "remote: error: cannot lock ref 'refs/heads/main': Unable to create 'main.lock': File exists.\n",
        Conflict,
        "main has moved",
    ),
    "a lock that cannot be taken for want of rights": (
        "!\tx:refs/heads/main\t[remote rejected] (failed to update ref)\n",
        "remote: error: cannot lock ref 'refs/heads/main': Unable to create 'main.lock': Permission denied\n",
        Denied,
        "Permission denied",
    ),
    "a transaction that failed without naming who moved": (
        "!\tx:refs/heads/main\t[remote rejected] (atomic transaction failed)\n",
        "",
        Conflict,
        "faster",
    ),
    "one stale branch, the other refused with it": (
        "!\tx:refs/heads/main\t[rejected] (atomic push failed)\n!\ty:refs/heads/l\t[rejected] (stale info)\n",
        "",
        Conflict,
        "^l has moved",
    ),
    "an unknown refusal in the server's own words": (
        "!\tx:refs/heads/main\t[remote rejected] (the moon is full)\n",
        "",
        Denied,
        "moon",
    ),
    "a connection that breaks": ("", "fatal: the remote end hung up unexpectedly\n", Unavailable, "hung up"),
    "a token without the right to write": (
        "",
        "remote: Permission to a/b.git denied to bot.\nfatal: unable to access 'https://h/': error: 403\n",
        Denied,
        "Permission to",
    ),
    "an SSH key nobody knows": (
        "",
        "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.\n",
        Denied,
        "Permission denied",
    ),
    "a host that fails": ("", "error: RPC failed; HTTP 502 curl 22\nfatal: expected flush\n", Unavailable, "502"),
}


@pytest.mark.parametrize(("out", "err", "family", "words"), SAID.values(), ids=SAID)
def test_words_of_servers_have_a_family(out: str, err: str, family: type[ReleasectlError], words: str) -> None:
    with pytest.raises(family, match=words):
        raise push_error(parse_porcelain(out), err, "host")


UNREAD = {
    "no such host": ("fatal: unable to access 'https://h/': Could not resolve host: h\n", Unavailable),
    "wrong password": ("fatal: Authentication failed for 'https://h/'\n", Denied),
    "no credentials": ("fatal: could not read Username for 'https://h': terminal prompts disabled\n", Denied),
    "unknown repository": ("remote: Repository not found.\nfatal: repository 'https://h/' not found\n", Denied),
    "unknown host key": ("Host key verification failed.\nfatal: Could not read from remote repository.\n", Denied),
    "refused": ("ssh: connect to host h port 22: Connection refused\n", Unavailable),
    "another owner": ("fatal: detected dubious ownership in repository at '/x'\n", Denied),
    "words nobody knows": ("fatal: bananas\n", Unavailable),
}


@pytest.mark.parametrize(("err", "family"), UNREAD.values(), ids=UNREAD)
def test_a_fetch_that_fails_has_a_family(err: str, family: type[ReleasectlError]) -> None:
    assert type(fetch_error(err, "host")) is family
