"""The journal's file: the one module of the journal that speaks SQLite. Any process.

Opens, creates, and words errors. Connections are made in autocommit mode: one statement is one transaction.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import ConfigError, JournalDamagedError, JournalError, JournalFullError
from pipeline.lock import open_private

NAME = "journal.sqlite3"
FORMAT = 1
LOG_BYTES = 4 * 1024 * 1024
"""The size of the write-ahead log at which it is moved into the file, and to which it is cut when it begins anew."""
_BUSY_S = 5.0
_NO_ROOM_BYTES = 64 * 1024
_SCHEMA = """
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE record (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    taken_at TEXT NOT NULL,
    payload BLOB NOT NULL
);
"""
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_ERROR,  # "no such table": our statements are right, so the file is not what was written
}
_PERHAPS_FULL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
"""A full disk sometimes shows as these: the shared-memory file cannot grow, or no inode is left for it."""

Connection = sqlite3.Connection


@dataclass(frozen=True, slots=True)
class Identity:
    """Which journal it is and what is in it: numbers `first_seq`..`last_seq` (empty when first_seq > last_seq)."""

    journal_id: str
    stream: str
    last_seq: int
    first_seq: int


@dataclass(frozen=True, slots=True)
class Meta:
    """What a journal says of itself. `pruned_seq`, `pruned_digest`: the last record that retention removed."""

    journal_id: str
    stream: str
    created_at: str
    pruned_seq: int
    pruned_digest: bytes
    replaces: str


def new_id() -> str:
    return secrets.token_hex(8)


def utc_text(instant: datetime) -> str:
    """`2026-11-26T03:50:00.123Z`; texts compare as the instants do."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def free_bytes(path: Path) -> int:
    """Bytes that an unprivileged user may still write on the disk of `path`."""
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize


def side_files(path: Path) -> tuple[Path, Path]:
    """SQLite's own files beside `path`: write-ahead log and shared memory."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def refuse_links(path: Path) -> None:
    for each in (path, *side_files(path)):
        if each.is_symlink():
            raise ConfigError(f"{each} is a symbolic link; remove it, files of the state directory are plain")


def file_identity(path: Path) -> tuple[tuple[int, int], ...] | None:
    """Device and inode of the file, its write-ahead log and its shared memory; None when one is not there.

    They stay while the fetcher has the journal open. Who opens it without the shared memory that the fetcher uses makes
    one of its own and never sees another commit.
    """
    try:
        return tuple((facts.st_dev, facts.st_ino) for facts in map(os.stat, (path, *side_files(path))))
    except FileNotFoundError:
        return None


@contextmanager
def worded(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, one line each."""
    try:
        yield
    except sqlite3.Error as error:
        raise named(path, error) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path) from error
        raise JournalError(f"journal {path} cannot be used: {error.strerror}") from error


def named(path: Path, error: sqlite3.Error) -> JournalError:
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if code is None or code & 0xFF in _DAMAGE or code in (sqlite3.SQLITE_IOERR_SHORT_READ,):
        return JournalDamagedError(f"journal {path} is damaged: {error} ({name})")
    if code == sqlite3.SQLITE_FULL or (code & 0xFF in _PERHAPS_FULL and _no_room(path)):
        return _full(path)
    if code & 0xFF == sqlite3.SQLITE_BUSY:
        return JournalError(f"journal {path} is locked by another program; close whatever has it open")
    return JournalError(f"journal {path} cannot be used: {error} ({name})")


def _full(path: Path) -> JournalFullError:
    return JournalFullError(f"no room on the disk of {path}; free some, journaling goes on when there is")


def _no_room(path: Path) -> bool:
    """Whether bytes or inodes are used up; a file system without a fixed number of inodes says 0 of 0."""
    try:
        facts = os.statvfs(path.parent)
        return free_bytes(path.parent) < _NO_ROOM_BYTES or facts.f_favail == 0 < facts.f_files
    except OSError:
        return False


def connect(path: Path, *, readonly: bool) -> Connection:
    """A connection to an existing journal. A reader never writes, checkpoints or creates the file."""
    refuse_links(path)
    mode = "ro" if readonly else "rw"
    uri = path.absolute().as_uri() + f"?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)
    try:
        if readonly:
            connection.execute("PRAGMA query_only = ON")
        else:
            _prepare(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prepare(connection: Connection) -> None:
    """Durable commits; checkpoints are ours to time, and their errors ours to see."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    connection.execute("PRAGMA secure_delete = OFF")


def create(path: Path, stream: str, created_at: str, *, replaces: str = "") -> Connection:
    """A connection to a new, empty journal at `path`, which must not exist; its schema is on disk.

    Raises sqlite3.Error, OSError, or ConfigError for a directory that cannot be written.
    """
    os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    connection = connect(path, readonly=False)
    connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    meta = {
        "format": str(FORMAT),
        "journal_id": new_id(),
        "stream": stream,
        "created_at": created_at,
        "pruned_seq": "0",
        "pruned_digest": "",
        "replaces": replaces,
    }
    connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return connection


def load_meta(connection: Connection, path: Path) -> Meta:
    """Raises ConfigError for a newer format, JournalDamagedError when the facts are not there."""
    facts = dict(connection.execute("SELECT name, value FROM meta"))
    try:
        if int(facts["format"]) > FORMAT:
            raise ConfigError(
                f"journal {path} has format {facts['format']}, this release reads up to {FORMAT}: upgrade"
            )
        return Meta(
            facts["journal_id"],
            facts["stream"],
            facts["created_at"],
            int(facts["pruned_seq"]),
            bytes.fromhex(facts["pruned_digest"]),
            facts["replaces"],
        )
    except (KeyError, ValueError, TypeError) as error:
        raise JournalDamagedError(f"journal {path} is damaged: its description is not readable ({error})") from error


def identity(connection: Connection, meta: Meta) -> Identity:
    (last,) = connection.execute("SELECT max(seq) FROM record").fetchone()
    return Identity(meta.journal_id, meta.stream, meta.pruned_seq if last is None else last, meta.pruned_seq + 1)


def digest_at(connection: Connection, meta: Meta, seq: int) -> bytes | None:
    """The chained digest after record `seq`; b"" for 0; None for a number that is not there."""
    if seq == meta.pruned_seq:
        return meta.pruned_digest
    row = connection.execute("SELECT digest FROM record WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else bytes(row[0])


def key_range(universe: str, trade_date: str) -> tuple[str, str]:
    """Keys of a day's records are at least the first and less than the second (`}` follows `|`)."""
    start = f"{universe}|{trade_date}|"
    return start, start[:-1] + "}"


def day_of(key: str) -> tuple[str, ...]:
    """`(universe, trade_date)` of a record's key."""
    return tuple(key.split("|")[:2])


def keys_of_day(connection: Connection, universe: str, trade_date: str, since: str = "") -> list[tuple[int, str]]:
    """`(seq, key)` by number; only of records appended at the UTC text `since` or later."""
    return connection.execute(
        "SELECT seq, key FROM record WHERE key >= ? AND key < ? AND taken_at >= ? ORDER BY seq",
        (*key_range(universe, trade_date), since),
    ).fetchall()


def sync_directory(directory: Path) -> None:
    """Makes renames and new names in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
