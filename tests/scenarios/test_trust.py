"""Manifests of an environment that takes signed commits only, and what everybody else's commits do there: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from releasectl.adapters.git.repo import GitRepo
from releasectl.cli.decisions import history
from releasectl.cli.replaying import check_all
from releasectl.domain.decision import PersonAction
from releasectl.domain.reasons import Reason
from tests.adapters.git.keys import allowed, ssh_key
from tests.scenarios.world import CANDIDATE, POLICY, Watched, World, run_git

SIGNERS = "security/signers"
ASKING = f"spec: {{trust: {{signers: {SIGNERS}}}}}\n"
SHOP = "releases/shop.yaml"
TO_THE_END = ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ADVANCE StepPassed", "PROMOTE EvidenceSufficient"]


class Trusting:
    """``shop`` in an environment that trusts Ada and the controller; Eve may push as well."""

    def __init__(self, world: World, *, controller_signs: bool = True) -> None:
        self.world = world
        self.eve: GitRepo = world.person
        self.keys = {name: ssh_key(world.folder, name) for name in ("ada", "bob", "eve", "controller")}
        self._repos: list[Watched] = []
        world.person = self.ada = self.signing("ada")
        own = self.signing("controller") if controller_signs else None
        world.wrap = lambda kind, port: own if kind == "repo" and own else port
        world.write(SIGNERS, allowed(self.keys["ada"], self.keys["controller"]))
        world.write("environments/local.yaml", world.read("environments/local.yaml") + ASKING)
        world.restart()

    def signing(self, name: str) -> Watched:
        """The repository as somebody with a key has it."""
        folder = self.world.folder
        repo = Watched(str(self.world.origin), mirror=folder / f"mirror-of-{name}", sign_key=self.keys[name])
        self._repos.append(repo)
        return repo

    @contextmanager
    def by(self, repo: GitRepo) -> Iterator[World]:
        """What is written meanwhile is this person's."""
        before, self.world.person = self.world.person, repo
        yield self.world
        self.world.person = before

    def untrusted(self) -> list[str]:
        return [problem for problem in self.world.seen.problems if problem.startswith(Reason.UNTRUSTED)]

    def restart(self) -> None:
        """A controller that remembers nothing."""
        self.world.restart("empty")

    def close(self) -> None:
        for repo in self._repos:
            repo.close()


@pytest.fixture
async def trusting(world: World) -> AsyncIterator[Trusting]:
    trusting = Trusting(world)
    await world.run_for(2)
    assert not trusting.untrusted()
    yield trusting
    trusting.close()


async def test_a_signed_candidate_goes_to_the_end_by_commits_that_plain_git_verifies(trusting: Trusting) -> None:
    world = trusting.world
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=2)
    await world.run_for(3)
    assert not world.seen.problems
    signers = world.folder / "signers"
    signers.write_text(allowed(trusting.keys["controller"]))
    for commit in ("main", "releasectl/ledger"):
        run_git("-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", commit, cwd=world.origin)
    world.check()


@pytest.mark.parametrize("restarted", [False, True], ids=["same controller", "after a restart"])
async def test_an_unsigned_candidate_is_not_tried_and_its_commit_is_named(trusting: Trusting, restarted: bool) -> None:
    world = trusting.world
    with trusting.by(trusting.eve):
        world.add_candidate("3", name="evil")
    await world.run_for(2)
    if restarted:
        trusting.restart()
    await world.run_for(30, every=3)
    assert world.reasons() == ["ADVANCE Adopted"]
    (said,) = trusting.untrusted()
    sha = run_git("rev-parse", "main", cwd=world.origin)[:9]
    assert f'{SHOP}: commit {sha} "Try 3" is not signed' in said
    assert "revert it, or change the file in a commit that an allowed signer signs" in said
    # Ada looks at it and puts her own in its place.
    world.replace(SHOP, CANDIDATE.replace("CANDIDATE", "evil").replace("VERSION", "3"), "")
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=2)
    assert not trusting.untrusted()
    world.check()


async def test_while_unsigned_changes_lie_there_a_trial_goes_on_and_its_promotion_waits(trusting: Trusting) -> None:
    world = trusting.world
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    with trusting.by(trusting.eve):
        world.replace(SHOP, 'stable: {app: "1"}', 'stable: {app: "3"}')
    await world.run_until(lambda: world.condition() == Reason.NOT_EDITABLE, every=2)
    assert world.share("next") == 5_000
    assert world.state().stable.versions["app"].name == "1"
    assert 'stable: {app: "3"}' in world.read(SHOP), "the controller leaves the file to people"
    world.replace(SHOP, 'stable: {app: "3"}', 'stable: {app: "1"}')
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=2)
    world.check()


async def test_while_unsigned_changes_lie_there_a_bad_candidate_is_rolled_back(trusting: Trusting) -> None:
    world = trusting.world
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    with trusting.by(trusting.eve):
        world.replace(SHOP, "policy: careful", "policy: careless")
    world.users.error_rates["2"] = 0.4
    await world.run_for(10)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    assert world.share("stable") == 10_000
    world.check()


@pytest.mark.parametrize("restarted", [False, True], ids=["same controller", "after a restart"])
async def test_decisions_made_while_unsigned_changes_lie_there_are_made_again_from_what_was_believed(
    trusting: Trusting, restarted: bool
) -> None:
    world = trusting.world
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    with trusting.by(trusting.eve):
        world.write("policies/careful.yaml", POLICY.replace("points: 2", "points: 90"))
        world.write(SHOP, None)
    if restarted:
        trusting.restart()
    world.users.error_rates["2"] = 0.4
    await world.run_until(lambda: world.reasons()[-1] == "ROLLBACK GuardrailBreached", every=2)
    # Ada takes it all over: what is believed from now on is not believed backwards.
    world.write("policies/careful.yaml", POLICY.replace("points: 2", "points: 90") + "# seen\n")
    ledger = world.person.fetch().ledger
    assert ledger
    checked = list(check_all(world.person, ledger, history(world.person, ledger, None, None)[::-1]))
    assert [(one.equal, one.wrong) for one in checked] == [(True, ())] * 3


async def test_what_stands_in_for_an_invalid_manifest_after_a_restart_is_what_was_trusted(trusting: Trusting) -> None:
    world = trusting.world
    with trusting.by(trusting.eve):
        world.write("policies/careful.yaml", POLICY.replace("points: 2", "points: 90"))
    world.add_candidate("2")
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    world.replace(SHOP, "policy: careful", "polizy: careful")
    trusting.restart()
    world.users.error_rates["2"] = 0.4
    await world.run_for(10)
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached", "the loosened policy was believed"


def _deletes_the_release(world: World) -> None:
    world.write(SHOP, None)


def _loosens_the_policy(world: World) -> None:
    world.write("policies/careful.yaml", POLICY.replace("points: 2", "points: 90"))


def _drops_the_demand(world: World) -> None:
    world.replace("environments/local.yaml", ASKING, "")


def _deletes_the_environment(world: World) -> None:
    world.write("environments/local.yaml", None)


def _moves_to_a_lax_environment(world: World) -> None:
    lax = world.read("environments/local.yaml").replace("local", "lax").replace(ASKING, "")
    world.write("environments/lax.yaml", lax)
    world.replace(SHOP, "environment: local", "environment: lax")


def _replaces_the_signers(world: World) -> None:
    world.write(SIGNERS, allowed(world.folder / "eve-key"))


def _links_the_signers(world: World) -> None:
    world.replace("environments/local.yaml", SIGNERS, "security/mine")
    world.write("security/mine", allowed(world.folder / "eve-key"))


ATTEMPTS = [
    _deletes_the_release,
    _loosens_the_policy,
    _drops_the_demand,
    _deletes_the_environment,
    _moves_to_a_lax_environment,
    _replaces_the_signers,
    _links_the_signers,
]


@pytest.mark.parametrize("restarted", [False, True], ids=["same controller", "after a restart"])
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.__name__.strip("_").replace("_", " "))
async def test_nobody_without_a_key_gets_around_it(trusting: Trusting, attempt: object, restarted: bool) -> None:
    world = trusting.world
    with trusting.by(trusting.eve):
        attempt(world)  # type: ignore[operator]
    await world.run_for(2)
    if restarted:
        trusting.restart()
        await world.run_for(2)
    # Eve's own key is good for nothing, whatever she did before.
    with trusting.by(trusting.signing("eve")):
        world.write("releases/bank.yaml", RELEASE_OF_EVE)
    await world.run_for(4)
    assert world.reasons() == ["ADVANCE Adopted"]
    assert world.share("stable") == 10_000
    assert not world.states().keys() - {"shop"}
    assert trusting.untrusted()
    # And the policy that counts is the one that was trusted.
    assert "points: 90" not in str(world.records()[-1])


RELEASE_OF_EVE = """\
apiVersion: releasectl.dev/v1alpha1
kind: Release
metadata: {name: bank}
spec:
  environment: local
  components: [{name: app, versions: [{name: "1", run: {command: [mine]}}]}]
  stable: {app: "1"}
  strategy: [{type: canary, steps: [50], interval: 10s}]
  policy: careful
"""


@pytest.mark.parametrize("restarted", [False, True], ids=["same controller", "after a restart"])
async def test_a_new_signer_counts_from_the_commit_that_brings_them_and_an_old_one_until_theirs(
    trusting: Trusting, restarted: bool
) -> None:
    world, keys = trusting.world, trusting.keys
    world.write(SIGNERS, allowed(keys["bob"], keys["controller"]), "Bob follows Ada")
    with trusting.by(trusting.signing("bob")):
        world.add_candidate("2")
    if restarted:
        trusting.restart()
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE CandidateStarted")
    assert not trusting.untrusted(), "what Ada signed in her time stays trusted"
    world.write("policies/careful.yaml", POLICY + "# Ada was here\n", "Too late")
    await world.run_for(2)
    assert "Too late" in trusting.untrusted()[0]


async def test_a_merge_signed_by_somebody_trusted_vouches_for_what_it_brings_and_an_unsigned_one_does_not(
    trusting: Trusting,
) -> None:
    world = trusting.world
    work = world.folder / "clone"
    run_git("clone", "--quiet", "--template=", str(world.origin), str(work), cwd=world.folder)
    eve = ("-c", "user.name=eve", "-c", "user.email=eve@example.org", "-c", "commit.gpgSign=false")
    ada = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={trusting.keys['ada']}", "-c", "commit.gpgSign=true")
    run_git("checkout", "--quiet", "-b", "feature", cwd=work)
    text = (work / SHOP).read_text()
    block = CANDIDATE.replace("CANDIDATE", "next").replace("VERSION", "2")
    (work / SHOP).write_text(text.replace("  strategy:", block + "  strategy:"))
    run_git(*eve, "commit", "--quiet", "-am", "Try 2", cwd=work)
    run_git("checkout", "--quiet", "main", cwd=work)
    run_git(*eve, "merge", "--quiet", "--no-ff", "feature", "-m", "Merge unsigned", cwd=work)
    run_git("push", "--quiet", "origin", "main", cwd=work)
    await world.run_for(4)
    assert world.reasons() == ["ADVANCE Adopted"]
    assert "Merge unsigned" in trusting.untrusted()[0]
    run_git(*eve, "revert", "-m", "1", "--no-edit", "HEAD", cwd=work)
    run_git("push", "--quiet", "origin", "main", cwd=work)
    await world.run_for(2)
    assert not trusting.untrusted(), "what is as it was trusted needs no signature"
    run_git("checkout", "--quiet", "-b", "again", cwd=work)
    (work / SHOP).write_text(text.replace("  strategy:", block + "  strategy:"))
    run_git(*eve, "commit", "--quiet", "-am", "Try 2 again", cwd=work)
    run_git("checkout", "--quiet", "main", cwd=work)
    run_git(*eve, *ada, "merge", "--quiet", "--no-ff", "again", "-m", "Merge signed", cwd=work)
    run_git("push", "--quiet", "origin", "main", cwd=work)
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=2)


async def test_a_signed_commit_that_nobody_merged_counts_for_nothing_as_first_parent(trusting: Trusting) -> None:
    world = trusting.world
    work = world.folder / "clone"
    run_git("clone", "--quiet", "--template=", str(world.origin), str(work), cwd=world.folder)
    eve = ("-c", "user.name=eve", "-c", "user.email=eve@example.org", "-c", "commit.gpgSign=false")
    ada = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={trusting.keys['ada']}", "-c", "commit.gpgSign=true")
    # Ada's draft, signed, of an older main; Eve merges main into it and pushes that as main.
    run_git("checkout", "--quiet", "-b", "draft", cwd=work)
    text = (work / SHOP).read_text()
    block = CANDIDATE.replace("CANDIDATE", "draft").replace("VERSION", "3")
    (work / SHOP).write_text(text.replace("  strategy:", block + "  strategy:"))
    run_git(*eve, *ada, "commit", "--quiet", "-am", "A draft", cwd=work)
    world.write("notes/1.md", "text", "Note")
    await world.run_for(1)
    run_git("fetch", "--quiet", cwd=work)
    run_git(*eve, "merge", "--quiet", "--no-ff", "origin/main", "-m", "Merge main", cwd=work)
    run_git("push", "--quiet", "origin", "HEAD:main", cwd=work)
    await world.run_for(4)
    assert world.reasons() == ["ADVANCE Adopted"]
    assert "Merge main" in trusting.untrusted()[0]


async def test_a_release_of_an_environment_that_demands_nothing_goes_by_everybodys_commits(trusting: Trusting) -> None:
    world = trusting.world
    world.write(
        "environments/lax.yaml", world.read("environments/local.yaml").replace("local", "lax").replace(ASKING, "")
    )
    with trusting.by(trusting.eve):
        world.write("releases/bank.yaml", RELEASE_OF_EVE.replace("environment: local", "environment: lax"))
    await world.run_for(3)
    assert world.reasons("bank") == ["ADVANCE Adopted"]
    assert not trusting.untrusted()


@pytest.mark.parametrize("key", ["none", "another"])
async def test_a_controller_whose_commits_would_not_be_trusted_edits_no_manifest(
    world: World, key: str, tmp_path: Path
) -> None:
    trusting = Trusting(world, controller_signs=False)
    if key == "another":
        own = trusting.signing("bob")
        world.wrap = lambda kind, port: own if kind == "repo" else port
        world.restart()
    world.add_candidate("2")
    await world.run_for(60, every=2)
    assert world.reasons()[-1] == "ADVANCE StepPassed"
    condition = world.status().condition
    assert condition is not None
    assert (condition.type, condition.reason) == ("Stalled", Reason.GIT_DENIED)
    assert "--sign-key" in condition.message
    assert ("signed commits only" if key == "none" else SIGNERS) in condition.message
    trusting.close()


# --- C19: a gate is satisfied by the commit it was asked about ------------------------------------------

GATED = "strategy: [{type: canary, steps: [10], interval: 5s}, {type: approval, required: 1}]"


def _nothing(world: World) -> None:
    """Nothing happens."""


def _empty_commit(world: World) -> None:
    work = world.folder / "empty"
    run_git("clone", "--quiet", "--template=", str(world.origin), str(work), cwd=world.folder)
    person = ("-c", "user.name=eve", "-c", "user.email=eve@example.org", "-c", "commit.gpgsign=false")
    run_git(*person, "commit", "--quiet", "--allow-empty", "-m", "Approve", cwd=work)
    run_git("push", "--quiet", "origin", "main", cwd=work)


def _comment(world: World) -> None:
    world.replace(SHOP, "# what serves now", "# approved")


def _another_version(world: World) -> None:
    world.replace(SHOP, 'versions: {app: "2"}}', 'versions: {app: "3"}}')


def _renamed(world: World) -> None:
    world.replace(SHOP, "name: next", "name: other")


GATES = {
    "a commit that changes nothing approves nothing": (False, _empty_commit, False),
    "a comment approves nothing": (False, _comment, False),
    "an approval promotes what it was given to": (True, _nothing, True),
    "an approval outlives an empty commit": (True, _empty_commit, True),
    "an approval outlives a comment in the file": (True, _comment, True),
    "an approval is void for another version": (True, _another_version, False),
    "an approval is void for a candidate of another name": (True, _renamed, False),
}


@pytest.mark.parametrize("gate", GATES)
async def test_c19_an_approval_is_of_what_was_evaluated(world: World, gate: str) -> None:
    approved, then, promoted = GATES[gate]
    world.replace(SHOP, "strategy: [{type: canary, steps: [10, 50], interval: 10s}]", GATED)
    world.add_candidate("2")
    await world.run_until(lambda: world.condition() == Reason.AWAITING_APPROVAL, every=1)
    then(world)
    if approved:
        # Given to what was seen before the commit, and arrived after it.
        world.ask(PersonAction.APPROVE, trial=world.state().progress.first_epoch)  # type: ignore[union-attr]
    await world.run_for(4)
    assert (world.reasons()[-1].startswith("PROMOTE")) is promoted, world.reasons()
