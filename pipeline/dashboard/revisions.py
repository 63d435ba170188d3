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


@dataclass(frozen=True, slots=True)
class _Newest:
    """What was read last, by a reader that began then, and what was read before it, newest first."""

    revision: Revision
    since: float
    before: tuple[Revision, ...] = ()


_NOTHING = _Newest(Revision(), 0.0)
_KEPT = 16


class Revisions:
    """One a universe and day, whoever reads it. A number is used once, over restarts too; 0: no polls."""

    def __init__(self) -> None:
        # Begins anywhere, so that a page that outlives a server takes none for its own; JavaScript counts up to 2^53.
        self._numbers = itertools.count(1 + secrets.randbits(48))
        self._newest: dict[tuple[str, str], _Newest] = {}
        self._lock = threading.Lock()

    def number(self, universe: str, date: str) -> int:
        """The one that was read last."""
        return self._newest.get((universe, date), _NOTHING).revision.number

    def of(self, reader: Reader, universe: str, date: str) -> Revision:
        """The revision that this reader sees, to its last poll. Ask it first."""
        key = (universe, date)
        last = reader.newest_poll_time(universe, date) or ""
        sums = reader.day_sum(universe, date, last) if last else ()
        while True:
            newest = self._newest.get(key, _NOTHING)
            known = newest.revision
            if reader.since < newest.since:  # it sees an older moment than another thread did
                all_seen = (known, *newest.before)
                seen = next((each for each in all_seen if (each.last, each.sums) == (last, sums)), None)
                return seen or (Revision(next(self._numbers), last, sums) if last else Revision())
            found = Revision()
            if last:
                goes_on = known.last and reader.day_sum(universe, date, known.last) == known.sums
                found = Revision(known.number if goes_on else next(self._numbers), last, sums)
            with self._lock:
                if self._newest.get(key, _NOTHING) is not newest:
                    continue  # another thread was faster: does its revision go on here?
                before = newest.before if found == known else (known, *newest.before)[:_KEPT]
                self._newest[key] = _Newest(found, reader.since, before)
                return found
