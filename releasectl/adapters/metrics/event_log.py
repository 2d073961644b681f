"""Predictions and outcomes in SQLite: appended as they come, joined as soon as both sides are there.

The order in which events arrive must not change what is counted, and a reader must be able to ask the same
question twice and get the same answer. So nothing is ever marked as counted. Rows are only added, under ids that
only grow, and every pair of an exposure and an outcome becomes a row of ``joined`` the moment it exists: whoever
remembers the highest id it has read knows exactly what it has seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from releasectl.adapters.metrics.event_schema import ADD_OUTCOME, ADD_PREDICTION, JOINS, PRUNE, RENEW_OUTCOME, SCHEMA
from releasectl.errors import Unavailable
from releasectl.ports import Outcome, Prediction


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970."""
    return round(at.timestamp() * 1000)


class EventLog:
    """The database at ``path``; meets the port ``EventSink``.

    ``attribution`` is how long after an exposure an outcome that names only the unit still belongs to it.
    ``keep_features`` stores the features that predictions carry; without it they are dropped, but for the numbers
    that ``keep_numbers`` names. Units are stored as a
    keyed hash; the key lies beside the database, readable by its owner only.
    """

    def __init__(
        self,
        path: Path,
        *,
        attribution: timedelta = timedelta(days=7),
        keep_features: bool = False,
        busy_after: timedelta = timedelta(seconds=2),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = path
        self.attribution = attribution
        self._keep_features = keep_features
        self._numbers: WeakKeyDictionary[object, frozenset[str]] = WeakKeyDictionary()
        self._busy_seconds = busy_after.total_seconds()
        self._now = now
        self._key = _own_key(path.with_name(path.name + ".key"))
        path.touch(mode=0o600)
        self._writing = threading.Lock()
        self._writer = self._connect()
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = NORMAL")
        self._writer.executescript(SCHEMA)
        self._renew()

    def close(self) -> None:
        """Close the database."""
        with self._writing:
            self._writer.close()

    def append(self, predictions: Sequence[Prediction], outcomes: Sequence[Outcome]) -> int:
        """See the port: one transaction. What is known already is passed over."""
        received = milliseconds(self._now())
        with self.writing() as db:
            before = {
                "window": round(self.attribution.total_seconds() * 1000),
                "last_prediction": _last(db, "prediction"),
                "last_outcome": _last(db, "outcome"),
            }
            new = db.executemany(ADD_PREDICTION, [self._prediction(row, received) for row in predictions]).rowcount
            new += db.executemany(ADD_OUTCOME, [self._outcome(row, received) for row in outcomes]).rowcount
            for join in JOINS:
                db.execute(join, before)
        return new

    def keep_numbers(self, names: Iterable[str], *, reader: object) -> None:
        """From now on keep these features where they are numbers, in place of those that this reader named before.

        Readers do not know each other; what one of them names is kept while it lives.
        """
        self._numbers[reader] = frozenset(names)

    def prune(self, before: datetime) -> int:
        """Forget exposures that arrived before a time, with all that belongs to them; returns how many."""
        with self.writing() as db:
            exposures, *_ = [db.execute(statement, {"before": milliseconds(before)}).rowcount for statement in PRUNE]
        return exposures

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one consistent look that writers do not disturb. Raises Unavailable."""
        try:
            with closing(self._connect()) as db:
                db.execute("BEGIN")
                yield db
        except sqlite3.Error as error:
            raise Unavailable(f"the event log {self.path.name} cannot be read: {error}") from error

    def hashed(self, unit: str) -> str:
        """What is stored in place of a unit."""
        return hashlib.blake2b(unit.encode(), key=self._key, digest_size=16).hexdigest()

    def _renew(self) -> None:
        """Bring the tables of an earlier version up to date, with all that is in them."""
        if any(column[1] == "variant" for column in self._writer.execute("PRAGMA table_info(outcome)")):
            return
        with self.writing() as db:
            for statement in RENEW_OUTCOME:
                db.execute(statement)

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a database that has been moved away is an error, not a new and empty one.
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, for what is kept beside the events. Raises Unavailable, and then nothing was written."""
        if not self._writing.acquire(timeout=self._busy_seconds):
            raise Unavailable("the event log is busy", retry_after=timedelta(seconds=1))
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            yield self._writer
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            raise Unavailable(
                f"the event log {self.path.name} cannot be written: {error}", retry_after=timedelta(seconds=1)
            ) from error
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            self._writing.release()

    def _prediction(self, row: Prediction, received: int) -> tuple[Any, ...]:
        return (
            row.request_id,
            row.release,
            row.component,
            row.variant,
            int(row.mirrored),
            milliseconds(row.at),
            row.version,
            row.tag,
            None if row.unit is None else self.hashed(row.unit),
            row.allocation_id,
            row.propensity,
            row.latency_ms,
            row.status,
            _json(self._kept(row.features)),
            _json(row.output),
            _json(row.attributions),
            _json(row.segment),
            _json(row.cost),
            received,
        )

    def _kept(self, features: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if features is None or self._keep_features:
            return features
        # bool is an int to Python; a flag makes a fine covariate as well.
        wanted = frozenset[str]().union(*self._numbers.values())
        numbers = {name: features[name] for name in sorted(wanted & features.keys())}
        return {name: value for name, value in numbers.items() if isinstance(value, int | float)} or None

    def _outcome(self, row: Outcome, received: int) -> tuple[Any, ...]:
        by_unit = row.request_id is None
        subject = self.hashed(row.unit or "") if by_unit else row.request_id
        observed = milliseconds(row.observed_at)
        return (
            subject,
            int(by_unit),
            row.metric,
            observed,
            row.value,
            row.release or "",
            row.source,
            received,
            row.variant or "",
        )


def _last(db: sqlite3.Connection, table: str) -> int:
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return int(found[0]) if found else 0


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _own_key(path: Path) -> bytes:
    """The key at ``path``, made if it is not there."""
    with suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()
