"""The journal against each database, day by day, poll by poll. Reads only.

A day of a database is read in one transaction, and the journal's keys after that transaction has begun: whatever the
database shows was in the journal before, so a running pipeline cannot look like a fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from pipeline import day_records, wire
from pipeline.dburl import DatabaseUrl
from pipeline.errors import JournalDamagedError, JournalError, PipelineError, SinkError
from pipeline.journal import JournalReader
from pipeline.model import Record, Session
from pipeline.sinks import Database, open_database
from pipeline.tables import POLL
from pipeline.verify.database import DayOfDatabase, cursor_fault, days_of
from pipeline.verify.expected import WHOLE_DAY, Expected, expected_rows, groups
from pipeline.verify.plan import Planned, plan
from pipeline.verify.report import DatabaseDay, Day, Plan, Report


def _connect(url: DatabaseUrl) -> Database:
    return open_database(url, readonly=True)


def reconcile(
    directory: Path,
    urls: Sequence[DatabaseUrl],
    now: datetime,
    trade_date: str | None = None,
    connect: Callable[[DatabaseUrl], Database] = _connect,
) -> Report:
    """Compares everything, or one day. Raises JournalError when there is no journal to compare with."""
    reader = JournalReader(directory)
    databases: dict[str, Database] = {}
    report = Report(reader.identity(), [], {})
    try:
        for number, url in enumerate(urls, 1):
            name = url.masked if url.masked not in report.databases else f"{url.masked} (#{number})"
            report.databases[name] = ""
            try:
                databases[name] = connect(url)
                report.databases[name] = cursor_fault(databases[name], reader)
            except PipelineError as error:
                report.databases[name] = str(error)
        _compare(report, reader, databases, now, trade_date)
    except JournalDamagedError as error:
        report.damage = str(error)
    finally:
        reader.close()
        for database in databases.values():
            with suppress(SinkError):
                database.close()
    return report


def _compare(
    report: Report, reader: JournalReader, databases: Mapping[str, Database], now: datetime, trade_date: str | None
) -> None:
    days = set(reader.days())
    universes = {universe for universe, _ in days} | {report.journal.stream}
    for name, database in databases.items():
        try:
            days |= days_of(database, sorted(universes))
        except SinkError as error:
            report.databases[name] = str(error)
    for universe, date in sorted(days, key=lambda day: (day[1], day[0])):
        if trade_date in (None, date):
            report.days.append(_DayCheck(reader, databases, universe, date).run(now))


@dataclass(slots=True)
class _Noted:
    """One source's day in the journal: {poll time: outcome}, {poll time: its first record}, sessions by record."""

    outcomes: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    sessions: list[tuple[int, Session, int]] = field(default_factory=list)

    def planned(self) -> list[Planned]:
        """Each session with the polls that were journaled between its record and the next one's."""
        ends = [*(seq for seq, _, _ in self.sessions), math.inf][1:]
        return [
            Planned(session, interval_s, [text for text, at in self.numbers.items() if seq < at < end])
            for (seq, session, interval_s), end in zip(self.sessions, ends, strict=True)
        ]


class _DayCheck:
    """One day: its records are decoded once and held against every database."""

    def __init__(self, reader: JournalReader, databases: Mapping[str, Database], universe: str, date: str) -> None:
        self._reader = reader
        self._journal = reader.identity()
        self._universe, self._date = universe, date
        self._parts: list[DayOfDatabase] = []
        self._failed: list[DatabaseDay] = []
        for name, database in databases.items():
            try:
                self._parts.append(DayOfDatabase(name, database, self._journal, universe, date))
            except SinkError as error:
                self._failed.append(DatabaseDay(name, error=str(error)))
        self._noted: dict[str, _Noted] = {}

    def run(self, now: datetime) -> Day:
        numbers = self._numbers()
        oldest = self._oldest()
        for poll_time in sorted({WHOLE_DAY, *numbers}.union(*(part.poll_times for part in self._parts))):
            numbered = [(seq, self._record(seq)) for seq in numbers.get(poll_time, ())]
            self._note(numbered)
            gone = oldest is not None and (self._date, poll_time) < oldest
            if oldest is not None and self._date == oldest[0] and poll_time not in numbers:
                gone = True  # journaled out of order: a poll at any time, before what the regular start skipped
            expected = expected_rows(numbered, poll_time)
            for part in self._parts:
                _hold_against(part, poll_time, expected, gone)
        for part in self._parts:
            part.finish()
        if self._reader.identity().journal_id != self._journal.journal_id:
            raise JournalError("a new journal began while this one was being compared; run verify again")
        results = [part.result for part in self._parts]
        return Day(self._universe, self._date, self._plans(now, oldest), results + self._failed)

    def _numbers(self) -> dict[str, list[int]]:
        """{poll time or WHOLE_DAY: numbers of the records with rows of it}."""
        found: dict[str, list[int]] = {}
        for seq, _ in self._reader.keys(self._universe, self._date):
            for group in groups(self._record(seq)):
                found.setdefault(group, []).append(seq)
        return found

    def _record(self, seq: int) -> Record:
        entry = self._reader.entry(seq)
        if entry is None:
            raise JournalError(f"record {seq} left the journal while it was being compared; run verify again")
        return wire.decode(entry.payload)

    def _oldest(self) -> tuple[str, str] | None:
        """Day and poll time of the first poll that retention left (None: it removed nothing)."""
        journal = self._journal
        if journal.first_seq == 1:
            return None
        for entry in self._reader.entries(journal.first_seq - 1):
            record = wire.decode(entry.payload)
            if times := groups(record) - {WHOLE_DAY}:
                return record.trade_date, min(times)
        return "9999-12-31", ""

    def _note(self, numbered: Iterable[tuple[int, Record]]) -> None:
        """Keeps what the plan is compared with, by source."""
        for seq, record in numbered:
            noted = self._noted.setdefault(record.source, _Noted())
            for row in record.tables.get(POLL.name, ()):
                noted.outcomes[row[2]] = row[3]
                noted.numbers.setdefault(row[2], seq)
            noted.sessions += [(seq, *found) for found in day_records.sessions(record)]

    def _plans(self, now: datetime, oldest: tuple[str, str] | None) -> list[Plan]:
        """Planned polls from before what retention left are not held against the journal."""
        plans = []
        for source, noted in sorted(self._noted.items()):
            found = plan(source, noted.planned(), noted.outcomes, now)
            kept = [text for text in found.missing if oldest is None or (self._date, text) >= oldest]
            plans.append(replace(found, missing=kept))
        return plans


def _hold_against(part: DayOfDatabase, poll_time: str, expected: Expected, gone: bool) -> None:
    if part.result.error:
        return
    try:
        part.compare(poll_time, expected, gone=gone)
    except SinkError as error:
        part.result.error = str(error)
