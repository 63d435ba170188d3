"""What every sink does, whatever the database: one batch of journal entries is one transaction. Writer process.

`Database` is the adapter's part; `Sink` is the part that is the same everywhere: fencing by the cursor, live before
recorded, bisection, dead letters, cursor.
A sink never retries and never sleeps: it raises, and the writer decides. After any error the connection is discarded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import CursorMoved, SinkError, SinkRejected, SinkSchemaError
from pipeline.model import Cursor, Entry, Record, Row
from pipeline.sinks.database import Database
from pipeline.sinks.letters import Letter, put_letters
from pipeline.sinks.rows import refusals
from pipeline.tables import SESSION, TABLES, Table
from pipeline.wire import decode

RECORDED = "recording:"


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction stored. `superseded`: records of a recording that a live day outranked."""

    records: int = 0
    rows: int = 0
    dead_letters: int = 0
    superseded: int = 0


@dataclass(frozen=True, slots=True)
class _Origin:
    """The record that a run of rows came from, and the place of its first row among them: for dead letters."""

    first: int
    seq: int
    source: str


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
            check_columns(database)
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
            return _cursor(self._opened(), stream, journal_id, lock=False)
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
            written = _Batch(database, stream, journal_id).store(entries)
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


def check_columns(database: Database) -> None:
    """Raises SinkSchemaError naming the tables or columns that are missing."""
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


class _Batch:
    """One transaction's rows: gathered by table over many records, stored in few statements."""

    def __init__(self, database: Database, stream: str, journal_id: str) -> None:
        self._database = database
        self._stream = stream
        self._journal_id = journal_id
        self._rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self._origins: dict[str, list[_Origin]] = {name: [] for name in TABLES}
        self._sources: dict[tuple[str, str], str | None] = {}
        self._letters: list[Letter] = []
        self._written = Written()

    def store(self, entries: Sequence[Entry]) -> Written:
        for entry in entries:
            self._take(entry.seq, decode(entry.payload))
        self._flush()
        put_letters(self._database, self._letters)
        return replace(self._written, dead_letters=len(self._letters))

    def _take(self, seq: int, record: Record) -> None:
        stored = self._stored_source(record)
        recorded = record.source.startswith(RECORDED)
        if stored is not None and recorded and not stored.startswith(RECORDED):
            self._written = replace(self._written, superseded=self._written.superseded + 1)
            return
        if stored is not None and not recorded and stored.startswith(RECORDED):
            self._flush()
            for table in TABLES.values():
                self._database.execute(
                    f"DELETE FROM {table.name} WHERE universe = ? AND trade_date = ?",
                    (record.universe, record.trade_date),
                )
            self._sources[record.universe, record.trade_date] = None
        if SESSION.name in record.tables:
            self._sources[record.universe, record.trade_date] = record.source
        for name, rows in record.tables.items():
            if name not in TABLES:
                raise SinkSchemaError(f"record {record.key!r} fills table {name!r}, unknown here: upgrade this release")
            self._origins[name].append(_Origin(len(self._rows[name]), seq, record.source))
            self._rows[name].extend(rows)
        self._written = replace(self._written, records=self._written.records + 1)

    def _remove_day(self, universe: str, trade_date: str) -> None:
        """Makes room for a live day: what a recording had stored of it goes."""
        self._flush()
        for name in TABLES:
            self._database.execute(f"DELETE FROM {name} WHERE universe = ? AND trade_date = ?", (universe, trade_date))
        self._sources[universe, trade_date] = None

    def _stored_source(self, record: Record) -> str | None:
        """Who filled the record's day, as far as this transaction sees; None when nobody did."""
        day = (record.universe, record.trade_date)
        if day not in self._sources:
            found = self._database.query(
                f"SELECT source FROM pipeline_session WHERE universe = ? AND trade_date = ?{self._database.for_update}",
                day,
            )
            self._sources[day] = found[0][0] if found else None
        return self._sources[day]

    def _flush(self) -> None:
        for name, rows in self._rows.items():
            if rows:
                self._store_table(TABLES[name], rows, self._origins[name])
            self._rows[name] = []
            self._origins[name] = []

    def _store_table(self, table: Table, rows: list[Row], origins: list[_Origin]) -> None:
        refused = refusals(table, rows)
        places: Sequence[int] = range(len(rows))
        if refused:
            places = [place for place in places if place not in refused]
        refused |= self._bisect(table, rows, places)
        self._written = replace(self._written, rows=self._written.rows + len(rows) - len(refused))
        for place, reason in sorted(refused.items()):
            self._letters.append(self._letter(table, rows[place], place, origins, reason))

    def _bisect(self, table: Table, rows: list[Row], places: Sequence[int]) -> dict[int, str]:
        """Stores the rows at `places`; halves a refused lot until the refused rows stand alone. {place: why}."""
        if not places:
            return {}
        try:
            self._database.upsert(table, rows if len(places) == len(rows) else [rows[place] for place in places])
        except SinkRejected as error:
            if len(places) == 1:
                return {places[0]: str(error)}
            half = len(places) // 2
            return self._bisect(table, rows, places[:half]) | self._bisect(table, rows, places[half:])
        return {}

    def _letter(self, table: Table, row: Row, place: int, origins: list[_Origin], reason: str) -> Letter:
        origin = origins[bisect_right(origins, place, key=lambda origin: origin.first) - 1]
        row_no = place - origin.first
        return Letter(self._stream, self._journal_id, origin.seq, table.name, row_no, reason, origin.source, row)
