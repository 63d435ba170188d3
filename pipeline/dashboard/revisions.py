"""The revisions of the days' series. Dashboard process, the gate's threads.

Whoever holds a day's polls of one revision has only to add those that came after them. A revision ends when anything
else happened: a poll in the middle was filled in or written again, the day was emptied.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from dataclasses import dataclass
from typing import Any

from pipeline.reader import Reader


@dataclass(frozen=True, slots=True)
class Revision:
    """Its number, the last poll (`2026-11-26 09:20:00`) that was read of it, and the check sum up to that poll."""

    number: int = 0
    last: str = ""
    sums: tuple[Any, ...] = ()


class Revisions:
    """One a universe and day, whoever reads it. A number is used once, over restarts too; 0: no polls."""

    def __init__(self) -> None:
        # Begins anywhere, so that a page that outlives a server takes none for its own; JavaScript counts up to 2^53.
        self._numbers = itertools.count(1 + secrets.randbits(48))
        self._newest: dict[tuple[str, str], Revision] = {}
        self._lock = threading.Lock()

    def number(self, universe: str, date: str) -> int:
        """The one that was read last."""
        return self._newest.get((universe, date), Revision()).number

    def of(self, reader: Reader, universe: str, date: str) -> Revision:
        """The revision that this reader sees, to its last poll.

        Ask it first: what sees an older moment than the newest one read is taken for another revision.
        """
        key = (universe, date)
        last = reader.newest_poll_time(universe, date)
        while True:
            known = self._newest.get(key)
            found = Revision()
            if last:
                goes_on = known is not None and reader.day_sum(universe, date, known.last) == known.sums
                number = known.number if known is not None and goes_on else next(self._numbers)
                found = Revision(number, last, reader.day_sum(universe, date, last))
            with self._lock:
                if self._newest.get(key) is not known:
                    continue  # another thread was faster: does its revision go on here?
                if last:
                    self._newest[key] = found
                else:
                    self._newest.pop(key, None)
                return found
