"""C5: what cannot be read is told of where it is wrong; releases beside it go on, and its own traffic stays."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from releasectl.controller.ledger import state_path
from releasectl.domain.reasons import Reason
from releasectl.ports import Commit
from tests.scenarios.world import World, prepare, run_git

MANIFEST = "releases/shop.yaml"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("two"), releases=("shop", "bank"))


@pytest.fixture
async def world(tmp_path: Path, two: Path) -> AsyncIterator[World]:
    """``shop`` and ``bank``, each with a candidate that has just got its first 10 %."""
    world = World(tmp_path, prepared=two)
    for name in ("shop", "bank"):
        world.add_candidate("2", release=name)
    await world.run_for(4)
    assert world.share("next") == world.share("next", "bank") == 1_000
    yield world
    world.close()


def in_a_clone(world: World, change: Callable[[Path], None]) -> None:
    """A person's commit of what only a work tree can make."""
    work = world.folder / "clone"
    run_git("clone", "--quiet", "--template=", str(world.origin), str(work), cwd=world.folder)
    change(work)
    run_git("add", "--all", ".", cwd=work)
    person = ("-c", "user.name=eve", "-c", "user.email=eve@example.org", "-c", "commit.gpgsign=false")
    run_git(*person, "commit", "--quiet", "-m", "Break it", cwd=work)
    run_git("push", "--quiet", "origin", "main", cwd=work)


def _write(content: bytes) -> Callable[[Path], None]:
    def change(work: Path) -> None:
        (work / MANIFEST).write_bytes(content)

    return change


def _edit(before: str, after: str) -> Callable[[Path], None]:
    def change(work: Path) -> None:
        text = (work / MANIFEST).read_text()
        assert before in text
        (work / MANIFEST).write_text(text.replace(before, after))

    return change


def _symlink(work: Path) -> None:
    (work / MANIFEST).unlink()
    (work / MANIFEST).symlink_to("/etc/passwd")


def _submodule(work: Path) -> None:
    (work / MANIFEST).unlink()
    run_git("update-index", "--force-remove", MANIFEST, cwd=work)
    run_git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{MANIFEST}", cwd=work)
    (work / MANIFEST).mkdir()


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (97 + n, 97 + n, b", ".join([b"*%c" % (96 + n)] * 9)) for n in range(1, 12)
)
BROKEN = {
    "a field that does not exist": _edit("  policy: careful", "  policy: careful\n  polizy: careful"),
    "a key given twice": _edit("  policy: careful", "  policy: careful\n  policy: careful"),
    "a policy that does not exist": _edit("policy: careful", "policy: carefree"),
    "a YAML bomb": _write(BOMB),
    "ten megabytes": _write(b"# " + b"x" * 10_000_000),
    "a symbolic link": _symlink,
    "a binary file": _write(os.urandom(2_000) + b"\x00"),
    "a file that is not UTF-8": _write(b"name: \xff\xfe"),
    "an empty file": _write(b""),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_c5_a_broken_manifest_in_mid_canary_is_told_of_and_keeps_its_traffic(world: World, broken: str) -> None:
    in_a_clone(world, BROKEN[broken])
    table = world.router.tables["shop"]
    await world.run_for(30, every=3)
    assert world.router.tables["shop"] == table
    assert world.reasons() == ["ADVANCE Adopted", "ADVANCE CandidateStarted"]
    condition = world.status().condition
    assert condition is not None
    assert (condition.type, condition.reason) == ("Stalled", Reason.INVALID_MANIFEST)
    assert MANIFEST in condition.message
    await world.run_until(lambda: world.reasons("bank")[-1] == "PROMOTE EvidenceSufficient", every=3)


async def test_c5_a_submodule_in_place_of_a_manifest_keeps_its_traffic(world: World) -> None:
    work = world.folder / "clone"
    run_git("clone", "--quiet", "--template=", str(world.origin), str(work), cwd=world.folder)
    _submodule(work)
    person = ("-c", "user.name=eve", "-c", "user.email=eve@example.org", "-c", "commit.gpgsign=false")
    run_git(*person, "commit", "--quiet", "-m", "Break it", cwd=work)
    run_git("push", "--quiet", "origin", "main", cwd=work)
    table = world.router.tables["shop"]
    await world.run_for(9, every=3)
    assert world.router.tables["shop"] == table
    assert world.condition() == Reason.INVALID_MANIFEST


@pytest.mark.parametrize("restarted", [False, True], ids=["same controller", "after a restart"])
async def test_while_its_manifest_is_invalid_a_bad_candidate_is_rolled_back(world: World, restarted: bool) -> None:
    in_a_clone(world, BROKEN["a policy that does not exist"])
    await world.run_for(2)
    if restarted:
        world.restart("empty")
    world.users.error_rates["2"] = 0.4
    await world.run_for(10)
    assert world.share("stable") == 10_000
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    world.check()


async def test_the_only_release_of_an_environment_is_guarded_after_a_restart_while_its_manifest_is_invalid(
    on_trial: World,
) -> None:
    in_a_clone(on_trial, BROKEN["a policy that does not exist"])
    on_trial.restart("empty")
    on_trial.users.error_rates["2"] = 0.4
    await on_trial.run_for(10)
    assert on_trial.reasons()[-1] == "ROLLBACK GuardrailBreached"


@pytest.mark.parametrize("restarted", [False, True], ids=["same controller", "after a restart"])
async def test_a_repaired_manifest_goes_on_where_it_was(world: World, restarted: bool) -> None:
    good = world.read(MANIFEST)
    in_a_clone(world, BROKEN["a key given twice"])
    await world.run_for(30, every=3)
    if restarted:
        world.restart()
        await world.run_for(3)
    world.write(MANIFEST, good)
    await world.run_for(60, every=3)
    assert world.reasons() == [
        "ADVANCE Adopted",
        "ADVANCE CandidateStarted",
        "ADVANCE StepPassed",
        "PROMOTE EvidenceSufficient",
    ]
    world.check()


@pytest.mark.parametrize("restarted", [False, True], ids=["same controller", "after a restart"])
async def test_an_invalid_manifest_of_a_release_at_rest_is_told_of(tmp_path: Path, two: Path, restarted: bool) -> None:
    world = World(tmp_path, prepared=two)
    await world.run_for(3)
    in_a_clone(world, BROKEN["a field that does not exist"])
    await world.run_for(2)
    if restarted:
        world.restart()
        await world.run_for(2)
    assert world.condition() == Reason.INVALID_MANIFEST
    assert "polizy" in world.status().condition.message  # type: ignore[union-attr]
    assert world.share("stable") == 10_000
    world.close()


async def test_a_new_release_whose_manifest_is_invalid_is_told_of(tmp_path: Path, two: Path) -> None:
    world = World(tmp_path, prepared=two)
    in_a_clone(world, BROKEN["a field that does not exist"])
    await world.run_for(3)
    assert world.condition() == Reason.INVALID_MANIFEST
    assert "shop" not in world.router.tables
    assert world.share("stable", "bank") == 10_000
    world.close()


@pytest.mark.parametrize("restarted", [False, True], ids=["same controller", "after a restart"])
async def test_a_state_that_cannot_be_read_leaves_the_release_and_its_traffic_alone(
    world: World, restarted: bool
) -> None:
    heads = world.person.fetch()
    world.person.push(heads, ledger=[Commit("Scribble", {state_path("shop"): b'{"release": 1}'})])
    if restarted:
        world.restart("empty")
    await world.run_for(30, every=3)
    assert world.share("next") == 1_000
    assert world.condition() == Reason.INTERNAL_ERROR
    assert state_path("shop") in world.status().condition.message  # type: ignore[union-attr]
    assert len(world.reasons()) == 2
    await world.run_until(lambda: world.reasons("bank")[-1] == "PROMOTE EvidenceSufficient", every=3)
