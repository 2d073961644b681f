"""Local memory in one SQLite file: cursors, blocks between decisions, notes, and intents.

Contract:
- a cursor never moves without the blocks that belong to it: both are one transaction;
- an intent is on the disk before ``begin`` returns; everything else may lose its last moments to a power cut,
  together with the cursors that go with it, so no sample is counted twice or passed over;
- the file may be deleted at any time. One that is damaged is moved aside, one of another schema is emptied;
- calls from several threads wait for each other. A file that cannot be used raises Unavailable or Denied;
- a disk that takes no more while it runs ends nothing: all goes on in memory, ``fault`` says so, and once the disk
  takes it everything is there again, as if nothing had been. A crash meanwhile costs what came since.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from releasectl.domain.base import canonical_json
from releasectl.domain.decision import Decision
from releasectl.domain.observation import Block
from releasectl.errors import Denied, Unavailable
from releasectl.ports import Intent

SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE cursors (source TEXT, metric TEXT, value TEXT NOT NULL, PRIMARY KEY (source, metric)) WITHOUT ROWID;
CREATE TABLE blocks (seq INTEGER PRIMARY KEY AUTOINCREMENT, release TEXT, metric TEXT, value TEXT NOT NULL);
CREATE INDEX blocks_of ON blocks (release, metric, seq);
CREATE TABLE notes (release TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (release, key)) WITHOUT ROWID;
CREATE TABLE intents (seq INTEGER PRIMARY KEY AUTOINCREMENT, decision TEXT UNIQUE, value TEXT NOT NULL);
"""
_BUSY_SECONDS = 10.0
_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
"""Codes that mean that the disk does not take it, whatever the disk's own reason."""
_TRY_AGAIN_SECONDS = 5.0

_Answer = TypeVar("_Answer")


class SqliteStore:
    """``ports.EvidenceStore`` in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._disk: sqlite3.Connection | None = None
        """The file, while all goes on in memory."""
        self._tried_at = 0.0
        self.fault = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise Denied(f"{path.parent} cannot be made: {fault.strerror}") from fault
        with _faults(path):
            self._db = self._open()

    def close(self) -> None:
        """Let go of the file."""
        with self._turn, _faults(self._path):
            self._return_to_disk(at_once=True)
            self._db.close()
            if self._disk:
                self._disk.close()

    def cursors(self, source: str) -> Mapping[str, Any]:
        """Cursor of each metric of a source."""
        rows = self._rows("SELECT metric, value FROM cursors WHERE source = ?", source)
        return {metric: json.loads(value) for metric, value in rows}

    def append(
        self,
        source: str,
        cursors: Mapping[str, Any],
        blocks: Mapping[tuple[str, str], Sequence[Block]],
    ) -> None:
        """Store new blocks by (release, metric) and move the cursors, in one transaction."""
        moved = [(source, metric, _text(cursor)) for metric, cursor in cursors.items()]
        new = [
            (release, metric, _text(block.to_data())) for (release, metric), some in blocks.items() for block in some
        ]

        def write(db: sqlite3.Connection) -> None:
            db.executemany("INSERT INTO blocks (release, metric, value) VALUES (?, ?, ?)", new)
            db.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", moved)

        self._write(write)

    def blocks(self, release: str, metric: str) -> Sequence[Block]:
        """Blocks since the last ``forget``, oldest first."""
        rows = self._rows("SELECT value FROM blocks WHERE release = ? AND metric = ? ORDER BY seq", release, metric)
        return tuple(Block.model_validate_json(value) for (value,) in rows)

    def counted(self, release: str) -> Sequence[str]:
        """Names of the readings that a release has blocks of; sorted."""
        rows = self._rows("SELECT DISTINCT metric FROM blocks WHERE release = ? ORDER BY metric", release)
        return tuple(name for (name,) in rows)

    def forget(self, release: str) -> None:
        """Drop a release's blocks: they are in a recorded decision now."""
        self._write(lambda db: db.execute("DELETE FROM blocks WHERE release = ?", (release,)))

    def note(self, release: str, key: str, value: Any) -> None:
        """Remember a small JSON value; None removes it."""
        if value is None:
            self._write(lambda db: db.execute("DELETE FROM notes WHERE release = ? AND key = ?", (release, key)))
        else:
            row = (release, key, _text(value))
            self._write(lambda db: db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", row))

    def noted(self, release: str, key: str) -> Any:
        """The value last noted, or None."""
        rows = self._rows("SELECT value FROM notes WHERE release = ? AND key = ?", release, key)
        return json.loads(rows[0][0]) if rows else None

    def intents(self) -> Sequence[Intent]:
        """Decisions begun and not known to be recorded, oldest first."""
        found = []
        for decision, value in self._rows("SELECT decision, value FROM intents ORDER BY seq"):
            try:
                found.append(_intent(value))
            except (ValidationError, ValueError, KeyError):
                # Written by another version of this program: it cannot be carried on, the next pass decides anew.
                self.finish(decision)
        return tuple(found)

    def begin(self, intent: Intent) -> None:
        """Write an intent down, durably. One of the same identity keeps its place."""
        value = _text({"decision": intent.decision.to_data(), "record": intent.record})
        sql = (
            "INSERT INTO intents (decision, value) VALUES (?, ?)"
            " ON CONFLICT (decision) DO UPDATE SET value = excluded.value"
        )
        self._write(lambda db: db.execute(sql, (intent.decision.id, value)), durably=True)

    def finish(self, decision: str) -> None:
        """The decision of this identity is recorded or has become void."""
        self._write(lambda db: db.execute("DELETE FROM intents WHERE decision = ?", (decision,)))

    def _rows(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        return self._mended(lambda: self._db.execute(sql, values).fetchall())

    def _write(self, change: Callable[[sqlite3.Connection], object], *, durably: bool = False) -> None:
        def transaction() -> None:
            self._return_to_disk()
            # It may not change inside a transaction. FULL syncs the log, and with it all that came before.
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durably else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                change(self._db)
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

        self._mended(transaction)

    def _mended(self, work: Callable[[], _Answer]) -> _Answer:
        """Do it; on a file found damaged, start a new one and do it there."""
        with self._turn, _faults(self._path):
            try:
                return work()
            except sqlite3.DatabaseError as fault:
                if _code(fault) in _DISK and self._disk is None:
                    self._leave_disk(fault)
                    return work()
                if not _is_damage(fault):
                    raise
                self._db.close()
                self._move_aside()
                self._db = self._open()
                return work()

    def _leave_disk(self, fault: sqlite3.Error) -> None:
        """Go on in memory with a copy of all that is known."""
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        try:
            self._db.backup(memory)
        except sqlite3.Error:
            # What cannot be read either is forgotten, as if the file had been deleted.
            _recreate(memory)
        self._disk, self._db = self._db, memory
        self._tried_at = time.monotonic()
        self.fault = f"{self._path} cannot be written ({fault}): evidence is kept in memory, a restart would lose it"

    def _return_to_disk(self, *, at_once: bool = False) -> None:
        """Put everything back into the file, if the disk takes it now; asked once in a while."""
        if self._disk is None or not (at_once or time.monotonic() - self._tried_at > _TRY_AGAIN_SECONDS):
            return
        self._tried_at = time.monotonic()
        try:
            self._db.backup(self._disk)
        except sqlite3.Error:
            return
        self._db.close()
        self._db, self._disk, self.fault = self._disk, None, ""

    def _open(self) -> sqlite3.Connection:
        try:
            return self._prepared()
        except sqlite3.DatabaseError as fault:
            if not _is_damage(fault):
                raise
            self._move_aside()
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            if [row[0] for row in db.execute("PRAGMA quick_check(1)")] != ["ok"]:
                raise sqlite3.DatabaseError("database disk image is malformed")
            if db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
                _recreate(db)
        except BaseException:
            db.close()
            raise
        return db

    def _move_aside(self) -> None:
        # The last damaged one is kept for looking at.
        self._path.replace(self._path.with_name(self._path.name + ".damaged"))
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _recreate(db: sqlite3.Connection) -> None:
    """Drop what another schema left and lay out this one, at once or not at all."""
    db.execute("BEGIN IMMEDIATE")
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall()
    for (name,) in rows:
        quoted = name.replace('"', '""')
        db.execute(f'DROP TABLE "{quoted}"')
    for statement in filter(str.strip, _TABLES.split(";")):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as fault:
        raise Unavailable(
            f"the local store {path} cannot be used: {fault}",
            hint="is the disk full, or another process holding it? It may be deleted",
        ) from fault


def _is_damage(fault: sqlite3.DatabaseError) -> bool:
    return _code(fault) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "malformed" in str(fault)


def _code(fault: sqlite3.Error) -> int:
    """The primary result code."""
    return getattr(fault, "sqlite_errorcode", 0) & 0xFF


def _text(value: Any) -> str:
    return canonical_json(value).decode()


def _intent(value: str) -> Intent:
    data = json.loads(value)
    return Intent(Decision.model_validate_json(json.dumps(data["decision"])), data["record"])
