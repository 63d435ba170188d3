"""A pipeline with both databases, ready to be hurt: recording, SQLite, MariaDB, proxy, audit, books."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pipeline import schema
from pipeline.dburl import DatabaseUrl
from tests.harness import balance as books
from tests.harness.balance import Balance, Expected
from tests.harness.pipeline import ROOT, Pipeline, wait_until
from tests.harness.proxy import Proxy
from tests.harness.recording import make_recording
from tests.mariadb import MariaDb

SQLITE, MYSQL = "writer:sqlite", "writer:mysql"
NAME = "made"


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
        package: Path = ROOT,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory, self.server = directory, server
        self.interval_s, self.period_s = interval_s, interval_s / speed
        self.database = server.create_database("rig")
        self.proxy = Proxy(server.port)
        self.sqlite = directory / "breadth.db"
        recording = make_recording(directory / "recording", NAME)
        mysql = f"mysql://tester@127.0.0.1:{self.proxy.port}/{self.database}"
        arguments = ["--source", f"recording:{recording}", "--interval", f"{interval_s}s", "--speed", str(speed)]
        arguments += ["--db", f"sqlite:///{self.sqlite}", "--db", mysql, *options]
        self.pipeline = Pipeline(
            directory, arguments, environment={"MYSQL_PASSWORD": "secret", **(environment or {})}, package=package
        )
        self.asks = {SQLITE: books.sqlite_asker(self.sqlite), MYSQL: self._ask_mysql}
        self._make_tables()

    def _ask_mysql(self, sql: str) -> list[tuple[Any, ...]]:
        return self.server.execute(sql, database=self.database)

    def _make_tables(self) -> None:
        schema.ensure(DatabaseUrl.parse(f"sqlite:///{self.sqlite}"), create=True)
        schema.ensure(DatabaseUrl.parse(self.server.url(self.database)), create=True)
        for statement in books.audit_statements("sqlite"):
            self.execute(SQLITE, statement)
        for statement in books.audit_statements("mysql"):
            self.execute(MYSQL, statement)

    def execute(self, role: str, *statements: str) -> None:
        """Statements to a database, past the proxy; in SQLite in one transaction."""
        if role == MYSQL:
            for statement in statements:
                self.server.execute(statement, database=self.database)
            return
        with closing(sqlite3.connect(self.sqlite, timeout=20)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

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
