"""The fetcher's way into the journal: polls that find the disk full wait in memory, oldest first. Layer 3.

Runs in the fetcher. Never drops a poll silently: beyond the bound the oldest one is replaced by a record that says
it failed, so that every planned poll stays accounted for.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from pipeline.errors import JournalFullError
from pipeline.journal import Journal
from pipeline.model import Record
from pipeline.tables import POLL

MAX_WAITING_ROWS = 2_000_000
log = logging.getLogger(__name__)


class Intake:
    """Appends records; `waiting` counts those that are computed but not stored."""

    def __init__(self, journal: Journal, stored: Callable[[int], None]) -> None:
        self._journal = journal
        self._stored = stored
        self._waiting: deque[Record] = deque()
        self._rows = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def append(self, record: Record) -> bool:
        """True when the record is safe. Raises JournalError when the journal cannot go on in this process."""
        self._waiting.append(record)
        self._rows += record.row_count
        return self.retry()

    def retry(self) -> bool:
        """Appends what waits, oldest first, as far as there is room; True when nothing waits any more."""
        try:
            while self._waiting:
                sequence = self._journal.append(self._waiting[0])
                self._rows -= self._waiting.popleft().row_count
                self._stored(sequence)
        except JournalFullError as error:
            log.error("%s; %d polls wait in memory and are not stored", error, len(self._waiting))  # noqa: TRY400
            self._shrink()
        return not self._waiting

    def _shrink(self) -> None:
        while self._rows > MAX_WAITING_ROWS:
            position = next((i for i, r in enumerate(self._waiting) if len(r.tables) > 1), None)
            if position is None:
                return
            full = self._waiting[position]
            small = _only_failed(full)
            self._waiting[position] = small
            self._rows += small.row_count - full.row_count


def _only_failed(record: Record) -> Record:
    """The record of the same poll, reduced to: failed, for want of room."""
    names = POLL.column_names
    rows = []
    for row in record.tables.get(POLL.name, []):
        values = dict(zip(names, row, strict=True))
        values.update(outcome="failed", reason="the disk was full for too long; the poll could not be kept")
        rows.append(tuple(values[name] for name in names))
    return Record(record.key, record.universe, record.trade_date, record.source, {POLL.name: rows})
