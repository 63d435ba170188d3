"""MySQL and MariaDB through mysql-connector-python, the only module beside its helpers that talks to the driver.

Always the pure implementation: it answers signals, honours read and write timeouts and raises its own exceptions only.
After a timeout a connection is out of step (the next answer is that of an earlier question), and `reconnect` inside a
transaction loses rows silently: a connection that erred is thrown away, never used again.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mysql.connector
from mysql.connector.constants import FieldType

from pipeline.dburl import DatabaseUrl
from pipeline.errors import SinkRefused, SinkUnavailable
from pipeline.model import Row
from pipeline.sinks.database import Database, Space
from pipeline.sinks.letters import DEAD_LETTER
from pipeline.sinks.mysql_binary import Wire, supported
from pipeline.sinks.mysql_errors import PACKET_TOO_LARGE, translated
from pipeline.sinks.mysql_text import keep_tail, statements, update_tail
from pipeline.tables import STOCK, TABLES, Table

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
WRITE_TIMEOUT_S = 30
LOCK_WAIT_S = 5
MINIMUM = {"MariaDB": (10, 5), "MySQL": (8, 0)}
STATEMENT_BYTES = 1_000_000
SQL_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_INTEGERS = {FieldType.TINY, FieldType.SHORT, FieldType.LONG, FieldType.INT24, FieldType.LONGLONG, FieldType.YEAR}
_REALS = {FieldType.FLOAT, FieldType.DOUBLE, FieldType.DECIMAL, FieldType.NEWDECIMAL}
_BINARY_CHARSET = 63
_VERSION = re.compile(r"(\d+)\.(\d+)")
_limits: dict[str, int] = {}
_GARBLED = (ValueError, TypeError, AttributeError, LookupError, struct.error)
"""What the driver raises when a greeting is cut or is none: a proxy whose server is away may answer anything."""


def connect(url: DatabaseUrl, *, readonly: bool) -> MysqlDatabase:
    """A checked connection. Raises SinkUnavailable or SinkRefused."""
    where = url.masked
    try:
        connection = mysql.connector.connect(**_settings(url))
    except (mysql.connector.Error, OSError) as error:
        raise translated(error, where) from None
    except _GARBLED as error:
        raise SinkUnavailable(f"{where}: what answers does not speak MySQL's protocol ({error})") from None
    database = MysqlDatabase(connection, where)
    try:
        _check_server(database, url)
        if readonly:
            # below REPEATABLE READ, which a server may be set to, a transaction's queries see several states
            database.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    except BaseException:
        database.close()
        raise
    return database


def _settings(url: DatabaseUrl) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "user": url.user,
        "password": url.password or "",
        "database": url.database,
        "use_pure": True,
        "charset": "utf8mb4",
        "collation": "utf8mb4_unicode_ci",  # without it the driver asks for one that MariaDB does not have
        "autocommit": True,  # transactions are begun by hand
        "allow_local_infile": False,
        "connection_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "write_timeout": WRITE_TIMEOUT_S,
        "time_zone": "+00:00",
        "sql_mode": SQL_MODE,
        # the second one is for LOCK TABLES and ALTER TABLE: its default is a day
        "init_command": f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}, lock_wait_timeout = {LOCK_WAIT_S}",
        "conn_attrs": {"program_name": "breadth-pipeline"},
    }
    if "unix_socket" in url.options:
        return settings | {"unix_socket": url.options["unix_socket"], "ssl_disabled": True}
    settings |= {"host": url.host, "port": url.port}
    if "tls_ca" in url.options:
        settings["ssl_ca"] = url.options["tls_ca"]
    if url.options.get("tls") == "verify":
        # verify_identity alone would still talk in plain text to a server without TLS; verify_cert refuses it
        settings |= {"ssl_verify_cert": True, "ssl_verify_identity": True}
    return settings


def _check_server(database: MysqlDatabase, url: DatabaseUrl) -> None:
    version, packet, mode = database.query("SELECT VERSION(), @@max_allowed_packet, @@SESSION.sql_mode")[0]
    product = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    found = _VERSION.search(version)
    if found and (int(found[1]), int(found[2])) < MINIMUM[product]:
        needed = ".".join(map(str, MINIMUM[product]))
        raise SinkRefused(f"{url.masked}: {product} {version} is too old: {product} {needed} or newer is needed")
    if "STRICT" not in mode:
        raise SinkRefused(f"{url.masked}: the server does not keep a strict sql_mode (it has {mode!r})")
    if url.options.get("tls") == "require" and not database.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]:
        raise SinkRefused(f"{url.masked}: tls=require, but the server does not speak TLS")
    database.version = f"{product} {version}"
    database.packet_bytes = packet
    if product == "MariaDB":
        database.use_binary()


class MysqlDatabase(Database):
    dialect = "mysql"
    for_update = " FOR UPDATE"
    keep_existing = "ON DUPLICATE KEY UPDATE {0} = {0}"

    def __init__(self, connection: Any, where: str) -> None:
        self._connection = connection
        self._where = where
        self._lost = False
        self._wire: Wire | None = None
        self.version = ""
        self.packet_bytes = STATEMENT_BYTES

    def use_binary(self) -> None:
        """Upserts by prepared statements from now on, where the driver allows."""
        if supported(self._connection):
            self._wire = Wire(self._connection)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.settle()
        with self._errors(), self._connection.cursor(raw=True) as cursor:
            cursor.execute(_percent(sql, params), tuple(params))
            if cursor.description is None:
                return []
            readers = [_reader(column[1], column[8]) for column in cursor.description]
            return [
                tuple([None if value is None else read(value) for read, value in zip(readers, row, strict=True)])
                for row in cursor.fetchall()
            ]

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        self.settle()
        with self._errors(), self._connection.cursor() as cursor:
            cursor.execute(_percent(sql, params), tuple(params))
            return int(cursor.rowcount)

    def upsert(self, table: Table, rows: Sequence[Row]) -> None:
        if self._wire is not None and self._statement_bytes() == STATEMENT_BYTES:
            with self._errors():
                self._wire.upsert(table, rows)
        else:
            self._insert(table, rows, update_tail(table))

    def settle(self) -> None:
        if self._wire is not None:
            with self._errors():
                self._wire.settle()

    def fill(self, table: Table, rows: Sequence[Row]) -> int:
        return self._insert(table, rows, keep_tail(table))

    def _insert(self, table: Table, rows: Sequence[Row], tail: str) -> int:
        """The number of rows touched, as the server counts them: 1 for one inserted, 0 for one left as it was."""
        with self._errors():
            made = statements(table, rows, self._statement_bytes(), tail)
            return sum(self._connection.cmd_query(statement)["affected_rows"] for statement in made)

    def _statement_bytes(self) -> int:
        return min(STATEMENT_BYTES, self.packet_bytes // 2, _limits.get(self._where, STATEMENT_BYTES))

    def begin(self) -> None:
        self._command("START TRANSACTION")

    def begin_reading(self) -> None:
        self._command("START TRANSACTION WITH CONSISTENT SNAPSHOT")

    def commit(self) -> None:
        self._command("COMMIT")

    def rollback(self) -> None:
        self._command("ROLLBACK")

    def _command(self, sql: str) -> None:
        self.settle()
        with self._errors():
            self._connection.cmd_query(sql)

    def columns(self, table: str) -> tuple[str, ...]:
        rows = self.query(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? "
            "ORDER BY ordinal_position",
            (table,),
        )
        return tuple(name for (name,) in rows)

    def untransactional(self) -> list[tuple[str, str]]:
        names = (*TABLES, "pipeline_cursor", DEAD_LETTER.name)
        return [
            (str(name), str(engine))
            for name, engine in self.query(
                "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE() "
                f"AND engine <> 'InnoDB' AND table_name IN ({', '.join('?' * len(names))}) ORDER BY table_name",
                names,
            )
        ]

    def view_body(self, view: str) -> str:
        found = self.query(
            "SELECT view_definition FROM information_schema.views WHERE table_schema = DATABASE() AND table_name = ?",
            (view,),
        )
        return str(found[0][0]) if found else ""

    def space(self) -> Space:
        tables = self.query(
            "SELECT table_name, table_rows, data_length + index_length FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
        )
        sizes = {name: (int(rows or 0), int(size or 0)) for name, rows, size in tables}
        rows, size = sizes.get(STOCK.name, (0, 0))
        return Space(sum(used for _, used in sizes.values()), rows, size)

    def close(self) -> None:
        # shutdown() sends nothing: a server that does not answer cannot hold it up
        if self._lost:
            self._connection.shutdown()
        else:
            self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (mysql.connector.Error, OSError) as error:
            if getattr(error, "errno", None) == PACKET_TOO_LARGE:
                self._lost = True
                _limits[self._where] = smaller = max(self._statement_bytes() // 2, 1024)
                raise SinkUnavailable(f"{self._where}: statement too large: again with {smaller} bytes") from None
            told = translated(error, self._where)
            self._lost = self._lost or isinstance(told, SinkUnavailable)
            raise told from None


def _percent(sql: str, params: Sequence[Any]) -> str:
    """`?` placeholders as the driver's. Our SQL holds neither in literals."""
    return sql.replace("%", "%%").replace("?", "%s") if params else sql


def _reader(kind: int, charset: int) -> Callable[[bytearray], Any]:
    """Turns a value as the server sent it into int, float, text or bytes; dates stay the text they are."""
    if kind in _INTEGERS:
        return int
    if kind in _REALS:
        return float
    if kind in (FieldType.BLOB, FieldType.VAR_STRING, FieldType.STRING) and charset == _BINARY_CHARSET:
        return bytes
    return lambda value: value.decode("utf-8")
