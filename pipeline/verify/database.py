"""One database's side of the comparison. Reads only, a poll at a time, a day in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.journal import Identity, JournalReader
from pipeline.model import API_SOURCE, SEED_SOURCE, Outcome, Row
from pipeline.sinks import Database
from pipeline.sinks.batch import day_source
from pipeline.sinks.letters import DROPPED
from pipeline.tables import MEMBER, POLL, SESSION, SNAPSHOT, STOCK, TABLES, Table
from pipeline.verify import report
from pipeline.verify.content import HASH_BYTES, Key, by_key, content_hash, difference
from pipeline.verify.expected import WHOLE_DAY, Origin, by_poll
from pipeline.verify.plan import RECORDED
from pipeline.verify.report import DatabaseDay, Finding

_DAY = "universe = ? AND trade_date = ?"
_NAMED = 3
_NAMES = {"symbol", "sector"}


def cursor_fault(database: Database, reader: JournalReader) -> str:
    """Why this journal cannot be the one that the database was filled from; "" when it can."""
    before = reader.identity()
    found = database.query(
        "SELECT seq, digest FROM pipeline_cursor WHERE stream = ? AND journal_id = ?",
        (before.stream, before.journal_id),
    )
    if not found:
        return ""
    seq, digest = int(found[0][0]), bytes(found[0][1])
    now = reader.identity()
    if seq > now.last_seq:
        return (
            f"it has record {seq} of journal {now.journal_id}, which ends at {now.last_seq}: the journal lost records"
        )
    ours = reader.digest_at(seq)
    if ours is not None and seq and ours != digest:
        return f"record {seq} of journal {now.journal_id} is another one there: a copied state directory went on"
    return ""


def days_of(database: Database, universes: Sequence[str]) -> set[tuple[str, str]]:
    """`(universe, trade_date)` of every day of `universes` with rows."""
    marks = ", ".join("?" * len(universes))
    found: set[tuple[str, str]] = set()
    for table in (POLL, SNAPSHOT, SESSION, STOCK):
        rows = database.query(
            f"SELECT DISTINCT universe, trade_date FROM {table.name} WHERE universe IN ({marks})", universes
        )
        found |= {(universe, trade_date) for universe, trade_date in rows}
    return found


class DayOfDatabase:
    """Begins the transaction when made; finish() ends it. `result` fills while polls are compared."""

    def __init__(self, name: str, database: Database, journal: Identity, universe: str, trade_date: str) -> None:
        self.result = DatabaseDay(name)
        self._database, self._journal = database, journal
        self._day = (universe, trade_date)
        self._content = hashlib.blake2b(digest_size=HASH_BYTES)
        database.begin_reading()
        owned = (journal.stream, journal.journal_id)
        self._cursor = self._number("SELECT MAX(seq) FROM pipeline_cursor WHERE stream = ? AND journal_id = ?", owned)
        self._others = self._number(
            "SELECT COUNT(*) FROM pipeline_cursor WHERE stream = ? AND journal_id <> ? AND seq > 0", owned
        )
        self._letters = self._number(
            "SELECT COUNT(*) FROM pipeline_dead_letter WHERE stream = ? AND journal_id = ?", owned
        )
        self._pruned = self._number(f"SELECT SUM(rows_removed) FROM pipeline_pruned WHERE {_DAY}", self._day)
        owner = day_source(database, *self._day)
        self._live = owner is not None and not owner.startswith(RECORDED)
        sessions = self._number(f"SELECT COUNT(*) FROM pipeline_session WHERE {_DAY}", self._day)
        self._foreign = bool(self._others) or (self._live and not sessions)
        self.poll_times = self._poll_times()

    def compare(self, poll_time: str, expected: Mapping[str, Sequence[tuple[Row, Origin]]], *, gone: bool) -> None:
        """Holds the rows of one poll against `expected`. `gone`: the journal no longer has what lies this far back."""
        origins = [origin for rows in expected.values() for _, origin in rows]
        letters = self._letters_of({origin.seq for origin in origins})
        taken = self._taken_by_another(poll_time, expected)
        surplus = report.OLDER if gone else report.EXTRA
        foreign = self._foreign and (taken or all(map(self._outranked, origins)))
        if not gone and (foreign or (not expected.keys() - {POLL.name} and self._entered(poll_time))):
            surplus = report.FOREIGN
        rows_before = self.result.rows
        for table in TABLES.values():
            rows = expected.get(table.name, ())
            if by_poll(table.name) == (poll_time == WHOLE_DAY) and not rows:
                continue
            if table is POLL and taken:
                self._say(report.TAKEN, table, poll_time, [row for row, _ in rows], "the database keeps that one")
                rows = ()
            self._compare_table(table, poll_time, rows, letters, surplus)
        if poll_time != WHOLE_DAY and self.result.rows > rows_before:
            self.result.polls += 1

    def finish(self) -> None:
        excess = self.result.counts[report.PRUNED] - self._pruned
        if excess > 0:
            self.result.counts[report.PRUNED] -= excess
            detail = f"more than the {self._pruned:,} that db prune removed are not there"
            self.result.add(Finding(report.MISSING, STOCK.name, WHOLE_DAY, excess, detail))
        self.result.content = self._content.hexdigest()
        if not self.result.error:
            self._database.rollback()

    def _compare_table(
        self,
        table: Table,
        poll_time: str,
        expected: Sequence[tuple[Row, Origin]],
        letters: Mapping[tuple[int, str, int], bool],
        surplus: str,
    ) -> None:
        wanted, seqs = self._wanted(table, poll_time, expected, letters)
        found = by_key(table, self._rows(table, poll_time))
        ours, theirs = content_hash(wanted), content_hash(found)
        self._content.update(f"{poll_time}|{table.name}|{theirs}".encode())
        self.result.rows += len(wanted.keys() & found.keys())
        if ours == theirs:
            return
        unstored = [key for key in wanted if key not in found]
        unequal = [key for key in wanted if key in found and wanted[key] != found[key]]
        extra = [key for key in found if key not in wanted]
        late = [key for key in (*unstored, *unequal) if seqs[key] > self._cursor]
        if table is MEMBER and any(
            seq > self._cursor for seq in seqs.values()
        ):  # the list that removes them is to come
            late, extra = late + extra, []
        self._say(report.PENDING, table, poll_time, late, f"the database has the journal up to {self._cursor}")
        hashes = f"journal {ours}, database {theirs}"
        absent = [key for key in unstored if seqs[key] <= self._cursor]
        pruned = table is STOCK and self._pruned and not found  # db prune removes a poll's rows all together
        self._say(report.PRUNED if pruned else report.MISSING, table, poll_time, absent, hashes)
        wrong = [key for key in unequal if seqs[key] <= self._cursor]
        shown = difference(table, wanted[wrong[0]], found[wrong[0]]) if wrong else ""
        self._say(report.DIFFERENT, table, poll_time, wrong, f"{shown}; {hashes}")
        self._say(surplus, table, poll_time, extra, hashes)

    def _wanted(
        self,
        table: Table,
        poll_time: str,
        expected: Sequence[tuple[Row, Origin]],
        letters: Mapping[tuple[int, str, int], bool],
    ) -> tuple[dict[Key, Row], dict[Key, int]]:
        """The rows that should be here and the record each came from; the last of several with one key stands.

        Members are those of the newest record that has any.
        """
        wanted: dict[Key, Row] = {}
        seqs: dict[Key, int] = {}
        dead: list[Key] = []
        dropped: list[Key] = []
        outranked: list[Key] = []
        standing = [origin.seq for _, origin in expected if not self._outranked(origin)] if table is MEMBER else []
        oldest = max(standing, default=0)
        for row, origin in expected:
            if self._outranked(origin):
                outranked.append(tuple(row[: len(table.key)]))
            elif origin.seq < oldest:
                continue
            elif (origin.seq, table.name, origin.row_no) in letters:
                given_up = letters[origin.seq, table.name, origin.row_no]
                (dropped if given_up else dead).append(tuple(row[: len(table.key)]))
            else:
                try:
                    (key, ready) = next(iter(by_key(table, [row]).items()))
                except (ValueError, TypeError):
                    self._say(report.MISSING, table, poll_time, [tuple(row)], "no database can store this row")
                    continue
                wanted[key], seqs[key] = ready, origin.seq
        self._say(report.DEAD, table, poll_time, dead, "see breadth-pipeline dead-letter list")
        self._say(report.DROPPED, table, poll_time, dropped, "by breadth-pipeline dead-letter drop")
        self._say(report.SUPERSEDED, table, poll_time, outranked, "the database keeps the live run's rows of this day")
        return wanted, seqs

    def _outranked(self, origin: Origin) -> bool:
        return self._live and origin.source.startswith(RECORDED)

    def _say(self, kind: str, table: Table, poll_time: str, keys: Sequence[Key], detail: str) -> None:
        if not keys:
            return
        names = sorted(str(key[-1]) for key in keys if len(key) == len(table.key) and len(key) > 2)
        named = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "") if table.key[-1] in _NAMES else ""
        self.result.add(Finding(kind, table.name, poll_time, len(keys), f"{named}: {detail}" if named else detail))

    def _rows(self, table: Table, poll_time: str) -> list[Row]:
        if poll_time == WHOLE_DAY and by_poll(table.name):
            return []  # no row of a database is without a poll time
        where = _DAY
        params: tuple[str, ...] = self._day
        if poll_time != WHOLE_DAY:
            where, params = f"{_DAY} AND poll_time = ?", (*self._day, poll_time)
        return self._database.query(f"SELECT {', '.join(table.column_names)} FROM {table.name} WHERE {where}", params)

    def _poll_times(self) -> set[str]:
        found: set[str] = set()
        for table in TABLES.values():
            if by_poll(table.name):
                rows = self._database.query(f"SELECT DISTINCT poll_time FROM {table.name} WHERE {_DAY}", self._day)
                found |= {str(poll_time) for (poll_time,) in rows}
        return found

    def _taken_by_another(self, poll_time: str, expected: Mapping[str, Sequence[tuple[Row, Origin]]]) -> bool:
        """Whether this journal calls the poll failed or skipped and the database has the snapshot of another one."""
        if not self._others or poll_time == WHOLE_DAY or expected.keys() != {POLL.name}:
            return False
        return bool(
            self._database.query(
                f"SELECT outcome FROM {POLL.name} WHERE {_DAY} AND poll_time = ? AND outcome IN (?, ?) "
                f"AND EXISTS (SELECT 1 FROM {SNAPSHOT.name} WHERE {_DAY} AND poll_time = ?)",
                (*self._day, poll_time, Outcome.TAKEN, Outcome.PARTIAL, *self._day, poll_time),
            )
        )

    def _entered(self, poll_time: str) -> bool:
        """Whether what is here of that time is not a run's: adopted, or of the Python API.

        Either names itself in its snapshot; stock rows alone are theirs too: a run's come with a poll.
        """
        where = f"{_DAY} AND poll_time = ?"
        at = (*self._day, poll_time)
        sources = self._database.query(f"SELECT source FROM {SNAPSHOT.name} WHERE {where}", at)
        if sources:
            return sources[0][0] in (API_SOURCE, SEED_SOURCE)
        poll, stocks = (self._number(f"SELECT COUNT(*) FROM {t.name} WHERE {where}", at) for t in (POLL, STOCK))
        return bool(stocks and not poll)

    def _letters_of(self, seqs: set[int]) -> dict[tuple[int, str, int], bool]:
        """{(record, table, row of it): whether its letter was dropped by hand}."""
        if not self._letters:
            return {}
        owned = (self._journal.stream, self._journal.journal_id)
        return {
            (seq, str(table_name), int(row_no)): bool(dropped)
            for seq in seqs
            for table_name, row_no, dropped in self._database.query(
                f"SELECT table_name, row_no, {DROPPED} FROM pipeline_dead_letter "
                "WHERE stream = ? AND journal_id = ? AND seq = ?",
                (*owned, seq),
            )
        }

    def _number(self, sql: str, params: Sequence[Any]) -> int:
        (value,) = self._database.query(sql, params)[0]
        return 0 if value is None else int(value)
