"""The high-water mark: which journal was written last, and up to which number. The fetcher's process.

SQLite calls a journal sound whose write-ahead log was deleted, or that was put back from an older copy: it merely
ends earlier. The mark, written after each commit, tells. It is not flushed: after a power cut it may be old or torn,
never ahead of the journal, so it can only fail to notice, not cry wolf.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pipeline.lock import open_private

NAME = "journal.mark"
_LINE = re.compile(rb"([0-9a-f]{16}) ([0-9]{20})\n")


class Mark:
    def __init__(self, directory: Path) -> None:
        self._descriptor = open_private(directory / NAME)

    def read(self) -> tuple[str, int] | None:
        """Journal id and number; None when the file is new or torn."""
        return _parsed(os.pread(self._descriptor, 100, 0))

    def write(self, journal_id: str, seq: int) -> None:
        os.pwrite(self._descriptor, b"%s %020d\n" % (journal_id.encode("ascii"), seq), 0)

    def close(self) -> None:
        os.close(self._descriptor)


def read_mark(directory: Path) -> tuple[str, int] | None:
    """Journal id and number as the fetcher last wrote them; None when there is no mark. For readers."""
    try:
        return _parsed((directory / NAME).read_bytes())
    except OSError:
        return None


def _parsed(content: bytes) -> tuple[str, int] | None:
    found = _LINE.fullmatch(content)
    return None if found is None else (found[1].decode("ascii"), int(found[2]))
