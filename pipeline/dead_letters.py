"""Dead letters looked at, sent again and dropped: what `breadth-pipeline dead-letter` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import SinkRejected
from pipeline.model import Row
from pipeline.sinks import Database
from pipeline.sinks.base import RECORDED
from pipeline.sinks.batch import day_source
from pipeline.sinks.letters import DEAD_LETTER, DROPPED, Letter, delete_letter, drop_letter
from pipeline.sinks.rows import refusals
from pipeline.tables import TABLES, Table
from pipeline.verify.content import by_key


@dataclass(frozen=True, slots=True)
class Retried:
    """`stored`: the row is in its table and the letter is gone; else `reason` says why it stays."""

    letter: Letter
    stored: bool
    reason: str = ""


def letters(database: Database, limit: int | None = None) -> list[Letter]:
    """Oldest first, without those that were dropped."""
    names = ", ".join(DEAD_LETTER.column_names)
    last = f" LIMIT {int(limit)}" if limit is not None else ""
    rows = database.query(
        f"SELECT {names}, created_at FROM {DEAD_LETTER.name} WHERE NOT ({DROPPED}) "
        f"ORDER BY created_at, stream, journal_id, seq, table_name, row_no{last}"
    )
    return [_letter(*row) for row in rows]


def _letter(
    stream: str, journal: str, seq: int, table: str, row_no: int, reason: str, payload: str, created_at: str
) -> Letter:
    try:
        held = json.loads(payload)
        source, row = str(held["source"]), tuple(held.get("row", ()))
    except (ValueError, KeyError, TypeError):
        source, row = "", ()
    return Letter(stream, journal, seq, table, row_no, reason, source, row, created_at)


def counted(database: Database) -> int:
    return int(database.query(f"SELECT COUNT(*) FROM {DEAD_LETTER.name} WHERE NOT ({DROPPED})")[0][0])


def retry(database: Database, letter: Letter) -> Retried:
    """Stores the row and removes the letter, in one transaction. Raises SinkError when the database cannot be used.

    A row that is there already is kept: a newer record may have brought it.
    """
    table = TABLES.get(letter.table_name)
    if table is None or not letter.row:
        return Retried(letter, False, "its row was not kept whole")
    why = refusals(table, [letter.row])
    if why:
        return Retried(letter, False, why[0])
    database.begin()
    try:
        if _outranked(database, letter):
            database.rollback()
            return Retried(letter, False, "that day is filled, and not by a recording: one does not add to it")
        there = _stored(database, table, letter.row)
        if there and by_key(table, there) != by_key(table, [letter.row]):
            database.rollback()
            return Retried(
                letter, False, "another row with its key is stored and is kept: delete that one, or drop this"
            )
        if not there:
            database.upsert(table, [letter.row])
            database.settle()
        delete_letter(database, letter.key)
    except SinkRejected as error:
        database.rollback()
        return Retried(letter, False, str(error))
    database.commit()
    return Retried(letter, True)


def _stored(database: Database, table: Table, row: Row) -> list[Row]:
    """The row with the key of `row`, if there is one."""
    where = " AND ".join(f"{name} = ?" for name in table.key)
    return database.query(
        f"SELECT {', '.join(table.column_names)} FROM {table.name} WHERE {where}{database.for_update}",
        row[: len(table.key)],
    )


def _outranked(database: Database, letter: Letter) -> bool:
    if not letter.source.startswith(RECORDED):
        return False
    universe, trade_date = letter.row[:2]
    stored = day_source(database, universe, trade_date, database.for_update)
    return stored is not None and not stored.startswith(RECORDED)


def drop(database: Database, chosen: Sequence[Letter]) -> None:
    """Gives their rows up for good, in one transaction: a mark without contents stays, for `verify`."""
    database.begin()
    for letter in chosen:
        drop_letter(database, letter)
    database.commit()
