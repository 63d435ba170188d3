"""Tables of the seed system: recognised, kept as `…_seed`, their rows copied. `breadth-pipeline db upgrade` only.

The seed's tables have the names of ours, a surrogate `id` and no universe. Adopting renames them, makes ours and copies
row by row through the same checks as every other row. Interrupted anywhere, it goes on where it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.model import SEED_SOURCE, Row
from pipeline.sinks import Database
from pipeline.sinks.base import is_seed_layout
from pipeline.sinks.rows import refusals
from pipeline.tables import SNAPSHOT, STOCK, Column, Table

SUFFIX = "_seed"
TABLES = tuple(
    replace(table, columns=(*table.columns, Column("created_at", "datetime"))) for table in (SNAPSHOT, STOCK)
)
"""Ours that the seed had too, with the one column the database fills otherwise."""
VIEWS = (
    "v_latest_intraday_breadth",
    "v_today_intraday_timeseries",
    "v_top_movers_today",
    "v_intraday_breadth_summary",
)
BATCH_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one of the seed's tables. `read`: its rows; the others are those with a key that was there
    already (of an earlier copy, or of a later row of the same second). `reason`: the first one for leaving a row out.
    """

    table: str
    read: int
    inserted: int
    left_out: int
    reason: str = ""


def found(database: Database) -> tuple[str, ...]:
    """Tables that are still in the seed's layout and place."""
    return tuple(table.name for table in TABLES if is_seed_layout(database.columns(table.name)))


def kept(database: Database) -> tuple[Table, ...]:
    """Ours whose seed table was set aside."""
    return tuple(table for table in TABLES if database.columns(table.name + SUFFIX))


def set_aside(database: Database) -> Iterator[str]:
    """Renames the seed's tables and views; yields what it renamed. Data is never dropped."""
    for name in found(database):
        database.execute(f"ALTER TABLE {name} RENAME TO {name}{SUFFIX}")
        yield f"{name} → {name}{SUFFIX}"
    for name in VIEWS:
        body = database.view_body(name)
        if body and "universe" not in body:
            _rename_view(database, name, body)
            yield f"{name} → {name}{SUFFIX}"


def _rename_view(database: Database, name: str, body: str) -> None:
    """Made anew under its new name over the renamed tables: no database renames a view and what it refers to."""
    for table in TABLES:
        body = re.sub(rf"\b{table.name}\b", table.name + SUFFIX, body)
    if not database.view_body(name + SUFFIX):
        database.execute(f"CREATE VIEW {name}{SUFFIX} AS {body}")
    database.execute(f"DROP VIEW {name}")


def copy(database: Database, universe: str) -> Iterator[Copied]:
    """Copies what the seed's tables hold; rows that are there already stay as they are."""
    for table in kept(database):
        yield _copy_table(database, table, universe)


def _copy_table(database: Database, table: Table, universe: str) -> Copied:
    columns = {name.lower() for name in database.columns(table.name + SUFFIX)}
    shared = [column for column in table.columns if column.name in columns]
    read = inserted = left_out = 0
    reason = ""
    for batch in _batches(database, table, [column.name for column in shared]):
        rows = [_row(table, dict(zip([column.name for column in shared], row, strict=True)), universe) for row in batch]
        bad = refusals(table, rows)
        database.begin()
        inserted += database.fill(table, [row for place, row in enumerate(rows) if place not in bad])
        database.commit()
        read, left_out = read + len(rows), left_out + len(bad)
        reason = reason or next(iter(bad.values()), "")
    return Copied(table.name, read, inserted, left_out, reason)


def _batches(database: Database, table: Table, names: list[str]) -> Iterator[list[tuple[object, ...]]]:
    """Newest first, so that of two rows with one key the later one is kept."""
    below: object = None
    while True:
        where, params = ("WHERE id < ?", (below,)) if below is not None else ("", ())
        found_rows = database.query(
            f"SELECT id, {', '.join(names)} FROM {table.name}{SUFFIX} {where} ORDER BY id DESC LIMIT {BATCH_ROWS}",
            params,
        )
        if not found_rows:
            return
        yield [row[1:] for row in found_rows]
        below = found_rows[-1][0]


def _row(table: Table, values: dict[str, object], universe: str) -> Row:
    values["universe"] = universe
    values.setdefault("source", SEED_SOURCE)
    values.setdefault("trade_date", str(values["poll_time"])[:10])
    if values.get("created_at") is None:
        values["created_at"] = values["poll_time"]
    return tuple(_value(column, values.get(column.name)) for column in table.columns)


def _value(column: Column, value: object) -> object:
    """SQLAlchemy wrote times with six decimals into SQLite, and MySQL gives whole percentages as they were rounded."""
    if value is None:
        return None
    if column.kind == "date":
        return str(value)[:10]
    if column.kind.startswith("datetime"):
        return str(value)[:19].replace("T", " ")
    if column.kind in ("price", "double") and isinstance(value, int):
        return float(value)
    return value
