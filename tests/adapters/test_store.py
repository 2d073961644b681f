"""The local store: nothing counted twice, nothing half written, never a reason to stop."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from releasectl.adapters.store import SqliteStore
from releasectl.domain.decision import Action, Decision, Edit
from releasectl.domain.evidence import Evidence, MetricState
from releasectl.domain.observation import Block, Counts
from releasectl.domain.reasons import Reason
from releasectl.errors import Denied, Unavailable
from releasectl.ports import Intent

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


def _block(number: int) -> Block:
    start = NOON + timedelta(seconds=5 * number)
    arms = {"stable": Counts(trials=100 + number, events=1), "tiny": Counts(trials=10)}
    return Block(start_at=start, end_at=start + timedelta(seconds=5), epoch=7, arms=arms)


def _intent(name: str) -> Intent:
    decision = Decision(
        action=Action.ROLLBACK,
        reason=Reason.GUARDRAIL_BREACHED,
        message="errors rose by 3 points",
        release="desk",
        candidate="tiny",
        id=name,
        at=NOON,
        state=None,
        evidence=(
            Evidence(
                metric="error-rate", role="guardrail", candidate="tiny", state=MetricState.BAD, summary="s", lower=0.02
            ),
        ),
        edit=Edit(drop=("tiny",)),
    )
    return Intent(decision, {"seq": 7, "inputs": {"x": [1, 2.5, None, "ü"]}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "evidence.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    store.close()


def _reopened(store: SqliteStore, path: Path) -> SqliteStore:
    store.close()
    return SqliteStore(path)


def test_a_new_store_knows_nothing(store: SqliteStore) -> None:
    assert store.cursors("envoy") == {}
    assert store.blocks("desk", "error-rate") == ()
    assert store.noted("desk", "since") is None
    assert store.intents() == ()


def test_it_tells_which_readings_of_a_release_have_blocks(store: SqliteStore, path: Path) -> None:
    assert store.counted("desk") == ()
    names = ["wrong{language=es}", "wrong", 'wrong{language="}, {="}']
    store.append("log", {}, {("desk", name): [_block(1)] for name in names} | {("shop", "slow"): [_block(1)]})
    store.append("log", {}, {("desk", "wrong"): [_block(2)]})
    store = _reopened(store, path)
    assert store.counted("desk") == tuple(sorted(names))
    store.forget("desk")
    assert (store.counted("desk"), store.counted("shop")) == ((), ("slow",))


def test_blocks_come_back_equal_and_in_order_by_release_and_metric(store: SqliteStore, path: Path) -> None:
    store.append("envoy", {"error-rate": {"t": 1}}, {("desk", "error-rate"): [_block(1), _block(2)]})
    store.append(
        "envoy", {"error-rate": {"t": 2}}, {("desk", "error-rate"): [_block(3)], ("wire", "slow"): [_block(9)]}
    )
    again = _reopened(store, path)
    assert again.blocks("desk", "error-rate") == (_block(1), _block(2), _block(3))
    assert again.blocks("wire", "slow") == (_block(9),)
    assert again.blocks("wire", "error-rate") == ()
    assert again.cursors("envoy") == {"error-rate": {"t": 2}}
    again.close()


def test_cursors_of_sources_and_metrics_are_apart(store: SqliteStore) -> None:
    store.append("envoy", {"a": 1, "b": [2, "x"]}, {})
    store.append("log", {"a": None}, {})
    store.append("envoy", {"a": 3}, {})
    assert (store.cursors("envoy"), store.cursors("log")) == ({"a": 3, "b": [2, "x"]}, {"a": None})


def test_forget_drops_the_blocks_of_one_release_and_keeps_the_cursors(store: SqliteStore) -> None:
    store.append(
        "envoy", {"m": 1}, {("desk", "m"): [_block(1)], ("desk", "n"): [_block(1)], ("wire", "m"): [_block(1)]}
    )
    store.forget("desk")
    assert (store.blocks("desk", "m"), store.blocks("desk", "n")) == ((), ())
    assert store.blocks("wire", "m") == (_block(1),)
    assert store.cursors("envoy") == {"m": 1}


def test_blocks_that_cannot_be_stored_leave_the_cursor_where_it_was(store: SqliteStore) -> None:
    store.append("envoy", {"m": 1}, {("desk", "m"): [_block(1)]})
    with pytest.raises(ValueError, match="JSON"):
        store.append("envoy", {"m": float("nan")}, {("desk", "m"): [_block(2)]})
    assert store.cursors("envoy") == {"m": 1}
    assert store.blocks("desk", "m") == (_block(1),)


def test_notes_are_replaced_and_removed(store: SqliteStore, path: Path) -> None:
    store.note("desk", "since", {"at": "noon", "n": 1})
    store.note("desk", "since", {"at": "one"})
    store.note("wire", "since", False)
    again = _reopened(store, path)
    assert (again.noted("desk", "since"), again.noted("wire", "since")) == ({"at": "one"}, False)
    again.note("desk", "since", None)
    assert again.noted("desk", "since") is None
    again.close()


def test_intents_come_back_equal_oldest_first_until_finished(store: SqliteStore, path: Path) -> None:
    for name in ("b", "a", "c"):
        store.begin(_intent(name))
    store.begin(_intent("b"))
    again = _reopened(store, path)
    assert again.intents() == (_intent("b"), _intent("a"), _intent("c"))
    again.finish("a")
    again.finish("unknown")
    assert [intent.decision.id for intent in again.intents()] == ["b", "c"]
    again.close()


def test_an_intent_of_another_version_is_dropped_and_the_rest_kept(store: SqliteStore, path: Path) -> None:
    store.begin(_intent("a"))
    store.begin(_intent("b"))
    with sqlite3.connect(path) as db:
        db.execute("""UPDATE intents SET value = '{"decision": {"verb": "old"}, "record": {}}' WHERE decision = 'a'""")
    db.close()
    assert store.intents() == (_intent("b"),)
    assert store.intents() == (_intent("b"),)


def test_another_schema_is_emptied(store: SqliteStore, path: Path) -> None:
    store.note("desk", "since", 1)
    store.close()
    with sqlite3.connect(path) as db:
        db.execute('CREATE TABLE "odd ""name" (x)')
        db.execute("PRAGMA user_version = 99")
    db.close()
    again = SqliteStore(path)
    assert again.noted("desk", "since") is None
    again.note("desk", "since", 2)
    assert again.noted("desk", "since") == 2
    again.close()


@pytest.mark.parametrize("damage", [b"not a database at all" * 500, b"SQLite format 3\0" + b"\xff" * 8192])
def test_a_damaged_file_is_moved_aside_and_started_anew(store: SqliteStore, path: Path, damage: bytes) -> None:
    store.note("desk", "since", 1)
    store.close()
    path.write_bytes(damage)
    again = SqliteStore(path)
    again.append("envoy", {"m": 1}, {("desk", "m"): [_block(1)]})
    assert again.blocks("desk", "m") == (_block(1),)
    assert again.noted("desk", "since") is None
    assert (path.parent / "evidence.sqlite.damaged").read_bytes() == damage
    again.close()


def test_a_file_damaged_while_in_use_is_started_anew(store: SqliteStore, path: Path) -> None:
    store.append("envoy", {"m": 1}, {("desk", "m"): [_block(n) for n in range(500)]})
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    store.append("envoy", {"m": 2}, {("desk", "m"): [_block(1)]})
    store.begin(_intent("a"))
    assert store.cursors("envoy") == {"m": 2}
    assert store.intents() == (_intent("a"),)


def test_the_file_may_be_deleted_between_runs(store: SqliteStore, path: Path) -> None:
    store.note("desk", "since", 1)
    store.close()
    for file in path.parent.iterdir():
        file.unlink()
    again = SqliteStore(path)
    assert again.noted("desk", "since") is None
    again.close()


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Denied):
        SqliteStore(tmp_path / "file" / "x.sqlite")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(Unavailable):
        SqliteStore(tmp_path / "folder.sqlite")


def test_threads_may_share_it(store: SqliteStore) -> None:
    def write(number: int) -> None:
        store.append("envoy", {f"m{number}": number}, {("desk", "m"): [_block(number)]})
        store.note("desk", str(number), number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(100)))
    assert len(store.blocks("desk", "m")) == len(store.cursors("envoy")) == 100
    assert {store.noted("desk", str(n)) for n in range(100)} == set(range(100))


VICTIM = """
import sys
from pathlib import Path
from releasectl.adapters.store import SqliteStore
from tests.adapters.test_store import _block, _intent
store = SqliteStore(Path(sys.argv[1]))
n = store.cursors("envoy").get("m", 0)
while True:
    n += 1
    store.append("envoy", {"m": n}, {("desk", "m"): [_block(n)]})
    store.begin(_intent(str(n)))
    print(n, flush=True)
"""


def test_killed_at_any_moment_cursor_and_blocks_agree_and_no_intent_is_lost(path: Path) -> None:
    # A kill between the two writes of a round leaves a number without an intent; one that was told has one.
    told: set[int] = set()
    for wait in (0.0, 0.001, 0.002, 0.003, 0.005):
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert victim.stdout
        with victim:
            told |= {int(victim.stdout.readline()) for _ in range(5)}
            threading.Event().wait(wait)
            victim.kill()
            told |= {int(line) for line in victim.stdout.read().split("\n")[:-1]}
        store = SqliteStore(path)
        count = store.cursors("envoy")["m"]
        assert store.blocks("desk", "m") == tuple(_block(n) for n in range(1, count + 1))
        assert told <= {int(intent.decision.id) for intent in store.intents()}
        assert not (path.parent / "evidence.sqlite.damaged").exists()
        store.close()
