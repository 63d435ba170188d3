"""The fetcher's way into the journal, and what it knows from there: polls taken, frozen references. Layer 3.

Runs in the fetcher. Polls that find the disk full wait in memory, oldest first, and are never dropped silently: beyond
the bound the oldest one is replaced by a record that says it failed, so that every planned poll stays accounted for.
"""

from __future__ import annotations

import contextlib
import logging
import queue as queues
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline import day_records
from pipeline.agenda import NOT_RUNNING, Past
from pipeline.clock import Clock
from pipeline.errors import JournalFullError
from pipeline.journal import NAME as JOURNAL
from pipeline.journal import Journal, JournalReader, free_bytes
from pipeline.model import Record, Session
from pipeline.session import local_text
from pipeline.tables import POLL
from pipeline.wire import decode

MAX_WAITING_ROWS = 2_000_000
RETRY_S = 5.0
log = logging.getLogger(__name__)


class Intake:
    """The journal, opened for this process. `hints`: the queue that gets a hint for each record, without waiting."""

    def __init__(self, directory: Path, stream: str, clock: Clock, hints: Any) -> None:
        self._directory, self._hints, self._clock = directory, hints, clock
        self._journal = Journal.open(directory, stream, clock=clock.now)
        self._waiting: deque[tuple[Record, float]] = deque()
        self._rows = 0
        self._retried = self._no_rotation_before = 0.0
        self._said = self.dropped = 0
        self._full = False
        self._log_findings()

    @property
    def waiting(self) -> int:
        """Records that are computed but not stored."""
        return len(self._waiting)

    def append(self, record: Record, arrived: float | None = None) -> bool:
        """True when the record is safe. Raises JournalError when the journal cannot go on in this process.

        `arrived`: when its quotes did (epoch seconds, now by default); writers measure their lag from it.
        """
        self._waiting.append((record, time.time() if arrived is None else arrived))
        self._rows += record.row_count
        return self._store()

    def retry(self) -> bool:
        """From time to time: stores what waits, if there is room again; True when that was tried."""
        if not self._waiting or time.monotonic() - self._retried < RETRY_S:
            return False
        self._retried = time.monotonic()
        self._store()
        return True

    def rotate(self, journal_id: str) -> None:
        """Begins a new journal when the present one is still `journal_id`; later, when there is no room for it."""
        if journal_id != self._journal.journal_id or time.monotonic() < self._no_rotation_before:
            return
        try:
            self._journal.rotate("a writer found it damaged, or its database ahead of it")
        except JournalFullError as error:
            self._no_rotation_before = time.monotonic() + RETRY_S
            log.error("%s; a new journal has to wait for it", error)  # noqa: TRY400 - one line, no trace
        self._log_findings()

    def prune(self, journal_id: str, through_seq: int, keep_s: int) -> None:
        """Removes what every database has and `keep_s` passed over; even that takes room, so not on a full disk."""
        with contextlib.suppress(JournalFullError):
            if journal_id == self._journal.journal_id:
                self._journal.prune(through_seq, timedelta(seconds=keep_s))

    def past(
        self, universe: str, session: Session, source: str, begin: datetime, see: Callable[[Record], None]
    ) -> Past:
        """What a fetcher of the run that began at `begin` has to know; `see` gets the day's records, oldest first."""
        new = self._journal.keys_for(universe, session.trade_date.isoformat(), source, begin)
        known: set[str] = set()
        own: set[str] = set()
        begun = False
        plan = None
        for record in self._records(universe, session.trade_date.isoformat(), source):
            see(record)
            begun = begun or day_records.begins(record, session)
            plan = next((found for found in day_records.sessions(record) if not found[0].whole_day), plan)
            for poll_time, reason in day_records.polls(record):
                known.add(poll_time)
                if record.key in new and reason != NOT_RUNNING:
                    own.add(poll_time)
        return Past(frozenset(known), frozenset(own), begun, plan)

    def unfinished(self, universe: str, session: Session, source: str) -> bool:
        """Whether the session was begun and polled, and lacks its closing poll."""
        past = self.past(universe, session, source, self._clock.now(), lambda _: None)
        return past.begun and bool(past.known) and local_text(session.close) not in past.known

    def append_session(self, record: Record) -> None:
        """Appends a session's record unless the day's last one says the same: the last one holds in the databases."""
        earlier = list(self._records(record.universe, record.trade_date, record.source, day_records.is_session))
        record = day_records.within_hours(record, earlier)
        if not earlier or earlier[-1].tables != record.tables:
            self.append(day_records.numbered(record, len(earlier)))

    def _records(
        self, universe: str, trade_date: str, source: str, chosen: Callable[[str], bool] | None = None
    ) -> Iterator[Record]:
        """The day's records in the journal, oldest first, or those whose keys are `chosen`."""
        with contextlib.closing(JournalReader(self._directory)) as reader:
            for seq, key in reader.keys(universe, trade_date):
                entry = reader.entry(seq) if key.endswith(f"|{source}") and (not chosen or chosen(key)) else None
                if entry is not None:
                    yield decode(entry.payload)

    def report(self) -> dict[str, Any]:
        """`journal`, `unstored` and `dropped` (hints that did not fit) of the status."""
        journal = {
            "id": self._journal.journal_id,
            "last_seq": self._journal.last_seq,
            "bytes": sum(_size_bytes(self._directory / f"{JOURNAL}{part}") for part in ("", "-wal")),
            "free_bytes": free_bytes(self._directory),
        }
        return {"journal": journal, "unstored": self.waiting, "dropped": self.dropped}

    def close(self) -> None:
        """Stores what still can be, says what is lost, and releases the journal."""
        if self._waiting and not self._store():
            log.error("%d polls could not be journaled for want of room and are lost", self.waiting)
        self._journal.close()
        self._log_findings()

    def _store(self) -> bool:
        """Appends what waits, oldest first, as far as there is room; True when nothing waits any more."""
        try:
            while self._waiting:
                record, arrived = self._waiting[0]
                seq = self._journal.append(record)
                self._waiting.popleft()
                self._rows -= record.row_count
                self._hint(seq, arrived)
        except JournalFullError as error:
            if not self._full:
                log.error("%s; polls wait in memory and are not stored", error)  # noqa: TRY400 - one line, no trace
            self._full = True
            self._shrink()
        else:
            if self._full:
                log.warning("there is room again: all polls that waited are in the journal")
            self._full = False
        self._log_findings()
        return not self._waiting

    def _hint(self, seq: int, arrived: float) -> None:
        try:
            self._hints.put_nowait((seq, arrived))
        except queues.Full:
            self.dropped += 1

    def _shrink(self) -> None:
        while self._rows > MAX_WAITING_ROWS:
            position = next(
                (i for i, (record, _) in enumerate(self._waiting) if record.tables.keys() > {POLL.name}), None
            )
            if position is None:
                return
            full, arrived = self._waiting[position]
            failed = _only_failed(full)
            self._waiting[position] = failed, arrived
            self._rows += failed.row_count - full.row_count

    def _log_findings(self) -> None:
        for finding in self._journal.findings[self._said :]:
            log.error("%s", finding)
        self._said = len(self._journal.findings)


def _only_failed(record: Record) -> Record:
    """The record of the same poll, reduced to: failed, for want of room."""
    names = POLL.column_names
    rows = []
    for row in record.tables.get(POLL.name, []):
        values = dict(zip(names, row, strict=True))
        values.update(outcome="failed", reason="the disk was full for too long; the poll could not be kept")
        rows.append(tuple(values[name] for name in names))
    return Record(record.key, record.universe, record.trade_date, record.source, {POLL.name: rows})


def _size_bytes(file: Path) -> int:
    with contextlib.suppress(OSError):
        return file.stat().st_size
    return 0
