"""Which seconds of which universe are taken, for all programs that log into one database from this machine. Layer 4.

A snapshot needs a second of its own; stock updates share one as long as their symbols differ. Claims are lines
appended to a file under a lock; each program reads only what others have added since. Its first line names the
generation: when it has changed, the file was written anew and is read from its start. The file only prevents that two
rows meet in one key; a lost line loses no data.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.journal.file import worded
from pipeline.lock import open_private
from pipeline.session import local_text

FILE = "seconds"
_LOCK_WAIT_S = 1.0
_RETRY_S = 0.002
_FIRST_TRIM_BYTES = 1024 * 1024
_GENERATION_BYTES = 21
_SECOND = timedelta(seconds=1)
_SNAPSHOT = ""


class Seconds:
    """Not thread-safe; the logger's own lock guards it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._taken: dict[tuple[str, str], set[str]] = {}
        self._given: dict[tuple[str, str | None], datetime] = {}
        self._generation = b""
        self._offset = 0
        self._trim_at = _FIRST_TRIM_BYTES

    def claim(self, universe: str, wanted: datetime, symbol: str | None) -> datetime:
        """The first free second from `wanted` (exchange-local) on: for a snapshot, or for an update of `symbol`.

        Raises JournalFullError without room for its line, JournalError or ConfigError when the file cannot be used.
        """
        with worded(self._path), self._locked() as descriptor:
            self._read(descriptor)
            free = wanted.replace(microsecond=0)
            given = self._given.get((universe, symbol))
            if given is not None and given >= free:  # a burst runs ahead of the clock: not searched from its start
                free = given + _SECOND
            while not self._is_free(universe, local_text(free), symbol):
                free += _SECOND
            line = f"{_word(universe)}\t{local_text(free)}\t{_word(symbol or _SNAPSHOT)}\n"
            os.write(descriptor, line.encode())
            self._note(line)
            self._given[universe, symbol] = free
            self._trim(descriptor, wanted)
        return free

    def _is_free(self, universe: str, second: str, symbol: str | None) -> bool:
        taken: Collection[str] = self._taken.get((_word(universe), second), ())
        if symbol is None:
            return not taken
        return _SNAPSHOT not in taken and _word(symbol) not in taken

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The open file. A holder that was stopped in the middle is not waited for: keys matter less than time."""
        descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            deadline = time.monotonic() + _LOCK_WAIT_S
            while not _try_lock(descriptor) and time.monotonic() < deadline:
                time.sleep(_RETRY_S)
            yield descriptor
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int) -> None:
        """Takes in the lines that were added since."""
        generation = os.pread(descriptor, _GENERATION_BYTES, 0)
        if not generation:
            generation = _begin(descriptor)
        if generation != self._generation:
            self._taken, self._offset, self._generation = {}, 0, generation
        size = os.fstat(descriptor).st_size
        data = os.pread(descriptor, max(0, size - self._offset), self._offset)
        for line in data.decode("utf-8", "replace").splitlines():
            self._note(line)
        self._offset = size

    def _note(self, line: str) -> None:
        parts = line.rstrip("\n").split("\t")
        if len(parts) == 3:
            self._taken.setdefault((parts[0], parts[1]), set()).add(parts[2])

    def _trim(self, descriptor: int, now: datetime) -> None:
        """Forgets seconds that have passed in every zone, each time the file has doubled: a day may be large."""
        self._offset = os.fstat(descriptor).st_size
        if self._offset < self._trim_at:
            return
        oldest = local_text(now - timedelta(hours=25))
        self._taken = {key: symbols for key, symbols in self._taken.items() if key[1] >= oldest}
        os.ftruncate(descriptor, 0)
        self._generation = _begin(descriptor)
        for (universe, second), symbols in self._taken.items():
            lines = "".join(f"{universe}\t{second}\t{symbol}\n" for symbol in symbols)
            os.write(descriptor, lines.encode())
        self._offset = os.fstat(descriptor).st_size
        self._trim_at = max(_FIRST_TRIM_BYTES, 2 * self._offset)


def _begin(descriptor: int) -> bytes:
    """Writes the first line of an empty file."""
    generation = b"%020d\n" % time.time_ns()
    os.write(descriptor, generation)
    return generation


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _word(text: str) -> str:
    """`text` without what separates fields and lines."""
    return "".join(char if char.isprintable() else "?" for char in text)
