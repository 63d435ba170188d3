"""Reads what the page shows: a poll of a day as one frozen View, series, one stock's day. Runs in a gate's thread.

Every function takes a Reader and returns plain data; none of them keeps anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.dashboard import columns
from pipeline.dashboard.columns import Clock, Columns
from pipeline.reader import Reader, Row

STOCK_COLUMNS = ("ltp", "prev_close", "volume", "status", "day_open", "day_high", "day_low", "traded_t")
_FROM_ROW = ("ltp", "prev_close", "volume", "day_open", "day_high", "day_low")


class NotFound(LookupError):
    """What was asked for is not stored. `code`: the API's word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Members:
    """The day's issues, sorted by symbol; positions are the API's. `digest` names the whole list."""

    symbols: tuple[str, ...]
    names: tuple[str, ...]
    sectors: tuple[int, ...]
    sector_names: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class View:
    """One poll of one day, as the API shows it. No `market` before the first snapshot, no `stocks` when not stored."""

    universe: str
    trade_date: str
    clock: Clock
    session: dict[str, Any]
    market: dict[str, Any] | None
    sectors: Columns | None
    stocks: Columns | None
    members: Members | None
    last_poll: Row | None


def view(reader: Reader, universe: str, date: str, t: int | None = None) -> View:
    """The newest poll of the day, or the newest one not later than second `t`. Raises NotFound for a `t` before any."""
    session_row = reader.session(universe, date)
    clock = Clock(date, session_row["timezone"] if session_row else None)
    row = reader.latest(universe, date) if t is None else reader.snapshot(universe, date, clock.text(t), or_before=True)
    if t is not None and row is None:
        raise NotFound("unknown_poll", f"{universe} has no snapshot on {date} at or before second {t}")
    session = columns.session(session_row, clock, row["source"] if row else None)
    before, after = reader.neighbours(universe, date)
    session |= {"previous_date": before, "next_date": after, "latest": after is None}
    last_poll = reader.last_poll(universe, date) if t is None else None
    if row is None:
        return View(universe, date, clock, session, None, None, None, None, last_poll)
    stock_rows = reader.stock_rows(universe, date, row["poll_time"])
    sector_rows = reader.sectors(universe, date, row["poll_time"])
    members = merge_members(reader.members(universe, date), stock_rows, sector_rows)
    changes = columns.mean_changes(_changes(stock_rows, members))
    return View(
        universe,
        date,
        clock,
        session,
        columns.market(row, clock, session["interval_s"]),
        columns.sectors(sector_rows, members.sector_names, changes),
        _stocks(stock_rows, members, clock) if stock_rows else None,
        members,
        last_poll,
    )


def merge_members(known: Mapping[str, tuple[str, str]], stocks: Sequence[Row], sectors: Sequence[Row]) -> Members:
    """The day's members and whatever has a price besides (the Python API stores stocks without members)."""
    symbols = tuple(sorted({*known, *(row["symbol"] for row in stocks)}))
    pairs = [known.get(symbol, ("", "Unknown")) for symbol in symbols]
    names = tuple(name for name, _ in pairs)
    sector_names = tuple(sorted({sector for _, sector in pairs} | {row["sector"] for row in sectors}))
    position = {name: at for at, name in enumerate(sector_names)}
    places = tuple(position[sector] for _, sector in pairs)
    text = "\x1e".join(("\x1f".join(symbols), "\x1f".join(names), repr(places), "\x1f".join(sector_names)))
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return Members(symbols, names, places, sector_names, digest)


def _changes(rows: Sequence[Row], members: Members) -> list[tuple[str, float]]:
    sector = {
        symbol: members.sector_names[place] for symbol, place in zip(members.symbols, members.sectors, strict=True)
    }
    return [
        (sector[row["symbol"]], row["change_pct"])
        for row in rows
        if row["change_pct"] is not None and columns.STATUSES.get(row["status"]) in columns.TRADED
    ]


def _stocks(rows: Sequence[Row], members: Members, clock: Clock) -> Columns:
    by_symbol = {row["symbol"]: row for row in rows}
    found: Columns = {name: [] for name in STOCK_COLUMNS}
    for symbol in members.symbols:
        row = by_symbol.get(symbol)
        for name in _FROM_ROW:
            found[name].append(row[name] if row else None)
        found["status"].append(columns.STATUSES.get(row["status"], 0) if row else 0)
        traded = clock.seconds(row["data_timestamp"]) if row else None
        found["traded_t"].append(traded if traded is not None and traded >= 0 else None)
    return found


def days_to(reader: Reader, universe: str, date: str, days: int) -> list[str]:
    """The day and the `days - 1` stored ones before it, oldest first."""
    wanted: list[str] = [date]
    while len(wanted) < days:
        before, _ = reader.neighbours(universe, wanted[0])
        if before is None:
            break
        wanted.insert(0, before)
    return wanted


def series(reader: Reader, universe: str, date: str) -> dict[str, Any]:
    """The polls of the day."""
    session_row = reader.session(universe, date)
    clock = Clock(date, session_row["timezone"] if session_row else None)
    rows = reader.series(universe, date)
    source = next((row["source"] for row in reversed(rows) if row["source"]), None)
    session = columns.session(session_row, clock, source)
    polls, reasons = columns.points(rows, clock, session["interval_s"])
    return {"trade_date": date, "session": session, "reasons": reasons, "polls": polls}


def stock(reader: Reader, universe: str, date: str, symbol: str) -> dict[str, Any]:
    """One stock's day. Raises NotFound for a symbol that has neither a row nor a membership."""
    session_row = reader.session(universe, date)
    clock = Clock(date, session_row["timezone"] if session_row else None)
    rows = reader.stock_day(universe, date, symbol)
    members = reader.members(universe, date)
    if not rows and symbol not in members:
        raise NotFound("unknown_symbol", f"{symbol!r} is not in {universe} on {date}")
    name, sector = members.get(symbol, ("", "Unknown"))
    last: Row = rows[-1] if rows else dict.fromkeys(("prev_close", "day_open", "day_high", "day_low", "ltp"))
    return {
        "universe": universe,
        "trade_date": date,
        "symbol": symbol,
        "name": name,
        "sector": sector,
        "session": columns.session(session_row, clock, None),
        **{key: last[key] for key in ("prev_close", "day_open", "day_high", "day_low")},
        "points": {
            "t": [clock.seconds(row["poll_time"]) for row in rows],
            "ltp": [row["ltp"] for row in rows],
            "volume": [row["volume"] for row in rows],
            "status": [columns.STATUSES.get(row["status"], 0) for row in rows],
        },
    }


def resolve_date(reader: Reader, universe: str, date: str | None) -> str:
    """`date` when rows of it are stored, the newest day for None. Raises NotFound."""
    latest = reader.latest_date(universe)
    if latest is None:
        raise NotFound("unknown_universe", f"nothing is stored for the universe {universe!r}")
    if date is None or date == latest:
        return latest
    if date not in reader.dates(universe):
        raise NotFound("unknown_date", f"nothing is stored for {universe} on {date}")
    return date
