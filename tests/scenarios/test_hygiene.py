"""What is odd, full or refused is told of where it is, and keeps nothing else from being guarded."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from releasectl.controller.edits import EditedManifests
from releasectl.controller.gitseen import GitFault
from releasectl.controller.ledger import LedgerReader, dump, request_path, state_path
from releasectl.domain.decision import Action, PersonAction, PersonRequest
from releasectl.domain.reasons import Reason
from releasectl.errors import Denied
from releasectl.ports import Commit
from tests.scenarios.world import START, World

TO_THE_END = ["ADVANCE Adopted", "ADVANCE CandidateStarted", "ADVANCE StepPassed", "PROMOTE EvidenceSufficient"]


def on_the_ledger(world: World, path: str, content: bytes | None) -> None:
    """Somebody's own commit on the ledger branch."""
    writes = {} if content is None else {path: content}
    deletes = (path,) if content is None else ()
    world.person.push(world.person.fetch(), ledger=[Commit("By hand", writes, deletes)])


# --- requests that nobody can read ----------------------------------------------------------------------

MISNAMED = dump(PersonRequest(id="other", action=PersonAction.PAUSE, by="ada", at=START))
MALFORMED = {
    "no JSON": (b"pause please", "InvalidRequest: releases/shop/requests/mine.json: "),
    "an unknown action": (b'{"id": "mine", "action": "explode", "by": "ada", "at": "2026-01-01T00:00:00Z"}', "action"),
    "an id that is not its name": (MISNAMED, "'other' is not the name of the file"),
}


@pytest.mark.parametrize("malformed", MALFORMED)
async def test_a_request_that_cannot_be_read_is_told_of_and_nothing_comes_of_it(
    on_trial: World, malformed: str
) -> None:
    world = on_trial
    content, words = MALFORMED[malformed]
    path = request_path("shop", "mine")
    on_the_ledger(world, path, content)
    await world.run_for(2)
    (said,) = world.status().problems
    assert said.startswith(Reason.INVALID_REQUEST) and words in said
    assert not world.seen.problems, "the controller itself is well"
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=3)
    on_the_ledger(world, path, None)
    await world.run_for(2)
    assert not world.status().problems
    world.check()


async def test_a_state_copied_from_another_release_is_not_taken_for_ones_own(on_trial: World) -> None:
    world = on_trial
    on_the_ledger(world, state_path("bank"), dump(world.state()))
    on_the_ledger(world, request_path("pub", "state"), dump(world.state()))
    read = LedgerReader(world.person).read(world.person.fetch().ledger)
    assert set(read.states) == {"shop"}
    assert "'shop' is not the name of the folder" in read.unreadable["bank"]
    assert set(read.malformed) == {"pub"}


async def test_what_is_gone_from_the_ledger_is_gone_from_memory(world: World) -> None:
    reader = LedgerReader(world.person)
    sizes = []
    for _ in range(5):
        world.ask(PersonAction.PAUSE)
        await world.run_for(2)
        world.ask(PersonAction.RESUME)
        reader.read(world.person.fetch().ledger)
        await world.run_for(2)
        reader.read(world.person.fetch().ledger)
        sizes.append(len(reader._parsed))
    assert sizes == [1] * 5


# --- a host that refuses --------------------------------------------------------------------------------


class Refusing:
    """A repository that takes no pushes of the controller, and counts them."""

    def __init__(self, repo: Any) -> None:
        self._repo = repo
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repo, name)

    def push(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        raise Denied("the hook says no", hint="ask its owner")


def refuse(world: World) -> list[Refusing]:
    """Let the host refuse the controller, a new one; the last of these is its repository."""
    found: list[Refusing] = []

    def wrap(kind: str, port: Any) -> Any:
        if kind != "repo":
            return port
        found.append(Refusing(port))
        return found[-1]

    world.wrap = wrap
    world.restart()
    return found


async def test_a_host_that_refuses_is_asked_ever_more_rarely_and_its_release_is_stalled(on_trial: World) -> None:
    world = on_trial
    refusing = refuse(world)
    await world.run_for(120)
    assert 5 <= refusing[-1].asked <= 2 * 9, "once with and once without the edit, after 1, 2, 4, ... 60 seconds"
    condition = world.status().condition
    assert condition is not None
    assert (condition.type, condition.reason) == ("Stalled", Reason.GIT_DENIED)
    assert "the hook says no (ask its owner)" in condition.message
    assert world.share("next") == 1_000


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "not there any more"), (b"kind: Release\n", "declares no release"), (b"kind: [", "missing here")],
)
async def test_a_promotion_whose_manifest_cannot_be_edited_is_stalled_and_says_why(
    on_trial: World, content: bytes | None, words: str
) -> None:
    world = on_trial
    await world.run_until(lambda: world.reasons()[-1] == "ADVANCE StepPassed", at_most=30)
    refuse(world)
    for _ in range(30):
        world.clock.at += timedelta(seconds=1)
        report = await world.run_pass()
        decision = report.considered["shop"].decision
        if decision.action is Action.PROMOTE:
            break
    path = "releases/shop.yaml"
    why = EditedManifests({} if content is None else {path: content}, {}).blocked(decision)
    assert path in why and words in why
    assert not EditedManifests({path: world.read(path).encode()}, {}).blocked(decision)
    fault = GitFault(Reason.NOT_EDITABLE, why, "edit the file by hand")
    told = world.board.update(replace(report, withheld={"shop": fault}), world.router.entry_url).releases[0].condition
    assert told is not None
    assert (told.type, told.reason) == ("Stalled", Reason.NOT_EDITABLE)
    assert why in told.message and "by hand" in told.message


# --- a full disk ----------------------------------------------------------------------------------------


def fill(world: World) -> None:
    """The disk takes no further page of the store's file, and has just been asked for some."""
    db: sqlite3.Connection = world.store._db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")
    world.store.note("shop", "ballast", "x" * 200_000)


def make_room(world: World) -> None:
    disk = world.store._disk
    assert disk is not None
    disk.execute("PRAGMA max_page_count = 1000000")
    world.store._tried_at = float("-inf")  # The time between two tries has passed.


async def test_a_full_disk_keeps_every_guard_and_is_told_of(on_trial: World) -> None:
    world = on_trial
    fill(world)
    await world.run_for(12)
    assert world.seen.problems[0].startswith(f"{Reason.STORE_UNAVAILABLE}: "), world.seen.problems
    assert "full" in world.seen.problems[0]
    world.users.error_rates["2"] = 0.4
    await world.run_for(8)
    assert world.share("stable") == 10_000
    assert world.reasons()[-1] == "ROLLBACK GuardrailBreached"
    world.check()


async def test_after_a_full_disk_everything_is_kept_again(on_trial: World) -> None:
    world = on_trial
    fill(world)
    await world.run_until(lambda: bool(world.seen.problems), at_most=20)
    make_room(world)
    await world.run_for(2)
    assert not world.seen.problems
    blocks = world.store.blocks("shop", "error-rate")
    world.restart()
    assert world.store.blocks("shop", "error-rate") == blocks != ()
    await world.run_until(lambda: world.reasons() == TO_THE_END, every=2)
    world.check()
