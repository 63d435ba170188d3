"""A fetcher in this process, live session, made-up source, and a wall clock that tests turn as they like.

Waiting moves the clock, so a session of hours takes no time; nothing sleeps.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipeline import fetcher
from pipeline.config import Settings
from pipeline.fetcher import Fetcher, FetchPlan, Stopped
from pipeline.journal import JournalReader
from pipeline.market import Market
from pipeline.model import Answer, Member, Quote, Session, Universe
from tests.harness.balance import Balance, Expected, gaps

UNIVERSE = Universe("clocked", (Member("AAA"), Member("BBB")))


class TurnedClock:
    """`turns`: [(when it shows this or more, it jumps by that)], each once."""

    def __init__(self, now: datetime, turns: Sequence[tuple[datetime, timedelta]] = ()) -> None:
        self._now, self._turns = now.astimezone(UTC), list(turns)
        self._passed = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        self._passed += seconds
        self._now += timedelta(seconds=seconds)
        if self._turns and self._now >= self._turns[0][0]:
            self._now += self._turns.pop(0)[1]


class _Control:
    """The control pipe: the first word is "go"; waiting for another moves the clock. `limit`: then it says "stop"."""

    def __init__(self, clock: TurnedClock, limit: int) -> None:
        self._clock, self._words, self._left = clock, [b"go"], limit

    def poll(self, seconds: float) -> bool:
        self._left -= 1
        if self._left == 0:
            self._words.append(b"stop")
        self._clock.advance(max(seconds, 0.001))
        return bool(self._words)

    def recv_bytes(self) -> bytes:
        return self._words.pop(0)


class _Reports:
    def allow(self, seconds: float) -> None:
        """Nobody listens."""

    def report(self, **changes: Any) -> None:
        """Nobody listens."""


@dataclass
class _Source:
    """Every symbol trades at its instant. `taken`: the wall clock at each fetch."""

    clock: TurnedClock
    taken: list[datetime]
    name: str = "yahoo"
    live: bool = True

    def fetch(self, symbols: Sequence[str], index: str | None, instant: datetime, deadline: float) -> Answer:
        self.taken.append(self.clock.now())
        trade = int(instant.timestamp())
        return Answer({name: Quote(name, 1_010_000, 1_000_000, 10, trade) for name in symbols}, requests=1)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Ends:
    control: Any
    hints: Any
    role: str = "fetcher"


def play(
    directory: Path,
    session: Session,
    interval_s: int,
    start: datetime,
    turns: Sequence[tuple[datetime, timedelta]] = (),
    limit: int = 200_000,
    **more: Any,
) -> tuple[Balance, Mapping[str, str]]:
    """One incarnation of the fetcher from `start`; the journal's balance and {poll time: outcome} of all it holds.

    `limit`: after so many waits it is told to stop, and nothing is returned; `more`: settings.
    """
    clock = TurnedClock(start, turns)
    source = _Source(clock, [])
    settings = replace(Settings(), state_dir=directory, **{"stocks": True, "keep_s": 604_800, "drain_s": 1, **more})

    def market(settings: Settings, source: Any, universe: Any, begin: Any, clock: Any, unfinished: Any) -> Any:
        return Market(settings, source, UNIVERSE, None, begin, "made up", None, session, None, interval_s)

    ends: Any = Ends(_Control(clock, limit), queue.Queue(1))
    reports: Any = _Reports()
    with patch.multiple(fetcher, open_source=lambda *_, **__: source, open_market=market):
        try:
            Fetcher(FetchPlan(settings, UNIVERSE, "clocked", start), ends, reports, clock).run()
        except Stopped:
            return Balance(gaps=1, notes=["gaps: the fetcher did not come to the session's end"]), {}
    reader = JournalReader(directory)
    found = Expected.of(reader.entries())
    reader.close()
    outcomes = {poll[2]: row[3] for poll, row in found.rows["pipeline_poll"].items()}
    return gaps(found, interval_s), outcomes
