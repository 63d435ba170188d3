"""The journal's one writer. The fetcher's process (and `journal prune`, which holds the same locks).

append() returns when the record survives a power cut. A failed flush or any other I/O error is never tried again: the
kernel may have dropped the pages it could not write, and a second flush would claim success. The object is then
unusable, the process exits, and the next open looks at what is really there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline import wire
from pipeline.errors import JournalError, JournalFullError
from pipeline.journal import file as files
from pipeline.journal import pruning, repair
from pipeline.journal.file import Identity
from pipeline.journal.mark import Mark
from pipeline.lock import FileLock, state_directory
from pipeline.model import Record

LOCK = "journal.lock"
HOLDER_WAIT_S = 15.0
_RECORD_BYTES = 3 * 4096
"""What a record takes of the write-ahead log beside its payload: the pages of table and key index it changes."""
_CLOSING_WAIT_MS = 500


def _now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """Open it with Journal.open(). One thread at a time uses it; a mutex sees to that.

    `findings`: one-line alarms about damage found and journals replaced; whoever opened the journal logs them.
    """

    def __init__(self, directory: Path, stream: str, clock: Callable[[], datetime], lock: FileLock) -> None:
        self.directory = directory
        self.path = directory / files.NAME
        self.stream = stream
        self._clock = clock
        self._lock = lock
        self._mutex = threading.RLock()
        self._findings: list[str] = []
        self._broken: str | None = None
        self._closed = False
        self._open: files.Connection | None = None
        self._meta: files.Meta
        self._last_seq = 0
        self._last_digest = b""
        with files.worded(self.path):
            self._mark = Mark(directory)
        try:
            self._recover()
            self._load()
        except BaseException:
            if self._open is not None:
                self._open.close()
            self._mark.close()
            raise

    @classmethod
    def open(
        cls,
        directory: Path,
        stream: str,
        *,
        clock: Callable[[], datetime] = _now,
        wait_s: float = HOLDER_WAIT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Journal:
        """The journal of `stream` in `directory`, made when missing, replaced when damaged (see `findings`).

        Waits `wait_s` seconds for an older holder to end, then raises JournalError naming it. Raises ConfigError for a
        directory, a symbolic link, another stream or a newer format that cannot work, JournalFullError without room.
        """
        directory = state_directory(directory)
        lock = FileLock(directory / LOCK)
        path = directory / files.NAME
        with files.worded(path):
            taken = lock.acquire(wait_s, sleep)
        if not taken:
            raise JournalError(f"journal {path} is being written by {lock.holder()}; stop it first")
        try:
            return cls(directory, stream, clock, lock)
        except BaseException:
            lock.close()
            raise

    @property
    def findings(self) -> tuple[str, ...]:
        return tuple(self._findings)

    @property
    def journal_id(self) -> str:
        return self._meta.journal_id

    @property
    def last_seq(self) -> int:
        return self._last_seq

    @property
    def identity(self) -> Identity:
        return Identity(self._meta.journal_id, self.stream, self._last_seq, self._meta.pruned_seq + 1)

    @property
    def _connection(self) -> files.Connection:
        if self._open is None:
            raise JournalError(f"journal {self.path} is closed")
        return self._open

    def append(self, record: Record) -> int:
        """The record's number, once it is durable; a key that is there already keeps its number and its content.

        Raises JournalFullError (nothing happened, try again when there is room) or JournalError (exit).
        """
        return self.append_payload(record.key, wire.encode(record))

    def append_payload(self, key: str, payload: bytes) -> int:
        """append() of a record that is encoded already; `key` is the record's."""
        with self._usable():
            self._follow_files()
            known = self._seq_of(key)
            if known is not None:
                return known
            seq, digest = self._last_seq + 1, wire.digest(self._last_digest, payload)
            self._connection.execute(
                "INSERT INTO record (seq, key, digest, taken_at, payload) VALUES (?, ?, ?, ?, ?)",
                (seq, key, digest, files.utc_text(self._clock()), payload),
            )
            self._last_seq, self._last_digest = seq, digest
            self._note_mark()
            self._checkpoint_after(len(payload))
            return seq

    def keys_for(self, universe: str, trade_date: str, source: str, since: datetime | None = None) -> set[str]:
        """Keys of that day's records (sessions too), or of those appended at `since` or later."""
        with self._usable():
            rows = files.keys_of_day(self._connection, universe, trade_date, files.utc_text(since) if since else "")
            return {key for _, key in rows if key.endswith(f"|{source}")}

    def rotate(self, reason: str) -> None:
        """Begins a new journal, numbered from 1, with every readable record of this one, which is kept aside."""
        with self._usable():
            self._replace(repair.records(self._connection, self._last_seq), self._meta.journal_id, reason)
            self._load()

    def prune(self, through_seq: int, keep: timedelta) -> int:
        """Removes records up to `through_seq` that are older than `keep`, oldest first; how many.

        Stops at the first that is younger or of the last record's day: what was polled of it must stay known.
        """
        before = files.utc_text(self._clock() - keep)
        removed = 0
        with self._usable():
            self._follow_files()
            while True:
                last = pruning.prunable(self._connection, self._meta, min(through_seq, self._last_seq - 1), before)
                if last <= self._meta.pruned_seq:
                    return removed
                removed += last - self._meta.pruned_seq
                pruning.remove_through(self._connection, self._meta, last)
                self._meta = files.load_meta(self._connection, self.path)

    def compact(self) -> None:
        """Gives the room of removed records back to the disk; rewrites the file, so not while polls are taken."""
        with self._usable():
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Releases the journal; nothing is waiting to be written. Harmless when closed."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            if self._broken is None:
                self._rescue()
            if self._broken is None:
                with suppress(JournalError), files.worded(self.path):  # waits a moment for readers, then leaves the log
                    self._connection.execute(f"PRAGMA busy_timeout = {_CLOSING_WAIT_MS}")
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._broken = "the journal is closed"
            if self._open is not None:
                self._open.close()
            self._mark.close()
            self._lock.close()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        with self._mutex:
            if self._broken is not None:
                raise JournalError(self._broken)
            try:
                with files.worded(self.path):
                    yield
            except JournalFullError:
                raise
            except JournalError as error:
                self._broken = str(error)
                raise
            finally:
                if self._open is not None and self._open.in_transaction:
                    self._open.rollback()

    def _recover(self) -> None:
        """A sound journal at `path`, whatever was there; `findings` say what was wrong."""
        files.refuse_links(self.path)
        unreadable = repair.set_aside_unreadable(self.directory)
        if unreadable is not None:
            self._findings.append(f"{unreadable}; the journal that is there is used")
        finished = repair.switch(self.directory, self._mark)
        if finished is not None:
            self._findings.append(f"journal {finished} was put in place, as an earlier start had begun to do")
        last_known = self._mark.read()
        upper = 0 if last_known is None else last_known[1]
        if not self.path.exists():
            if upper:
                self._findings.append(f"journal {self.path} is gone with its {upper} records; a new one begins")
            self._replace(iter(()), "unknown", None)
            return
        wrong = repair.damage(self.path, self.stream, last_known)
        if wrong is not None:
            old = repair.journal_id_of(self.path) if self.path.stat().st_size else None
            old = old or (last_known[0] if last_known else "unknown")
            self._replace(repair.readable(self.path, upper), old, wrong)
        elif last_known is None:
            self._findings.append(f"{self.directory / 'journal.mark'} is missing or torn; it is written again")

    def _replace(self, source: Iterator[tuple[str, bytes]], old_id: str, reason: str | None) -> None:
        """`reason`: None when there was no journal."""
        there = self.path.exists() or files.side_files(self.path)[0].exists()
        aside = repair.aside_name(self.directory, old_id) if there else ""
        carried = repair.build(self.directory, self.stream, source, self._clock, aside)
        if self._open is not None:
            self._open.close()
            self._open = None
        new_id = repair.switch(self.directory, self._mark)
        if reason is not None:
            kept = f"the old file is kept as {aside}" if aside else "of the old one no file is left"
            self._findings.append(
                f"journal {old_id} is replaced ({reason}): journal {new_id} begins with the {carried} records "
                f"that can be read, all databases get them again; {kept}"
            )

    def _load(self) -> None:
        with files.worded(self.path):
            self._open = files.connect(self.path, readonly=False)
            self._meta = files.load_meta(self._connection, self.path)
            self._last_seq = files.identity(self._connection, self._meta).last_seq
            self._last_digest = files.digest_at(self._connection, self._meta, self._last_seq) or b""
            self._unsaved_bytes = files.side_files(self.path)[0].stat().st_size  # a killed process leaves its log
        self._files = files.file_identity(self.path)
        self._note_mark()

    def _follow_files(self) -> None:
        """A journal whose files were deleted or replaced under us is invisible to readers and lost on exit."""
        if files.file_identity(self.path) != self._files:
            self.rotate("its files were deleted or replaced while it was open")

    def _rescue(self) -> None:
        """The last chance for records whose files were deleted since the last append."""
        try:
            with self._usable():
                self._follow_files()
        except JournalError as error:
            self._findings.append(f"journal {self.path} was deleted or replaced, and cannot be written anew: {error}")

    def _seq_of(self, key: str) -> int | None:
        row = self._connection.execute("SELECT seq FROM record WHERE key = ?", (key,)).fetchone()
        return None if row is None else int(row[0])

    def _note_mark(self) -> None:
        """The record is safe without it; a full disk may not fail an append that has happened."""
        try:
            self._mark.write(self._meta.journal_id, self._last_seq)
        except OSError as error:
            finding = f"{self.directory / 'journal.mark'} cannot be written: {error.strerror}"
            if finding not in self._findings:
                self._findings.append(finding)

    def _checkpoint_after(self, payload_bytes: int) -> None:
        """Moves the write-ahead log into the file from time to time; PASSIVE never waits for a reader."""
        self._unsaved_bytes += payload_bytes + _RECORD_BYTES
        if self._unsaved_bytes < files.LOG_BYTES:
            return
        try:
            with files.worded(self.path):
                _, logged, saved = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except JournalFullError:
            return  # the log keeps the records; the file grows when there is room
        self._unsaved_bytes = 0 if logged == saved else files.LOG_BYTES * 3 // 4
