"""Writes days of a market into a database, poll by poll, with the real records and tables. For tests and benches.

day = MarketDay(url, universe, session, interval_s=300)
day.begin()                                     # tables, session, members
day.poll(day.session.open, {"TCS.NS": 3300.0})  # a taken poll; previous closes are `close_of`
day.skip(instant, "late")
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline import breadth, schema
from pipeline.dburl import DatabaseUrl
from pipeline.model import UNITS_PER_CURRENCY, Answer, Member, Outcome, Quote, Record, Session, Universe
from pipeline.records import poll_record, session_record, unpolled_record
from pipeline.sinks import open_database
from pipeline.sinks.base import Database
from pipeline.tables import TABLES

INDIA = ZoneInfo("Asia/Kolkata")


def session_around(now: datetime, zone: ZoneInfo = INDIA, before_h: float = 2, after_h: float = 2) -> Session:
    """A session that is open at `now`, within one local day."""
    local = now.astimezone(zone).replace(microsecond=0)
    midnight = local.replace(hour=0, minute=0, second=0)
    opens = max(midnight, local - timedelta(hours=before_h))
    closes = min(midnight + timedelta(hours=23, minutes=59, seconds=59), local + timedelta(hours=after_h))
    return Session(local.date(), opens, closes, zone)


def session_of(day: date, zone: ZoneInfo = INDIA) -> Session:
    """09:15 to 15:30 of that day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return Session(day, midnight.replace(hour=9, minute=15), midnight.replace(hour=15, minute=30), zone)


def universe_of(name: str, symbols: Sequence[str], sectors: int = 3, index: str | None = None) -> Universe:
    members = tuple(Member(symbol, f"{symbol} Limited", f"Sector {at % sectors}") for at, symbol in enumerate(symbols))
    return Universe(name, members, index)


def close_of(symbol: str) -> float:
    """The previous close of a symbol: 50 to 4000, always the same."""
    return round(random.Random(symbol).uniform(50, 4000), 2)


def random_prices(universe: Universe, seed: int, moved: int | None = None) -> dict[str, float]:
    """A price within 3 % of the previous close for every symbol; with `moved`, so many differ from seed to seed."""
    base, own = random.Random(1), random.Random(seed)
    prices = {symbol: round(close_of(symbol) * base.uniform(0.97, 1.03), 2) for symbol in universe.symbols}
    chosen = universe.symbols if moved is None else own.sample(universe.symbols, moved)
    return prices | {symbol: round(close_of(symbol) * own.uniform(0.97, 1.03), 2) for symbol in chosen}


class MarketDay:
    """One day of one universe in one database."""

    def __init__(
        self,
        url: DatabaseUrl,
        universe: Universe,
        session: Session,
        interval_s: int = 300,
        source: str = "yahoo",
        closes: Mapping[str, float] | None = None,
    ) -> None:
        self.url, self.universe, self.session, self.interval_s, self.source = url, universe, session, interval_s, source
        self._closes = closes or {}
        self._last: dict[str, Quote] = {}
        self._database: Database | None = None

    def begin(self) -> MarketDay:
        schema.ensure(self.url, True)
        self._database = open_database(self.url, readonly=False)
        self.store(
            session_record(universe=self.universe, session=self.session, interval_s=self.interval_s, source=self.source)
        )
        return self

    def at(self, number: int) -> datetime:
        """The grid's instant."""
        return self.session.open + timedelta(seconds=number * self.interval_s)

    def poll(
        self,
        instant: datetime,
        prices: Mapping[str, float],
        *,
        volume: int = 1000,
        delay_s: int | None = None,
        fetched_at: datetime | None = None,
        index: float | None = None,
        stocks: bool = True,
    ) -> Record:
        """Stores a poll; symbols without a price are missing."""
        traded = int(instant.timestamp())
        quotes = {symbol: self._quote(symbol, price, traded, volume, delay_s) for symbol, price in prices.items()}
        shown = Quote(self.universe.index or "", _units(index), _units(index), None, traded) if index else None
        missing = frozenset(self.universe.symbols) - frozenset(quotes)
        answer = Answer(quotes, missing=missing, index=shown, requests=1, duration_s=0.25)
        record = poll_record(
            universe=self.universe,
            session=self.session,
            instant=instant,
            source=self.source,
            answer=answer,
            snapshot=breadth.compute(self.universe, quotes, {}, self.session),
            fetched_at=fetched_at or datetime.now(UTC),
            index=self.universe.index,
            stocks=stocks,
        )
        self.store(record)
        return record

    def _quote(self, symbol: str, price: float, traded: int, volume: int, delay_s: int | None) -> Quote:
        """What the source would say: a price that is another one was a trade of `volume` shares."""
        units, before = round(price * UNITS_PER_CURRENCY), self._last.get(symbol)
        if before is not None and before.price == units:
            return replace(before, delay_s=delay_s)
        old = before or Quote(symbol, units, None, 0, traded, units, units, units)
        close = round((self._closes.get(symbol) or close_of(symbol)) * UNITS_PER_CURRENCY)
        high, low = max(old.day_high or 0, units), min(old.day_low or units, units)
        quote = Quote(symbol, units, close, (old.volume or 0) + volume, traded, old.day_open, high, low, delay_s)
        self._last[symbol] = quote
        return quote

    def fail(self, instant: datetime, reason: str, outcome: Outcome = Outcome.FAILED) -> None:
        self.store(
            unpolled_record(
                universe=self.universe,
                session=self.session,
                instant=instant,
                source=self.source,
                outcome=outcome,
                reason=reason,
            )
        )

    def store(self, record: Record) -> None:
        """All rows of a record in one transaction, as a writer does."""
        assert self._database is not None
        self._database.begin()
        for name, rows in record.tables.items():
            self._database.upsert(TABLES[name], rows)
        self._database.commit()

    def execute(self, sql: str, params: Sequence[str] = ()) -> None:
        """A statement of somebody else's."""
        assert self._database is not None
        self._database.execute(sql, params)

    def on(self, session: Session) -> MarketDay:
        """Another day of the same universe, begun."""
        other = MarketDay(self.url, self.universe, session, self.interval_s, self.source, self._closes)
        return other.begin()

    def close(self) -> None:
        if self._database is not None:
            self._database.close()


def _units(price: float | None) -> int | None:
    return None if price is None else round(price * UNITS_PER_CURRENCY)
