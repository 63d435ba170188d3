"""The books: what the journal says must be in a database, and what is. Raw SQL; none of the product's own checks.

lost   rows of journaled records that a database lacks or has differently and does not keep as dead letters
twice  rows that no record explains, and records that one database stored more often than once (by its own audit)
gaps   grid points between the first and the last poll without any record, and missing numbers in the journal
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline.model import Entry
from pipeline.tables import POLL, SESSION, TABLES, Table
from pipeline.wire import decode

Rows = dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]
"""{table: {key: row}}"""
Ask = Callable[[str], Iterable[tuple[Any, ...]]]
"""One statement to a database."""
_SHOWN = 12


@dataclass
class Balance:
    lost: int = 0
    twice: int = 0
    gaps: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.twice or self.gaps)

    def add(self, other: Balance) -> None:
        self.lost += other.lost
        self.twice += other.twice
        self.gaps += other.gaps
        self.notes += other.notes

    def note(self, kind: str, text: str, number: int = 1) -> None:
        setattr(self, kind, getattr(self, kind) + number)
        if len(self.notes) < _SHOWN:
            self.notes.append(f"{kind}: {text}")

    def __str__(self) -> str:
        return f"lost={self.lost} twice={self.twice} gaps={self.gaps}" + "".join(f"\n  {note}" for note in self.notes)


@dataclass
class Expected:
    """What a journal says: rows by table, and where each came from: {(table, key): (seq, row number)}."""

    rows: Rows = field(default_factory=lambda: {name: {} for name in TABLES})
    origin: dict[tuple[str, tuple[Any, ...]], tuple[int, int]] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Expected:
        found = cls()
        for entry in entries:
            found.numbers.append(entry.seq)
            for name, rows in decode(entry.payload).tables.items():
                for number, row in enumerate(rows):
                    key = key_of(TABLES[name], row)
                    found.rows[name][key] = tuple(row)
                    found.origin[name, key] = entry.seq, number
        return found


def key_of(table: Table, row: tuple[Any, ...]) -> tuple[Any, ...]:
    names = table.column_names
    return tuple(row[names.index(name)] for name in table.key)


def sqlite_asker(path: Path) -> Ask:
    def ask(sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            return connection.execute(sql).fetchall()

    return ask


def stored_rows(ask: Ask) -> Rows:
    return {
        name: {
            key_of(table, row): row
            for row in (_plain(table, found) for found in ask(f"SELECT {', '.join(table.column_names)} FROM {name}"))
        }
        for name, table in TABLES.items()
    }


def _plain(table: Table, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A driver's row in the form that records have."""
    plain = []
    for column, value in zip(table.columns, row, strict=True):
        if value is None or isinstance(value, str):
            plain.append(value)
        elif column.kind == "date":
            plain.append(value.isoformat())
        elif column.kind == "datetime":
            plain.append(value.strftime("%Y-%m-%d %H:%M:%S"))
        elif column.kind == "datetime3":
            plain.append(value.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3])
        elif column.kind in ("price", "double"):
            plain.append(float(value))
        else:
            plain.append(value)
    return tuple(plain)


def compare(name: str, must: Expected, may: Expected, ask: Ask, stored: Rows, journal_ids: Iterable[str]) -> Balance:
    """One database against the journal: it must have all of `must`, and nothing that `may` (read later) lacks.

    `stored`: its rows, read between the two. `journal_ids`: whose dead letters count.
    """
    balance = Balance()
    wanted = ", ".join(f"'{each}'" for each in journal_ids)
    letters = {
        (table, int(seq), int(number))
        for table, seq, number in ask(
            f"SELECT table_name, seq, row_no FROM pipeline_dead_letter WHERE journal_id IN ({wanted})"
        )
    }
    for table in TABLES:
        for key, row in must.rows[table].items():
            found = stored[table].get(key)
            if found == row or (table, *must.origin[table, key]) in letters:
                continue
            if found is not None and may.rows[table].get(key) == found:
                continue
            balance.note("lost", f"{name}: {table} {key}: {'missing' if found is None else f'{found} is not {row}'}")
        extra = [key for key in stored[table] if key not in may.rows[table]]
        if extra:
            balance.note("twice", f"{name}: {table}: {len(extra)} rows of no record, such as {extra[0]}", len(extra))
    return balance


def gaps(found: Expected, interval_s: int) -> Balance:
    """Holes in the numbers and in the grid of each day."""
    balance = Balance()
    for before, after in pairwise(found.numbers):
        if after != before + 1:
            balance.note("gaps", f"journal: {after} follows {before}", after - before - 1)
    for (universe, day), times in _polls_by_day(found).items():
        close = _close(found, universe, day)
        for before, after in pairwise(times):
            step = (after - before).total_seconds()
            if step > interval_s or (step < interval_s and after != close):
                missing = max(1, round(step / interval_s) - 1)
                balance.note("gaps", f"{universe} {day}: {after} follows {before}", missing)
    return balance


def _polls_by_day(found: Expected) -> dict[tuple[str, str], list[datetime]]:
    days: dict[tuple[str, str], list[datetime]] = {}
    for universe, day, poll_time in found.rows[POLL.name]:
        days.setdefault((universe, day), []).append(datetime.fromisoformat(poll_time))
    return {day: sorted(times) for day, times in days.items()}


def _close(found: Expected, universe: str, day: str) -> datetime | None:
    row = found.rows[SESSION.name].get((universe, day))
    place = SESSION.column_names.index("session_close")
    return datetime.fromisoformat(row[place]) if row else None


AUDIT = "CREATE TABLE IF NOT EXISTS test_audit (id INTEGER PRIMARY KEY {auto}, kind {text}, name {text}, seq INTEGER)"
AUDIT_TRIGGERS = {
    "test_audit_insert": ("INSERT", "pipeline_poll", "'row', {poll}, 0"),
    "test_audit_update": ("UPDATE", "pipeline_poll", "'row', {poll}, 0"),
    "test_audit_cursor": ("UPDATE", "pipeline_cursor", "'cursor', NEW.journal_id, NEW.seq"),
}
"""In the database itself, in the transaction of the rows: each poll that is stored, each move of the cursor."""


def audit_statements(dialect: str) -> list[str]:
    lite = dialect == "sqlite"
    poll = "NEW.universe || '|' || NEW.poll_time" if lite else "CONCAT(NEW.universe, '|', NEW.poll_time)"
    made = [AUDIT.format(auto="AUTOINCREMENT" if lite else "AUTO_INCREMENT", text="TEXT" if lite else "VARCHAR(160)")]
    for name, (event, table, values) in AUDIT_TRIGGERS.items():
        body = f"INSERT INTO test_audit (kind, name, seq) VALUES ({values.format(poll=poll)})"
        head = f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW"
        made.append(f"{head} BEGIN {body}; END" if lite else f"{head} {body}")
    return made


def audited(name: str, ask: Ask) -> Balance:
    """Every poll is stored once for each journal that had it, in the transaction that moved that journal's cursor."""
    balance = Balance()
    waiting: Counter[str] = Counter()
    stored: Counter[tuple[str, str]] = Counter()
    for kind, text, _ in ask("SELECT kind, name, seq FROM test_audit ORDER BY id"):
        if kind == "row":
            waiting[text] += 1
            continue
        for poll, times in waiting.items():
            stored[text, poll] += times
        waiting.clear()
    for (_, poll), times in stored.items():
        if times > 1:
            balance.note("twice", f"{name}: {poll} was stored {times} times", times - 1)
    if waiting:
        balance.note("twice", f"{name}: {len(waiting)} polls were stored without the cursor", len(waiting))
    return balance
