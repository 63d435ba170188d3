"""Rows as one SQL text: `INSERT … VALUES (…),(…) ON DUPLICATE KEY UPDATE …`. Pure.

For values that passed `rows.refusals` (no NaN) and a session whose charset is utf8mb4 and whose sql_mode lacks
NO_BACKSLASH_ESCAPES and ANSI_QUOTES: `mysql.connect` sets both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.errors import SinkRejected
from pipeline.model import Row
from pipeline.tables import Table

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z"})


def insert_head(table: Table) -> str:
    names = ", ".join(f"`{name}`" for name in table.column_names)
    return f"INSERT INTO `{table.name}` ({names}) VALUES "


def update_tail(table: Table) -> str:
    """`VALUES(col)` is understood by MySQL and MariaDB; the row alias of newer MySQL is not by MariaDB."""
    changing = [name for name in table.column_names if name not in table.key] or list(table.key[:1])
    return " ON DUPLICATE KEY UPDATE " + ", ".join(f"`{name}` = VALUES(`{name}`)" for name in changing)


def keep_tail(table: Table) -> str:
    """Leaves a row with the same key as it is. (`INSERT IGNORE` would also swallow bad values.)"""
    return f" ON DUPLICATE KEY UPDATE `{table.key[0]}` = `{table.key[0]}`"


def statements(table: Table, rows: Sequence[Row], limit_bytes: int, tail_text: str) -> Iterator[bytes]:
    """Inserts of all rows, in order, each statement under `limit_bytes` unless one row alone is larger."""
    head, tail = insert_head(table).encode(), tail_text.encode()
    room = limit_bytes - len(head) - len(tail)
    parts: list[bytes] = []
    size = 0
    for part in _encoded(rows):
        if parts and size + len(part) + 1 > room:
            yield head + b",".join(parts) + tail
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield head + b",".join(parts) + tail


def _encoded(rows: Iterable[Row]) -> Iterator[bytes]:
    known: dict[str, str] = {}
    for row in rows:
        yield f"({','.join([_literal(value, known) for value in row])})".encode()


def _literal(value: object, known: dict[str, str]) -> str:
    """`known` remembers quoted texts: most repeat from row to row."""
    if isinstance(value, str):
        quoted = known.get(value)
        if quoted is None:
            quoted = known[value] = f"'{value.translate(_ESCAPES)}'"
        return quoted
    if value is None:
        return "NULL"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, bytes):
        return f"x'{value.hex()}'" if value else "''"
    raise SinkRejected(f"a value of type {type(value).__name__} cannot be stored")
