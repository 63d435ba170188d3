"""What the tests of the dashboard as a process share."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from pipeline.dburl import DatabaseUrl
from pipeline.model import Universe
from tests.market_day import MarketDay, random_prices, session_around, universe_of

SYMBOLS = [f"S{number:03d}.NS" for number in range(120)]
HOSTILE = '<img src=x onerror="alert(1)">\n\ndata: x'


def sqlite(path: Path) -> DatabaseUrl:
    return DatabaseUrl("sqlite", path=path)


def live_day(file: Path, universe: Universe | None = None, interval_s: int = 300) -> MarketDay:
    """A day whose session is open now, its first poll stored a moment ago."""
    wanted = universe or universe_of("live", SYMBOLS)
    day = MarketDay(sqlite(file), wanted, session_around(datetime.now(UTC)), interval_s).begin()
    day.poll(day.at(0), random_prices(wanted, 1))
    return day


def wait(holds, deadline_s: float = 15.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
