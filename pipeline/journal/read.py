"""Readers of the journal: writers, verify, the command line. Any process; never writes, never blocks an append.

A reader keeps its connection between calls, without a transaction, and opens it again when the file was replaced.
Every record's digest is compared with its predecessor's before it is handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pipeline import wire
from pipeline.errors import JournalDamagedError, JournalError
from pipeline.journal import file as files
from pipeline.journal.file import Identity
from pipeline.model import Entry

_Result = TypeVar("_Result")
_BATCH_RECORDS = 500
_BATCH_BYTES = 4 * 1024 * 1024


class JournalReader:
    """All methods raise JournalError (not there, moved, locked) or JournalDamagedError (not what was written)."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / files.NAME
        self._connection: files.Connection | None = None
        self._files: object = None

    def identity(self) -> Identity:
        return self._ask(lambda connection: files.identity(connection, files.load_meta(connection, self.path)))

    def meta(self) -> files.Meta:
        return self._ask(lambda connection: files.load_meta(connection, self.path))

    def read(
        self, after_seq: int, max_records: int = _BATCH_RECORDS, max_bytes: int = _BATCH_BYTES, journal_id: str = ""
    ) -> list[Entry]:
        """Records after number `after_seq`, in order: at most `max_records`, payloads of about `max_bytes` in all.

        The first is `first_seq` when retention removed what was between. With `journal_id`, raises JournalError when
        another journal has begun meanwhile.
        """
        return self._ask(lambda connection: self._read(connection, after_seq, max_records, max_bytes, journal_id))

    def entries(self, after_seq: int = 0, through_seq: int | None = None) -> Iterator[Entry]:
        """All records after `after_seq`, a batch in memory at a time; ends when another journal begins."""
        journal_id = self.identity().journal_id
        while batch := self.read(after_seq, journal_id=journal_id):
            for entry in batch:
                if through_seq is not None and entry.seq > through_seq:
                    return
                yield entry
            after_seq = batch[-1].seq

    def entry(self, seq: int) -> Entry | None:
        batch = self.read(seq - 1, 1)
        return batch[0] if batch and batch[0].seq == seq else None

    def taken(self) -> tuple[str, str] | None:
        """When the first and the last record were appended (UTC texts); None when it is empty."""
        sql = (
            "SELECT (SELECT taken_at FROM record ORDER BY seq LIMIT 1), taken_at FROM record ORDER BY seq DESC LIMIT 1"
        )
        row: tuple[str, str] | None = self._ask(lambda connection: connection.execute(sql).fetchone())
        return row

    def days(self) -> list[tuple[str, str]]:
        """`(universe, trade_date)` of every day that has a record, ascending; from the keys, payloads stay unread."""
        return sorted(self._ask(_days))

    def keys(self, universe: str, trade_date: str) -> list[tuple[int, str]]:
        """`(seq, key)` of a day's records, by number."""
        return self._ask(lambda connection: files.keys_of_day(connection, universe, trade_date))

    def digest_at(self, seq: int) -> bytes | None:
        """The chained digest after record `seq` (b"" for 0); None for a number that is not there (any more)."""
        return self._ask(lambda connection: files.digest_at(connection, files.load_meta(connection, self.path), seq))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, question: Callable[[files.Connection], _Result]) -> _Result:
        """One question in one brief read transaction."""
        with files.worded(self.path):
            connection = self._current()
            try:
                connection.execute("BEGIN")
                return question(connection)
            except BaseException:
                self.close()
                raise
            finally:
                if self._connection is not None and connection.in_transaction:
                    connection.execute("COMMIT")

    def _current(self) -> files.Connection:
        found = files.file_identity(self.path)
        if self._connection is not None and found != self._files:
            self.close()
        if self._connection is None:
            if not self.path.exists():
                raise JournalError(f"journal {self.path} is not there")
            self._connection = files.connect(self.path, readonly=True)
            self._connection.execute("SELECT 1 FROM meta").fetchone()
            self._files = files.file_identity(self.path)
        return self._connection

    def _read(
        self, connection: files.Connection, after_seq: int, max_records: int, max_bytes: int, journal_id: str
    ) -> list[Entry]:
        meta = files.load_meta(connection, self.path)
        if journal_id and meta.journal_id != journal_id:
            raise JournalError(f"journal {journal_id} was replaced by {meta.journal_id} in {self.path}")
        start = max(after_seq, meta.pruned_seq)
        previous = files.digest_at(connection, meta, start)
        if previous is None:
            return []
        found: list[Entry] = []
        room = max_bytes
        rows = connection.execute(
            "SELECT seq, digest, payload FROM record WHERE seq > ? ORDER BY seq LIMIT ?", (start, max_records)
        )
        for seq, digest, payload in rows:
            if found and len(payload) > room:
                break
            if seq != start + len(found) + 1 or wire.digest(previous, payload) != digest:
                raise JournalDamagedError(f"journal {self.path} is damaged: record {seq} is not what was written")
            found.append(Entry(seq, digest, payload))
            previous, room = digest, room - len(payload)
        rows.close()
        return found


def _days(connection: files.Connection) -> set[tuple[str, str]]:
    """Skips from day to day in the index of the keys."""
    found: set[tuple[str, str]] = set()
    after = ""
    while row := connection.execute("SELECT min(key) FROM record WHERE key > ?", (after,)).fetchone()[0]:
        universe, _, rest = row.partition("|")
        trade_date = rest.partition("|")[0]
        found.add((universe, trade_date))
        after = files.key_range(universe, trade_date)[1]
    return found
