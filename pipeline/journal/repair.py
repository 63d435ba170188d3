"""A journal's soundness, and its replacement by a new one that carries over what can be read. The fetcher's process.

Numbers are never reused: whatever is wrong with a journal, its successor has a new id and starts from 1, so that every
database takes the carried records again (storing them twice changes nothing) and no cursor can point at another
record than the one it meant. The old file is kept aside, never deleted.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from pipeline import wire
from pipeline.errors import ConfigError, JournalDamagedError
from pipeline.journal import file as files
from pipeline.journal.mark import Mark

BUILDING = "journal.building.sqlite3"
NEXT = "journal.next.sqlite3"
_BATCH_BYTES = 8 * 1024 * 1024
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def damage(path: Path, stream: str, mark: tuple[str, int] | None) -> str | None:
    """What is wrong with the journal at `path`, one line; None when it is sound.

    Raises ConfigError when it is another stream's or a newer release's, JournalError when it cannot be read at all.
    """
    if path.stat().st_size == 0:  # SQLite would delete the write-ahead log of an empty file
        return "the file is empty"
    try:
        with files.worded(path):
            connection = files.connect(path, readonly=True)
            try:
                meta = files.load_meta(connection, path)
                if meta.stream != stream:
                    raise ConfigError(
                        f"journal {path} is of stream {meta.stream}, not {stream}: choose another --state-dir"
                    )
                return fault(connection, meta) or mark_fault(connection, meta, mark)
            finally:
                connection.close()
    except JournalDamagedError as error:
        return str(error)


def fault(connection: files.Connection, meta: files.Meta) -> str | None:
    """The first thing in the file that is not what was written: structure, numbers, digests. Reads all of it."""
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        return " ".join(str(verdict).split())
    expected, previous = meta.pruned_seq + 1, meta.pruned_digest
    for seq, digest, payload in connection.execute("SELECT seq, digest, payload FROM record ORDER BY seq"):
        if seq != expected:
            return f"record {expected} is missing"
        if wire.digest(previous, payload) != digest:
            return f"record {seq} is not what was written: its digest differs"
        expected, previous = seq + 1, digest
    return None


def mark_fault(connection: files.Connection, meta: files.Meta, mark: tuple[str, int] | None) -> str | None:
    if mark is None:
        return None
    journal_id, seq = mark
    if journal_id != meta.journal_id:
        return f"it is not the journal that was written last ({journal_id}): an older copy was put back"
    last = files.identity(connection, meta).last_seq
    if last < seq:
        return f"records {last + 1} to {seq} are gone: its write-ahead log was lost or an older copy was put back"
    return None


def readable(path: Path, upper: int) -> Iterator[tuple[str, bytes]]:
    """`(taken_at, payload)` of every record of a damaged file that can still be read; `upper`: try numbers up to it."""
    try:
        connection = files.connect(path, readonly=True)
    except sqlite3.Error:
        return
    try:
        yield from records(connection, upper)
    finally:
        connection.close()


def records(connection: files.Connection, upper: int) -> Iterator[tuple[str, bytes]]:
    """In order; past the first unreadable page each number is tried by itself."""
    seq = 0
    try:
        for row in connection.execute(_SELECT + "ORDER BY seq"):
            seq = row[0]
            yield _text(row[1]), row[2]
    except sqlite3.DatabaseError:
        for number in range(seq + 1, upper + 1):
            try:
                row = connection.execute(_SELECT + "WHERE seq = ?", (number,)).fetchone()
            except sqlite3.DatabaseError:
                continue
            if row is not None:
                yield _text(row[1]), row[2]


_SELECT = "SELECT seq, CAST(taken_at AS BLOB), payload FROM record "


def _text(taken_at: object) -> str:
    text = taken_at.decode("ascii", "replace") if isinstance(taken_at, bytes) else ""
    return text if _TIME.fullmatch(text) else ""


def build(
    directory: Path,
    stream: str,
    source: Iterator[tuple[str, bytes]],
    clock: Callable[[], datetime],
    replaces: str = "",
) -> int:
    """Prepares a new journal with the records of `source` that decode, numbered from 1; how many those are.

    It is complete when it stands under the name NEXT; switch() then puts it in place, after a crash too.
    """
    path = directory / BUILDING
    _remove(path)
    now = files.utc_text(clock())
    with files.worded(path):
        connection = files.create(path, stream, now, replaces=replaces)
        try:
            carried = _carry(connection, source, now)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except BaseException:
            connection.close()
            _remove(path)
            raise
        connection.close()
        path.replace(directory / NEXT)
        files.sync_directory(directory)
    return carried


def _carry(connection: files.Connection, source: Iterator[tuple[str, bytes]], now: str) -> int:
    seq, digest, waiting = 0, b"", 0
    connection.execute("BEGIN")
    for taken_at, payload in source:
        key = _key(payload)
        if key is None:
            continue
        following = wire.digest(digest, payload)
        done = connection.execute(
            "INSERT OR IGNORE INTO record (seq, key, digest, taken_at, payload) VALUES (?, ?, ?, ?, ?)",
            (seq + 1, key, following, taken_at or now, payload),
        )
        if done.rowcount == 0:
            continue
        seq, digest, waiting = seq + 1, following, waiting + len(payload)
        if waiting > _BATCH_BYTES:
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("BEGIN")
            waiting = 0
    connection.execute("COMMIT")
    return seq


def _key(payload: object) -> str | None:
    """The key inside a payload; None when its own checksum, or its form, says that it is not what was written."""
    if not isinstance(payload, bytes):
        return None
    try:
        return wire.decode(payload).key
    except JournalDamagedError:
        return None


def aside_name(directory: Path, journal_id: str) -> str:
    """`journal-<id>.damaged-N.sqlite3`, N the first that is free."""
    number = 1
    while (directory / f"journal-{journal_id}.damaged-{number}.sqlite3").exists():
        number += 1
    return f"journal-{journal_id}.damaged-{number}.sqlite3"


def set_aside_unreadable(directory: Path) -> str | None:
    """Renames a NEXT that does not say what it is, one line about it; None when there is none, or a readable one."""
    new = directory / NEXT
    if not new.exists():
        return None
    try:
        with files.worded(new), closing(files.connect(new, readonly=True)) as connection:
            files.load_meta(connection, new)
    except JournalDamagedError as error:
        aside = aside_name(directory, "unknown")
        new.replace(directory / aside)
        return f"{error}; it is kept as {aside}"
    return None


def switch(directory: Path, mark: Mark) -> str | None:
    """Puts a journal that build() completed in place; the id of it, None when there is none.

    Each step can be done again: a crash between them is finished by the next open. The old write-ahead log must be
    gone from its name before the new file has its own, or SQLite would replay it into the wrong journal.
    """
    new, path = directory / NEXT, directory / files.NAME
    if not new.exists():
        return None
    with files.worded(new):
        connection = files.connect(new, readonly=True)
        meta = files.load_meta(connection, new)
        last = files.identity(connection, meta).last_seq
        connection.close()
        for each in files.side_files(new):
            each.unlink(missing_ok=True)
        aside = directory / (meta.replaces or aside_name(directory, "unknown"))
        wal, shm = files.side_files(path)
        if wal.exists():
            wal.replace(files.side_files(aside)[0])
        shm.unlink(missing_ok=True)
        if path.exists():
            path.replace(aside)
        mark.write(meta.journal_id, last)
        new.replace(path)
        files.sync_directory(directory)
    return meta.journal_id


def _remove(path: Path) -> None:
    for each in (path, *files.side_files(path)):
        each.unlink(missing_ok=True)


def journal_id_of(path: Path) -> str | None:
    """The id that a file, damaged or not, still states; None when it states none."""
    try:
        connection = files.connect(path, readonly=True)
    except sqlite3.Error:
        return None
    try:
        row = connection.execute("SELECT value FROM meta WHERE name = 'journal_id'").fetchone()
    except sqlite3.Error:
        return None
    finally:
        connection.close()
    return row[0] if row is not None and re.fullmatch("[0-9a-f]{16}", str(row[0])) else None
