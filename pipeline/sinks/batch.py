"""The rows of one transaction: gathered from many records, checked, stored in few statements.

Rows that are refused, here or by the database, are set aside as dead letters. Runs inside `Sink.write`, between the
fence and the cursor.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.errors import SinkRefused, SinkRejected, SinkSchemaError
from pipeline.model import Entry, Outcome, Record, Row
from pipeline.sinks.database import Database
from pipeline.sinks.letters import Letter, put_letters
from pipeline.sinks.rows import refusals
from pipeline.tables import MEMBER, POLL, SNAPSHOT, STOCK, TABLES, Table
from pipeline.wire import decode

RECORDED = "recording:"
log = logging.getLogger(__name__)
_DAY = "universe = ? AND trade_date = ?"
LOT_ROWS = 1500
"""Rows gathered before they are sent: large enough for few statements, small enough to overlap with decoding."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction stored. `dead_letters`: rows refused, but for those that an earlier journal told of.

    `superseded`: records that gave way, a recording's to a live day, a poll that was not taken to one that was.
    """

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


@dataclass(frozen=True, slots=True)
class _Lot:
    """Rows of one table on their way; `places`: those of them that were sent."""

    table: Table
    rows: list[Row]
    origins: list[_Origin]
    places: Sequence[int]


class Batch:
    """One transaction's rows: gathered by table over many records, stored in few statements.

    While the database is at work on a lot, the next records are decoded and checked.
    """

    def __init__(self, database: Database, stream: str, journal_id: str) -> None:
        self._database = database
        self._stream = stream
        self._journal_id = journal_id
        self._rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self._origins: dict[str, list[_Origin]] = {name: [] for name in TABLES}
        self._held = 0
        self._under_way: _Lot | None = None
        self._sources: dict[tuple[str, str], str | None] = {}
        self._letters: list[Letter] = []
        self._written = Written()

    def store(self, entries: Sequence[Entry]) -> Written:
        for entry in entries:
            self._take(entry.seq, decode(entry.payload))
            if self._held >= LOT_ROWS:
                self._flush()
        self._flush()
        self._settle()
        return replace(self._written, dead_letters=put_letters(self._database, self._letters))

    def _take(self, seq: int, record: Record) -> None:
        day = (record.universe, record.trade_date)
        stored = self._stored_source(record)
        recorded = record.source.startswith(RECORDED)
        if stored is not None and recorded and not stored.startswith(RECORDED):
            self._written = replace(self._written, superseded=self._written.superseded + 1)
            return
        if stored is not None and not recorded and stored.startswith(RECORDED):
            self._remove_day(*day)
        if record.tables.keys() == {POLL.name} and self._was_taken(record.tables[POLL.name]):
            self._written = replace(self._written, superseded=self._written.superseded + 1)
            return
        self._sources[day] = record.source
        if MEMBER.name in record.tables:
            self._remove_former_members(day, record.tables[MEMBER.name])
        for name, rows in record.tables.items():
            if name not in TABLES:
                raise SinkSchemaError(f"record {record.key!r} fills table {name!r}, unknown here: upgrade this release")
            self._origins[name].append(_Origin(len(self._rows[name]), seq, record.source))
            self._rows[name].extend(rows)
            self._held += len(rows)
        self._written = replace(self._written, records=self._written.records + 1)

    def _remove_day(self, universe: str, trade_date: str) -> None:
        """Makes room for a live day: what a recording had stored of it goes."""
        self._flush()
        self._settle()
        for name in TABLES:
            self._database.execute(f"DELETE FROM {name} WHERE {_DAY}", (universe, trade_date))

    def _remove_former_members(self, day: tuple[str, str], rows: Sequence[Row]) -> None:
        """A day's members are those of its newest session record, as the journal numbers them.

        One by one: a session record is rare, a member that left rarer, and without one nothing is locked or deleted.
        A user without the right to delete leaves them, which is no reason to store nothing.
        """
        self._flush()
        self._settle()
        present = {row[2] for row in rows if len(row) == len(MEMBER.columns)}
        members = self._database.query(f"SELECT symbol FROM {MEMBER.name} WHERE {_DAY}", day)
        former = [symbol for (symbol,) in members if symbol not in present]
        try:
            for symbol in former:
                self._database.execute(f"DELETE FROM {MEMBER.name} WHERE {_DAY} AND symbol = ?", (*day, symbol))
        except SinkRefused as error:
            log.warning("%s: %d symbols that left stay in %s for %s", error, len(former), MEMBER.name, day[1])

    def _stored_source(self, record: Record) -> str | None:
        """Who filled the record's day, as far as this transaction sees; None when nobody did."""
        day = (record.universe, record.trade_date)
        if day not in self._sources:
            self._settle()  # else the question would be answered with the refusal of the lot under way
            thorough = record.source.startswith(RECORDED)
            self._sources[day] = day_source(self._database, *day, self._database.for_update, thorough=thorough)
        return self._sources[day]

    def _was_taken(self, rows: Sequence[Row]) -> bool:
        """Whether the database has a snapshot of a poll that a record without one calls failed or skipped.

        Another journal took it: one that was lost, or another machine's. Such records are rare, so each may ask.
        """
        if refusals(POLL, rows):
            return False
        self._flush()
        self._settle()
        return any(
            self._database.query(
                "SELECT outcome FROM pipeline_poll WHERE universe = ? AND trade_date = ? AND poll_time = ? "
                f"AND outcome IN ('{Outcome.TAKEN}', '{Outcome.PARTIAL}'){self._database.for_update}",
                row[: len(POLL.key)],
            )
            for row in rows
        )

    def _flush(self) -> None:
        for name, rows in self._rows.items():
            if rows:
                self._send(TABLES[name], rows, self._origins[name])
            self._rows[name] = []
            self._origins[name] = []
        self._held = 0

    def _send(self, table: Table, rows: list[Row], origins: list[_Origin]) -> None:
        refused = refusals(table, rows)
        places: Sequence[int] = range(len(rows))
        if refused:
            places = [place for place in places if place not in refused]
            self._set_aside(table, rows, origins, refused)
        self._settle()
        lot = _Lot(table, rows, origins, places)
        try:
            self._upsert(lot, places)
        except SinkRejected:
            self._bisect(lot, places)
        else:
            self._under_way = lot

    def _settle(self) -> None:
        """Waits for the lot under way and counts it; looks for the culprits when it was refused."""
        lot, self._under_way = self._under_way, None
        if lot is None:
            return
        try:
            self._database.settle()
        except SinkRejected:
            self._bisect(lot, lot.places)
        else:
            self._count(lot.places)

    def _bisect(self, lot: _Lot, places: Sequence[int]) -> None:
        """Stores the rows at `places`; halves a refused lot until the refused rows stand alone."""
        if not places:
            return
        try:
            self._upsert(lot, places)
            self._database.settle()
        except SinkRejected as error:
            if len(places) == 1:
                self._set_aside(lot.table, lot.rows, lot.origins, {places[0]: str(error)})
                return
            half = len(places) // 2
            self._bisect(lot, places[:half])
            self._bisect(lot, places[half:])
        else:
            self._count(places)

    def _upsert(self, lot: _Lot, places: Sequence[int]) -> None:
        rows = lot.rows if len(places) == len(lot.rows) else [lot.rows[place] for place in places]
        if rows:
            self._database.upsert(lot.table, rows)

    def _count(self, places: Sequence[int]) -> None:
        self._written = replace(self._written, rows=self._written.rows + len(places))

    def _set_aside(self, table: Table, rows: list[Row], origins: list[_Origin], refused: dict[int, str]) -> None:
        for place, reason in refused.items():
            self._letters.append(self._letter(table, rows[place], place, origins, reason))

    def _letter(self, table: Table, row: Row, place: int, origins: list[_Origin], reason: str) -> Letter:
        origin = origins[bisect_right(origins, place, key=lambda origin: origin.first) - 1]
        row_no = place - origin.first
        return Letter(self._stream, self._journal_id, origin.seq, table.name, row_no, reason, origin.source, row)


def day_source(
    database: Database, universe: str, trade_date: str, suffix: str = "", *, thorough: bool = True
) -> str | None:
    """Who filled a day: the source of its session, else of its rows; None for an empty day. `suffix` ends each SELECT.

    Adopted rows and those of the Python API have no session: a recording, which must not overwrite them, has to look
    at the rows (`thorough`), in the first batch of its day only. Stock rows do not say whose they are; without a
    snapshot they are not a recording's.
    """
    day = (universe, trade_date)
    found = database.query(f"SELECT source FROM pipeline_session WHERE {_DAY}{suffix}", day)
    if not found and thorough:
        live_first = f"ORDER BY source LIKE '{RECORDED}%' LIMIT 1"
        found = database.query(f"SELECT source FROM {SNAPSHOT.name} WHERE {_DAY} {live_first}{suffix}", day)
        found = found or database.query(f"SELECT 'unknown' FROM {STOCK.name} WHERE {_DAY} LIMIT 1{suffix}", day)
    return str(found[0][0]) if found else None
