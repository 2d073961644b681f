"""Commits of ours are signed so that plain git can tell; signatures of others are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasectl.errors import Denied
from releasectl.ports import Commit
from tests.adapters.git.conftest import OpenRepo
from tests.adapters.git.hosts import Host, git
from tests.adapters.git.keys import allowed, signing, ssh_key

LEDGER = "releasectl/ledger"


def test_plain_git_verifies_every_commit_of_ours_on_both_branches(
    open_repo: OpenRepo, host: Host, tmp_path: Path
) -> None:
    key = ssh_key(tmp_path, "controller")
    repo = open_repo(sign_key=key)
    messages = ["Promote\n\nWhy: ñ.\n\nReleasectl-Decision: PROMOTE", "Promote again"]
    edits = [Commit(text, {"releases/desk.yaml": text.encode()}, author=("Ada <x>", "ada@x")) for text in messages]
    repo.push(repo.fetch(), manifests=edits, ledger=[Commit("Decide", {"1": b"1"})])
    signers = tmp_path / "signers"
    signers.write_text(allowed(key))
    for commit in ("main", "main~1", LEDGER):
        git(host.path, "-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", commit)
    assert [git(host.path, "log", "-1", "--format=%B", f"main~{n}") for n in (1, 0)] == messages
    assert git(host.path, "log", "-1", "--format=%an <%ae> %cn", "main") == "Ada x <ada@x> releasectl"
    assert host.show("main", "releases/desk.yaml") == messages[1]
    assert host.is_sound()


def test_signed_and_unsigned_commits_differ_in_nothing_but_the_signature(
    open_repo: OpenRepo, host: Host, tmp_path: Path
) -> None:
    at = open_repo()._now()
    made = []
    for options in ({}, {"sign_key": ssh_key(tmp_path, "controller")}):
        repo = open_repo(now=lambda: at, **options)
        base = repo.fetch()
        host_main = base.manifests
        made.append(
            repo.push(base, manifests=[Commit("Edit\n\n\nTwo", {"a": b"a"}, ("releases/desk.yaml",))]).manifests
        )
        text = git(host.path, "cat-file", "commit", made[-1])
        made[-1] = "\n".join(line for line in text.split("\n") if not line.startswith(("gpgsig", " ")))
        host.reset("main", host_main)
        repo.acknowledge_rewrite()
    assert made[0] == made[1]


def test_a_key_with_a_passphrase_or_none_at_all_is_denied_before_anything_is_pushed(
    open_repo: OpenRepo, host: Host, tmp_path: Path
) -> None:
    for key in (ssh_key(tmp_path, "locked", passphrase="secret words"), tmp_path / "nothing"):
        repo = open_repo(sign_key=key)
        with pytest.raises(Denied, match=str(key)) as refused:
            repo.push(repo.fetch(), ledger=[Commit("Decide", {"1": b"1"})])
        assert "passphrase" in refused.value.hint
    assert host.head(LEDGER) is None


def test_signatures_are_told_apart(open_repo: OpenRepo, host: Host, tmp_path: Path) -> None:
    ada, eve = ssh_key(tmp_path, "ada"), ssh_key(tmp_path, "eve")
    signers = allowed(ada).encode()
    repo = open_repo()

    def commit(*options: str) -> str:
        git(host.clone, *options, "commit", "--quiet", "--allow-empty", "-m", "Change")
        git(host.clone, "push", "--quiet", "origin", "HEAD:refs/heads/main")
        return repo.fetch().manifests

    good = commit(*signing(ada))
    assert repo.signature_fault(good, signers) == ""
    assert repo.signature_fault(good, b"") != ""
    assert repo.signature_fault(commit(), signers) == "is not signed"
    assert "allowed signer" in repo.signature_fault(commit(*signing(eve)), signers)
    # A good signature moved onto other content.
    raw = git(host.path, "cat-file", "commit", good).replace("Change", "Another change") + "\n"
    moved = git(host.path, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode())
    host.reset("main", moved)
    repo.acknowledge_rewrite()
    assert "allowed signer" in repo.signature_fault(moved, signers)
    # An OpenPGP signature is not even looked at.
    pgp = raw.replace("SSH SIGNATURE", "PGP SIGNATURE")
    other = git(host.path, "hash-object", "-t", "commit", "-w", "--stdin", stdin=pgp.encode())
    host.reset("main", other)
    repo.acknowledge_rewrite()
    assert repo.signature_fault(other, signers) == "is not signed by an SSH key"


def test_a_key_whose_time_is_over_vouches_for_what_it_signed_before(
    open_repo: OpenRepo, host: Host, tmp_path: Path
) -> None:
    ada = ssh_key(tmp_path, "ada")
    git(host.clone, *signing(ada), "commit", "--quiet", "--allow-empty", "-m", "Change")
    git(host.clone, "push", "--quiet", "origin", "HEAD:refs/heads/main")
    repo = open_repo()
    commit = repo.fetch().manifests
    for until, fault in (("20260301", False), ("20260101", True)):
        signers = allowed(ada).replace("namespaces", f'valid-before="{until}",namespaces').encode()
        assert bool(repo.signature_fault(commit, signers)) is fault, until
