"""Rows made comparable: what the journal says and what a database gives back, in one form, with a hash. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.model import Row
from pipeline.tables import Column, Table

PRICE_DECIMALS = 4
HASH_BYTES = 8
Key = tuple[Any, ...]


def canonical(table: Table, row: Row) -> Row:
    """The row as every database gives it back: prices to four decimals, no negative zero, no integer for a float."""
    return tuple(_value(column, value) for column, value in zip(table.columns, row, strict=True))


def _value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.kind == "price":
        return round(float(value), PRICE_DECIMALS) + 0.0
    if column.kind == "double":
        return float(value) + 0.0
    if column.kind == "int":
        return int(value)
    return str(value)


def by_key(table: Table, rows: Iterable[Row]) -> dict[Key, Row]:
    """{key: canonical row}; of several rows with one key the last stands, as it does in a database."""
    places = [table.column_names.index(name) for name in table.key]
    found: dict[Key, Row] = {}
    for row in rows:
        ready = canonical(table, row)
        found[tuple(ready[place] for place in places)] = ready
    return found


def content_hash(rows: Mapping[Key, Row]) -> str:
    """A hash of the rows, whatever their order."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for text in sorted(map(repr, rows.values())):  # as texts: a key may hold None
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def difference(table: Table, expected: Row, found: Row) -> str:
    """`ltp 101.5 is 99.0, volume 10 is None`: the journal's values first; at most three columns."""
    parts = [
        f"{column.name} {ours!r} is {theirs!r}"
        for column, ours, theirs in zip(table.columns, expected, found, strict=True)
        if ours != theirs
    ]
    return ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
