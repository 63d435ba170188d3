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
        found = _LINE.fullmatch(os.pread(self._descriptor, 100, 0))
        return None if found is None else (found[1].decode("ascii"), int(found[2]))

    def write(self, journal_id: str, seq: int) -> None:
        os.pwrite(self._descriptor, b"%s %020d\n" % (journal_id.encode("ascii"), seq), 0)

    def close(self) -> None:
        os.close(self._descriptor)
