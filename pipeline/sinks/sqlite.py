"""SQLite: a file beside the journal or anywhere else. The only sink module that imports sqlite3.

WAL with synchronous=FULL: a commit that returned survives a power cut (NORMAL does not), and readers never block it.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.dburl import DatabaseUrl
from pipeline.errors import SinkError, SinkRefused, SinkRejected, SinkSchemaError, SinkUnavailable
from pipeline.model import Row
from pipeline.sinks.database import Database, Space
from pipeline.tables import STOCK, Table

BUSY_TIMEOUT_S = 5.0
MINIMUM = (3, 37, 0)
"""STRICT tables."""
_ROW = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE}
_REFUSED = {sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CANTOPEN}
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT}
_ALARM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_PRIMARY = 0xFF
_VIEW_HEAD = re.compile(r"CREATE\s+VIEW\s.*?\sAS\s+", re.IGNORECASE | re.DOTALL)


def connect(url: DatabaseUrl, *, readonly: bool) -> SqliteDatabase:
    """Opens the file, made when absent (not when `readonly`) and readable by its owner only."""
    path = url.path
    assert path is not None
    if sqlite3.sqlite_version_info < MINIMUM:
        raise SinkRefused(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed")
    try:
        if not readonly:
            _make(path)
        mode = "ro" if readonly else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
        )
    except (OSError, sqlite3.Error) as error:
        raise SinkRefused(f"{url.masked}: cannot be opened: {_reason(error)}") from None
    database = SqliteDatabase(connection, url.masked, path)
    try:
        if readonly:
            database.query("SELECT name FROM sqlite_master LIMIT 1")
        else:
            database.query("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
    except SinkError:
        database.close()
        raise
    return database


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


class SqliteDatabase(Database):
    dialect = "sqlite"
    for_update = ""
    keep_existing = "ON CONFLICT DO NOTHING"

    def __init__(self, connection: sqlite3.Connection, where: str, path: Path) -> None:
        self._connection = connection
        self._where = where
        self._path = path
        self._file = _identity(path)
        self.version = f"SQLite {sqlite3.sqlite_version}"

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._connection.execute(sql, tuple(params)).fetchall()

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        with self._errors():
            return self._connection.execute(sql, tuple(params)).rowcount

    def upsert(self, table: Table, rows: Sequence[Row]) -> None:
        with self._errors():
            self._connection.executemany(_insert(table, overwrite=True), rows)

    def fill(self, table: Table, rows: Sequence[Row]) -> int:
        with self._errors():
            return max(0, self._connection.executemany(_insert(table, overwrite=False), rows).rowcount)

    def confirm(self) -> None:
        # a file that was restored from a backup or deleted is another file: rows would go into the old one, unseen
        if _identity(self._path) != self._file:
            raise SinkUnavailable(f"{self._where}: the file was replaced or removed: opening it again")

    def begin(self) -> None:
        self.confirm()
        self.execute("BEGIN IMMEDIATE")

    def begin_reading(self) -> None:
        self.execute("BEGIN")
        self.query("SELECT count(*) FROM sqlite_schema")  # the first read is what fixes the moment

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        self.execute("ROLLBACK")

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(name for (name,) in self.query("SELECT name FROM pragma_table_info(?) ORDER BY cid", (table,)))

    def view_body(self, view: str) -> str:
        found = self.query("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", (view,))
        return _VIEW_HEAD.sub("", found[0][0], count=1) if found else ""

    def space(self) -> Space:
        used = self.query("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")[0][0]
        return Space(used, self.query(f"SELECT COUNT(*) FROM {STOCK.name}")[0][0], None)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise _translated(error, self._where) from None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _insert(table: Table, *, overwrite: bool) -> str:
    names = table.column_names
    updates = ", ".join(f"{name} = excluded.{name}" for name in names if name not in table.key)
    then = f"UPDATE SET {updates}" if overwrite and updates else "NOTHING"
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(table.key)}) DO {then}"
    )


def _translated(error: Exception, where: str) -> SinkError:
    """By SQLite's result code; the driver's own complaints about values have none."""
    code = getattr(error, "sqlite_errorcode", None)
    text = _reason(error)
    if code is None:
        return SinkRejected(text)
    code &= _PRIMARY
    if code in _ROW:
        return SinkRejected(text)
    if code in _REFUSED:
        return SinkRefused(f"{where}: {text}: check that the file and its directory are writable")
    if code in _DAMAGED:
        return SinkRefused(f"{where}: {text}: not a database of ours, or damaged")
    if code == sqlite3.SQLITE_ERROR:
        return SinkSchemaError(f"{where}: {text}: run `breadth-pipeline db check`")
    return SinkUnavailable(f"{where}: {text}", alarm=code in _ALARM)


def _reason(error: Exception) -> str:
    return " ".join((getattr(error, "strerror", None) or str(error)).split())
