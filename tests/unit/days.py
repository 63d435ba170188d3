"""A small real day for tests: universe, session, records as the fetcher makes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline import breadth, records
from pipeline.journal import Journal
from pipeline.model import Answer, Member, Outcome, Quote, Record, Session, Universe
from pipeline.session import session_grid

ZONE = ZoneInfo("Asia/Kolkata")
UNIVERSE = Universe(
    "nifty50",
    tuple(Member(f"S{number}.NS", f"Stock {number}", "Even" if number % 2 == 0 else "Odd") for number in range(6)),
)
INTERVAL_S = 300
AFTER = datetime(2026, 11, 30, tzinfo=UTC)


def session(day: str = "2026-11-26") -> Session:
    opened = datetime.combine(date.fromisoformat(day), datetime.min.time(), ZONE).replace(hour=9, minute=15)
    return Session(opened.date(), opened, opened + timedelta(minutes=30), ZONE)


def polls(day: str = "2026-11-26") -> list[datetime]:
    return list(session_grid(session(day), INTERVAL_S))


def opening(day: str = "2026-11-26", source: str = "yahoo") -> Record:
    return records.session_record(universe=UNIVERSE, session=session(day), interval_s=INTERVAL_S, source=source)


def poll(number: int, day: str = "2026-11-26", source: str = "yahoo") -> Record:
    """The record of the day's poll `number`, prices moving a little from poll to poll."""
    instant = polls(day)[number]
    quotes = {
        symbol: Quote(
            symbol, 1_000_000 + 1037 * place * (number - 2), 1_000_000, 1000 * number, int(instant.timestamp())
        )
        for place, symbol in enumerate(UNIVERSE.symbols)
    }
    answer = Answer(quotes, requests=1, duration_s=0.2)
    references = {symbol: 1_000_000 for symbol in UNIVERSE.symbols}
    return records.poll_record(
        universe=UNIVERSE,
        session=session(day),
        instant=instant,
        source=source,
        answer=answer,
        snapshot=breadth.compute(UNIVERSE, quotes, references, session(day)),
        fetched_at=instant.astimezone(UTC) + timedelta(seconds=1),
    )


def skipped(number: int, day: str = "2026-11-26", source: str = "yahoo") -> Record:
    return records.unpolled_record(
        universe=UNIVERSE,
        session=session(day),
        instant=polls(day)[number],
        source=source,
        outcome=Outcome.SKIPPED,
        reason="the test wants it",
    )


def whole_day(day: str = "2026-11-26", source: str = "yahoo") -> list[Record]:
    """The session's record and all its polls, one of them skipped."""
    numbers = range(len(polls(day)))
    return [opening(day, source), *(skipped(n, day, source) if n == 3 else poll(n, day, source) for n in numbers)]


def journaled(journal: Journal, found: list[Record]) -> None:
    for each in found:
        journal.append(each)


def with_symbol(record: Record, place: int, symbol: str) -> Record:
    """The record with the symbol of one stock row replaced."""
    tables = {name: list(rows) for name, rows in record.tables.items()}
    row = list(tables["intraday_stock_prices"][place])
    row[3] = symbol
    tables["intraday_stock_prices"][place] = tuple(row)
    return replace(record, tables=tables)
