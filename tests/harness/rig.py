"""A pipeline with both databases, ready to be hurt: recording, SQLite, MariaDB, proxy, audit, books."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import schema
from pipeline.dburl import DatabaseUrl
from pipeline.tables import POLL, SECTOR, SNAPSHOT, STOCK
from tests.harness import balance as books
from tests.harness.balance import Balance, Expected
from tests.harness.pipeline import ROOT, Pipeline, wait_until
from tests.harness.proxy import Proxy
from tests.harness.recording import make_recording
from tests.mariadb import MariaDb

SQLITE, MYSQL = "writer:sqlite", "writer:mysql"
NAME = "made"
BARS = 170
"""Fourteen hours: 25,500 polls."""
NEVER = "1970-01-01 00:00:00"
POLL_TABLES = tuple(table.name for table in (POLL, SNAPSHOT, SECTOR, STOCK))


@dataclass(frozen=True)
class Backup:
    """`cursors`: (journal id, seq, digest in hex); `newest`: poll time; `audit`: its last number."""

    cursors: tuple[tuple[Any, ...], ...]
    newest: str
    audit: int


class Rig:
    """`pipeline` plays a made-up recording at `speed`, a poll every `interval_s / speed` seconds, into both databases.

    MariaDB is reached through `proxy`. `asks`: {role: function that asks that database, past the proxy}.
    """

    def __init__(
        self,
        directory: Path,
        server: MariaDb,
        *,
        interval_s: int = 2,
        speed: float = 20,
        options: tuple[str, ...] = ("--heartbeat", "10s", "--drain", "20s"),
        audit: bool = True,
        package: Path = ROOT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory, self.server = directory, server
        self.interval_s, self.period_s = interval_s, interval_s / speed
        self.database = server.create_database("rig")
        self.proxy = Proxy(server.port)
        self.sqlite = directory / "breadth.db"
        recording = make_recording(directory / "recording", NAME, bars=BARS)
        mysql = f"mysql://tester@127.0.0.1:{self.proxy.port}/{self.database}"
        arguments = ["--source", f"recording:{recording}", "--interval", f"{interval_s}s", "--speed", str(speed)]
        arguments += ["--db", f"sqlite:///{self.sqlite}", "--db", mysql, *options]
        self.pipeline = Pipeline(
            directory, arguments, environment={"MYSQL_PASSWORD": "secret", **(environment or {})}, package=package
        )
        self.asks = {SQLITE: books.sqlite_asker(self.sqlite), MYSQL: self._ask_mysql}
        self._make_tables(audit)

    def _ask_mysql(self, sql: str) -> list[tuple[Any, ...]]:
        return self.server.execute(sql, database=self.database)

    def _make_tables(self, audit: bool) -> None:
        schema.ensure(DatabaseUrl.parse(f"sqlite:///{self.sqlite}"), create=True)
        schema.ensure(DatabaseUrl.parse(self.server.url(self.database)), create=True)
        if audit:
            for role, dialect in ((SQLITE, "sqlite"), (MYSQL, "mysql")):
                for statement in books.audit_statements(dialect):
                    self.execute(role, statement)

    def execute(self, role: str, statement: str) -> None:
        """A statement to a database, past the proxy."""
        with self._connection(role) as run:
            run(statement)

    @contextmanager
    def sqlite_locked(self) -> Iterator[None]:
        """Another program holds SQLite's write lock."""
        with closing(sqlite3.connect(self.sqlite, timeout=20, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def dead_letters(self, role: str) -> int:
        return int(next(iter(self.asks[role]("SELECT count(*) FROM pipeline_dead_letter")))[0])

    def newest_polls(self) -> list[str]:
        """The newest poll time of each database; "" when it has none."""
        found = (next(iter(ask("SELECT max(poll_time) FROM pipeline_poll")))[0] for ask in self.asks.values())
        return [str(time or "") for time in found]

    def run_elsewhere(self, database: str, polls: int) -> None:
        """Takes some polls into another database only."""
        own = self.pipeline.arguments
        self.pipeline.arguments = [part for part in own if "://" not in part and part != "--db"] + ["--db", database]
        try:
            self.pipeline.start()
            self.pipeline.wait_polls(polls)
            self.pipeline.stop()
        finally:
            self.pipeline.arguments = own

    def backup(self, role: str) -> Backup:
        """What a database has now, read at one instant. Rows are only added: cursors, newest poll and audit tell."""
        with self._connection(role) as run:
            run("START TRANSACTION WITH CONSISTENT SNAPSHOT" if role == MYSQL else "BEGIN")
            cursors = tuple(run("SELECT journal_id, seq, hex(digest) FROM pipeline_cursor"))
            ((newest,),) = run("SELECT max(poll_time) FROM pipeline_poll")
            ((audit,),) = run("SELECT max(id) FROM test_audit")
            run("COMMIT")
        return Backup(cursors, str(newest or NEVER), int(audit or 0))

    def restore(self, role: str, backup: Backup) -> None:
        """Puts a database back to its backup, in one transaction, whatever its writer does meanwhile."""
        with self._connection(role) as run:
            run("START TRANSACTION" if role == MYSQL else "BEGIN IMMEDIATE")
            run("SELECT seq FROM pipeline_cursor" + (" FOR UPDATE" if role == MYSQL else ""))
            for table in POLL_TABLES:
                run(f"DELETE FROM {table} WHERE poll_time > '{backup.newest}'")
            known = ", ".join(f"'{journal_id}'" for journal_id, _, _ in backup.cursors) or "''"
            run(f"DELETE FROM pipeline_cursor WHERE journal_id NOT IN ({known})")
            for journal_id, seq, digest in backup.cursors:
                where = f"WHERE journal_id = '{journal_id}'"
                run(f"UPDATE pipeline_cursor SET seq = {seq}, digest = x'{digest}' {where}")
                run(f"DELETE FROM pipeline_dead_letter {where} AND seq > {seq}")
            run(f"DELETE FROM test_audit WHERE id > {backup.audit}")
            run("COMMIT")

    @contextmanager
    def _connection(self, role: str) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """One connection to a database, past the proxy, in autocommit mode; gives what runs a statement on it."""
        connection: Any
        if role == MYSQL:
            connection = self.server.connect(self.database)
        else:
            connection = sqlite3.connect(self.sqlite, timeout=20, isolation_level=None)
        with closing(connection):
            cursor = connection.cursor()

            def run(sql: str) -> list[tuple[Any, ...]]:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

            yield run

    def expected(self) -> tuple[str, Expected]:
        """The journal's id and what it says now."""
        reader = self.pipeline.reader()
        try:
            return reader.identity().journal_id, Expected.of(reader.entries())
        finally:
            reader.close()

    def settle(self, seconds: float = 60.0) -> Balance:
        """Waits until both databases have what the journal has, then compares; the pipeline may go on meanwhile."""
        journal_id, must = self.expected()
        goal = must.numbers[-1] if must.numbers else 0
        for role in self.asks:
            wait_until(lambda role=role: self.cursor(role, journal_id) >= goal, seconds, f"record {goal} in {role}")
        return self.balance(journal_id, must)

    def balance(self, journal_id: str, must: Expected) -> Balance:
        """Both databases against `must`, an earlier reading of the journal."""
        stored = [(role, ask, books.stored_rows(ask)) for role, ask in self.asks.items()]
        later_id, may = self.expected()
        total = books.gaps(may, self.interval_s)
        for role, ask, rows in stored:
            total.add(books.compare(role, must, may, ask, rows, (journal_id, later_id)))
            total.add(books.audited(role, ask))
        return total

    def cursor(self, role: str, journal_id: str) -> int:
        rows = list(self.asks[role](f"SELECT seq FROM pipeline_cursor WHERE journal_id = '{journal_id}'"))
        return int(rows[0][0]) if rows else 0

    def close(self) -> None:
        self.pipeline.close()
        self.proxy.close()


@contextmanager
def rig(directory: Path, server: MariaDb, **options: Any) -> Iterator[Rig]:
    """A rig whose processes end with the block. The server must be up at the end."""
    made = Rig(directory, server, **options)
    try:
        yield made
    finally:
        made.close()
