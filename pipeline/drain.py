"""Moves records from a journal into one database, in order, each exactly once. Layer 3.

The cursor lives in the database and commits with the rows. It is read again on every new connection, so an unknown
outcome of a COMMIT, a restored backup and a second writer are all resolved the same way: by asking the database.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pipeline.errors import CursorMoved, SinkRefused
from pipeline.journal import Identity, JournalReader, read_mark
from pipeline.model import Cursor, Entry
from pipeline.sinks import Sink

BATCH_RECORDS = 1000
BATCH_BYTES = 512 * 1024
"""Compressed bytes a transaction takes from the journal: some 10,000 stock rows."""
ASK_AGAIN_S = 5.0
"""A database with nothing to do is asked this often whether it still has what it had."""
log = logging.getLogger(__name__)


class JournalBehind(SinkRefused):
    """The database has records of this journal that the journal itself has lost."""


@dataclass(slots=True)
class Totals:
    """What one drain has done since it began; all only grow."""

    records: int = 0
    rows: int = 0
    dead_letters: int = 0
    superseded: int = 0


class Drain:
    """One journal, one database. `step()` moves one batch; errors leave everything as it was."""

    def __init__(self, reader: JournalReader, sink: Sink) -> None:
        self._reader, self._sink = reader, sink
        self._read_ahead = JournalReader(reader.path.parent)
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._next: tuple[int, Future[list[Entry]]] | None = None
        self._open = False
        self._asked = 0.0
        self.cursor: Cursor | None = None
        self.identity: Identity | None = None
        self.journal_id: str | None = None
        self.totals = Totals()

    @property
    def behind(self) -> int:
        """Records in the journal, when last looked at, that the database does not have yet."""
        if self.identity is None or self.cursor is None:
            return 0
        return max(0, self.identity.last_seq - self.cursor.seq)

    def step(self, *, last: bool = False) -> int:
        """Moves one batch in one transaction; returns its records, 0 when the database has everything.

        It may have been restored or emptied since it was asked, so a 0 is old by ASK_AGAIN_S at most, with `last` not
        at all. Raises SinkError (see errors.py) and JournalError; after either, `reset` before the next step.
        """
        if self.identity is None and not self._reader.path.exists():
            return 0
        identity = self._identity()
        cursor = self._located(identity)
        if cursor.seq >= identity.last_seq and (last or time.monotonic() - self._asked > ASK_AGAIN_S):
            self.cursor = None
            cursor = self._located(identity)
        if cursor.seq >= identity.last_seq:
            return 0
        entries = self._entries(cursor.seq)
        if not entries:
            return 0
        try:
            written = self._sink.write(identity.stream, identity.journal_id, cursor, entries)
        except CursorMoved:
            self.cursor = None
            raise
        newest = entries[-1]
        self.cursor, self._asked = Cursor(newest.seq, newest.digest), time.monotonic()
        self.totals.records += written.records
        self.totals.rows += written.rows
        self.totals.dead_letters += written.dead_letters
        self.totals.superseded += written.superseded
        return len(entries)

    def reset(self) -> None:
        """Forgets the connection and the cursor: the next step connects and asks the database."""
        self.cursor = None
        self._next = None
        if self._open:
            self._open = False
            self._sink.close()

    def close(self) -> None:
        self._ahead.shutdown(cancel_futures=True)
        self._read_ahead.close()
        self._reader.close()
        self.reset()

    def _identity(self) -> Identity:
        """The journal's; `journal_id` is known, by the mark, of one too that does not say itself which it is."""
        mark = read_mark(self._reader.path.parent)  # first: a new journal may begin between the two looks
        self.journal_id = mark[0] if mark else None
        identity = self._reader.identity()
        self.journal_id = identity.journal_id
        return identity

    def _located(self, identity: Identity) -> Cursor:
        known = self.identity is not None and identity.journal_id == self.identity.journal_id
        self.identity = identity
        if identity.last_seq == 0:
            return Cursor(0)
        if known and self.cursor is not None:
            return self.cursor
        if not self._open:
            self._sink.open()
            self._open = True
        self._next = None
        cursor = self._sink.locate(identity.stream, identity.journal_id)
        self._check(cursor, identity)
        self.cursor, self._asked = cursor, time.monotonic()
        return cursor

    def _check(self, cursor: Cursor, identity: Identity) -> None:
        """Raises when this journal cannot be the one whose records the database has."""
        if cursor.seq > identity.last_seq:
            raise JournalBehind(
                f"the database has record {cursor.seq} of journal {identity.journal_id}, the journal ends at "
                f"{identity.last_seq}: its newest records were lost, a new journal must begin"
            )
        if cursor.seq == 0:
            return
        if cursor.seq + 1 < identity.first_seq:
            log.error(
                "records %d to %d are no longer in the journal and not in this database (an old backup?)",
                cursor.seq + 1,
                identity.first_seq - 1,
            )
        digest = self._reader.digest_at(cursor.seq)
        if digest is not None and cursor.digest and digest != cursor.digest:
            raise SinkRefused(
                f"record {cursor.seq} of journal {identity.journal_id} is not the one this database has: the state "
                "directory is a copy that went on elsewhere; give this pipeline an empty --state-dir"
            )

    def _entries(self, after: int) -> Sequence[Entry]:
        """The batch after `after`; the one behind it is read while the database is busy with this one."""
        if self._next is not None and self._next[0] == after:
            entries = self._next[1].result()
        else:
            entries = self._ahead.submit(self._read, after).result()
        self._next = None
        if entries and self.identity is not None and entries[-1].seq < self.identity.last_seq:
            last = entries[-1].seq
            self._next = (last, self._ahead.submit(self._read, last))
        return entries

    def _read(self, after: int) -> list[Entry]:
        """In the read-ahead thread, with a reader of its own."""
        journal_id = self.identity.journal_id if self.identity else ""
        return self._read_ahead.read(after, BATCH_RECORDS, BATCH_BYTES, journal_id)
