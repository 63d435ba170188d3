"""What every sink does, whatever the database: one batch of journal entries is one transaction. Writer process.

`Database` is the adapter's part; `Sink` is the part that is the same everywhere: the cursor's row is locked first, the
rows follow (batch.py), and the cursor moves in the same transaction. A sink never retries and never sleeps: it raises,
and the writer decides. After any error the connection is discarded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from pipeline.errors import CursorMoved, SinkError, SinkSchemaError
from pipeline.model import Cursor, Entry
from pipeline.sinks.batch import RECORDED, Batch, Written
from pipeline.sinks.database import Database
from pipeline.tables import TABLES

__all__ = ["RECORDED", "Sink", "Written", "check_tables", "is_seed_layout", "refuse_seed_layout"]


class Sink:
    """Stores journal entries in one database. Not thread-safe; lives in the process that made it."""

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._database: Database | None = None

    def open(self) -> None:
        """Connects and checks the tables; harmless when connected. Raises SinkError."""
        if self._database is not None:
            return
        database = self._connect()
        try:
            check_tables(database)
        except SinkError:
            database.close()
            raise
        self._database = database

    def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def locate(self, stream: str, journal_id: str) -> Cursor:
        """How far this database has that journal; seq 0 when it has nothing of it."""
        try:
            database = self._opened()
            database.confirm()
            return _cursor(database, stream, journal_id, lock=False)
        except SinkError:
            self.close()
            raise

    def write(self, stream: str, journal_id: str, after: Cursor, entries: Sequence[Entry]) -> Written:
        """Stores `entries`, which follow `after`, and the cursor, in one transaction.

        Raises CursorMoved when another writer moved the cursor, SinkUnavailable when nothing was stored or, after a
        lost COMMIT, when that is unknown: locate() on the next connection tells.
        """
        try:
            database = self._opened()
            database.begin()
            _fence(database, stream, journal_id, after)
            written = Batch(database, stream, journal_id).store(entries)
            _move(database, stream, journal_id, entries[-1])
            database.commit()
        except BaseException:
            self.close()
            raise
        return written

    def _opened(self) -> Database:
        self.open()
        assert self._database is not None
        return self._database


def is_seed_layout(columns: Collection[str]) -> bool:
    """Whether a table of ours has the columns of the seed system: a surrogate key and no universe."""
    names = {name.lower() for name in columns}
    return "id" in names and "universe" not in names


def refuse_seed_layout(table: str, columns: Collection[str]) -> None:
    """Raises SinkSchemaError that says how to keep the seed's table."""
    if is_seed_layout(columns):
        raise SinkSchemaError(
            f"table {table} is the seed system's, in its old layout: keep it as {table}_seed and copy its rows with "
            "`breadth-pipeline db upgrade --adopt-seed UNIVERSE`"
        )


def check_tables(database: Database) -> None:
    """Raises SinkSchemaError naming the tables or columns that are missing, or that keep no transactions."""
    for table in TABLES.values():
        found = set(database.columns(table.name))
        if not found:
            raise SinkSchemaError(f"table {table.name} is missing: run `breadth-pipeline db init`")
        refuse_seed_layout(table.name, found)
        missing = [name for name in table.column_names if name not in found]
        if missing:
            raise SinkSchemaError(
                f"table {table.name} has no column {', '.join(missing)}: it was changed by hand or by another release; "
                "run `breadth-pipeline db check`"
            )
    for name, engine in database.untransactional():
        raise SinkSchemaError(
            f"table {name} has the storage engine {engine}, which keeps no transactions: ALTER TABLE {name} "
            "ENGINE = InnoDB"
        )


def _cursor(database: Database, stream: str, journal_id: str, *, lock: bool) -> Cursor:
    suffix = database.for_update if lock else ""
    found = database.query(
        f"SELECT seq, digest FROM pipeline_cursor WHERE stream = ? AND journal_id = ?{suffix}", (stream, journal_id)
    )
    return Cursor(int(found[0][0]), bytes(found[0][1])) if found else Cursor(0)


def _fence(database: Database, stream: str, journal_id: str, after: Cursor) -> None:
    """Locks the cursor row (made first, so that there is one to lock) and compares it."""
    if after.seq == 0:
        first = {"stream": stream, "journal_id": journal_id, "seq": 0, "digest": b""}
        database.insert_missing("pipeline_cursor", first)
    now = _cursor(database, stream, journal_id, lock=True)
    if now != after:
        raise CursorMoved(
            f"the cursor of {stream} stands at {now.seq}, not at {after.seq}: another writer stores this journal",
            now.seq,
        )


def _move(database: Database, stream: str, journal_id: str, last: Entry) -> None:
    database.execute(
        "UPDATE pipeline_cursor SET seq = ?, digest = ?, updated_at = CURRENT_TIMESTAMP "
        "WHERE stream = ? AND journal_id = ?",
        (last.seq, last.digest, stream, journal_id),
    )
