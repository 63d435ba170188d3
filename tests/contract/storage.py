"""Records to store and databases to store them in, for the contract tests of sinks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from pipeline import wire
from pipeline.dburl import DatabaseUrl
from pipeline.model import Cursor, Entry, Record, Row
from pipeline.sinks import open_database
from pipeline.tables import MEMBER, POLL, SECTOR, SESSION, SNAPSHOT, STOCK, TABLES, Table

DAY = "2026-11-26"
MOMENT = f"{DAY} 10:01:00"
STREAM = "test"
JOURNAL = "journal-1"
START = Cursor(0)


def value_of(table: Table, name: str, kind: str, numbers: random.Random) -> Any:
    """A value that fits the column; nulls where the measures can be undefined."""
    if name in ("advances", "declines", "unchanged", "total_stocks"):
        return numbers.randrange(2000)
    if kind in ("double", "price", "int") and name not in table.key and numbers.random() < 0.1:
        return None
    if kind == "int":
        return numbers.choice((0, -5, numbers.randrange(10**12) if "volume" in name else numbers.randrange(10**6)))
    if kind == "price":
        return round(numbers.choice((1, -1)) * numbers.uniform(0.0001, 10 ** numbers.randrange(7)), 4)
    return numbers.uniform(-1, 1) * 10 ** numbers.randrange(-8, 8) if kind == "double" else None


def measures(table: Table, numbers: random.Random, **given: Any) -> Row:
    return tuple(
        given[column.name] if column.name in given else value_of(table, column.name, column.kind, numbers)
        for column in table.columns
    )


def stock(universe: str, moment: str, symbol: Any = "S.NS", **given: Any) -> Row:
    """A stock's row, everything valid unless `given` says otherwise."""
    values: dict[str, Any] = {
        "universe": universe,
        "trade_date": moment[:10],
        "poll_time": moment,
        "symbol": symbol,
        "ltp": 101.05,
        "prev_close": 100.0,
        "change_amt": 1.05,
        "change_pct": 1.05,
        "volume": 1000,
        "status": "ADVANCE",
        "day_open": None,
        "day_high": 102.0,
        "day_low": 99.5,
        "data_timestamp": moment,
    }
    return tuple((values | given).values())


def session_row(universe: str, source: str, day: str = DAY) -> Row:
    return (universe, day, "Asia/Kolkata", f"{day} 09:15:00", f"{day} 15:30:00", 300, source)


def session_record(
    universe: str = "nifty50",
    source: str = "yahoo",
    day: str = DAY,
    symbols: Sequence[str] = ("S0.NS", "S1.NS", "S2.NS"),
) -> Record:
    members = [(universe, day, symbol, f"Stock {symbol} é", "Banks") for symbol in symbols]
    tables = {SESSION.name: [session_row(universe, source, day)], MEMBER.name: members}
    return Record(f"{universe}|{day}|session:x|{source}", universe, day, source, tables)


def poll_record(
    minute: int,
    universe: str = "nifty50",
    source: str = "yahoo",
    stocks: Sequence[Row] | None = None,
    day: str = DAY,
    symbols: int = 40,
) -> Record:
    """A poll at 10:`minute`, its numbers drawn by `minute`."""
    numbers = random.Random(minute)
    moment = f"{day} 10:{minute:02d}:00"
    key = {"universe": universe, "trade_date": day, "poll_time": moment}
    snapshot = measures(
        SNAPSHOT,
        numbers,
        **key,
        market_sentiment="Bullish",
        index_symbol="^NSEI",
        data_time=moment,
        source=source,
        fetched_at=f"{day} 04:30:00.000",
    )
    sectors = [
        measures(SECTOR, numbers, **key, sector=name, market_sentiment=None) for name in ("Banks", "M&A 'x'", "नाम")
    ]
    if stocks is None:
        stocks = [
            stock(universe, moment, f"S{number}.NS", change_pct=numbers.uniform(-5, 5), ltp=round(100 + number / 7, 4))
            for number in range(symbols)
        ]
    tables = {
        POLL.name: [(universe, day, moment, "taken", None, 120, 1)],
        SNAPSHOT.name: [snapshot],
        SECTOR.name: sectors,
        STOCK.name: list(stocks),
    }
    return Record(f"{universe}|{day}|{moment}|{source}", universe, day, source, tables)


def seeded_day(universe: str = "nifty50") -> Record:
    """A day as adoption leaves it: snapshots and stocks, no session."""
    record = poll_record(1, source="seed", stocks=[stock(universe, MOMENT, "LIVE.NS")])
    return replace(record, tables={name: record.tables[name] for name in (SNAPSHOT.name, STOCK.name)})


def logged_stock() -> Record:
    """A single stock update of the Python API: not even a snapshot."""
    record = poll_record(1, source="api", stocks=[stock("nifty50", MOMENT, "LIVE.NS")])
    return replace(record, tables={STOCK.name: record.tables[STOCK.name]})


def unpolled(moment: str, outcome: str, universe: str = "nifty50", source: str = "yahoo") -> Record:
    """The record of a poll without a snapshot."""
    day = moment[:10]
    rows = [(universe, day, moment, outcome, "no network", 0, 0)]
    return Record(f"{universe}|{day}|{moment}|{source}", universe, day, source, {POLL.name: rows})


def entries(records: Sequence[Record], after: Cursor = START) -> list[Entry]:
    """The records as a journal keeps them after `after`."""
    found = []
    seq, digest = after.seq, after.digest
    for record in records:
        payload = wire.encode(record)
        seq, digest = seq + 1, wire.digest(digest, payload)
        found.append(Entry(seq, digest, payload))
    return found


def cursor_at(found: Sequence[Entry]) -> Cursor:
    return Cursor(found[-1].seq, found[-1].digest)


def ask(url: DatabaseUrl, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with closing(open_database(url, readonly=True)) as database:
        return database.query(sql, params)


def run(url: DatabaseUrl, *statements: str) -> None:
    with closing(open_database(url, readonly=False)) as database:
        for statement in statements:
            database.execute(statement)


def count(url: DatabaseUrl, table: str, where: str = "1 = 1") -> int:
    return int(ask(url, f"SELECT COUNT(*) FROM {table} WHERE {where}")[0][0])


def contents(url: DatabaseUrl) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that records fill, without `created_at`, in the order of the keys."""
    return {
        table.name: sorted(ask(url, f"SELECT {', '.join(table.column_names)} FROM {table.name}"), key=repr)
        for table in TABLES.values()
    }
