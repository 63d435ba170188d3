"""Calls of the Python API as records of the journal. Layer 4, pure.

A record here holds a snapshot with its stocks, or one stock. Ratios and percentages are computed again, unrounded,
from the counts. Volumes and the states of the rest of the universe come from the stock details when they agree with
the counts, else they are null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from pipeline import tables
from pipeline.api.issue import TRADED, StockStatus, local, number, of_newest_day, whole
from pipeline.breadth import compute
from pipeline.errors import UsageError
from pipeline.model import API_SOURCE, Counts, Member, Outcome, Quote, Record, Row, Session, Status, Universe
from pipeline.session import local_text, utc_text

_MOST_ISSUES = 1_000_000
_COUNTED = ("advances", "declines", "unchanged")
_measures = attrgetter(*tables.MEASURES)
_PRICES: dict[Status, tuple[int | None, int | None]] = {
    Status.ADVANCE: (2, 1),
    Status.DECLINE: (1, 2),
    Status.UNCHANGED: (1, 1),
    Status.NOT_TRADED: (1, 1),
    Status.NO_REFERENCE: (1, None),
    Status.NO_QUOTE: (None, None),
}
_UTC = ZoneInfo("UTC")
_SESSION = Session(date(2000, 1, 3), datetime(2000, 1, 3, tzinfo=_UTC), datetime(2000, 1, 4, tzinfo=_UTC), _UTC)


def snapshot_record(
    universe: str, poll_time: datetime, breadth: Mapping[str, Any], stocks: Sequence[StockStatus]
) -> Record:
    """The record of `log_breadth_snapshot`; `poll_time` aware, in the exchange's zone. Raises UsageError: no counts.

    Without a count and without a price it is a failed poll: never a snapshot of nothing.
    """
    key = _key(universe, poll_time)
    statuses = _statuses(stocks)
    measured = _measured(breadth, stocks, statuses)
    priced = [stock for stock in stocks if stock.ltp is not None]
    name = f"{universe}|{key[1]}|{key[2]}|{API_SOURCE}"
    if not priced and not measured.total_stocks:
        failed = (*key, Outcome.FAILED.value, "no symbol has a price", 0, 0)
        return Record(name, universe, key[1], API_SOURCE, {tables.POLL.name: [failed]})
    stated = [local_text(local(stock.timestamp, _zone(poll_time))) for stock in priced if stock.stated]
    provenance = (None, None, None, None, max(stated, default=None), API_SOURCE, utc_text(datetime.now(UTC)))
    rows: dict[str, list[Row]] = {
        tables.POLL.name: [(*key, Outcome.TAKEN.value, None, 0, 0)],
        tables.SNAPSHOT.name: [(*key, *_measures(measured), *provenance)],
    }
    if priced:
        rows[tables.STOCK.name] = [_stock_row(key, stock, statuses[stock.symbol], poll_time) for stock in priced]
    return Record(name, universe, key[1], API_SOURCE, rows)


def stock_record(universe: str, poll_time: datetime, stock: StockStatus, change_pct: Any) -> Record:
    """The record of `log_stock_update`. `change_pct`: the caller's, stored where there is no previous close."""
    key = _key(universe, poll_time)
    rows = {tables.STOCK.name: [_stock_row(key, stock, Status(stock.status), poll_time, number(change_pct))]}
    return Record(f"{universe}|{key[1]}|{key[2]} {stock.symbol}|{API_SOURCE}", universe, key[1], API_SOURCE, rows)


def logged_rows(record: Record) -> int:
    """Snapshot and stock rows: what callers count as records."""
    return sum(len(record.tables.get(table.name, ())) for table in (tables.SNAPSHOT, tables.STOCK))


def _key(universe: str, poll_time: datetime) -> tuple[str, str, str]:
    return universe, poll_time.date().isoformat(), local_text(poll_time)


def _zone(poll_time: datetime) -> ZoneInfo:
    zone = poll_time.tzinfo
    assert isinstance(zone, ZoneInfo)
    return zone


def _statuses(stocks: Sequence[StockStatus]) -> dict[str, Status]:
    """{symbol: status}; one whose price is of an earlier day than the others' did not trade."""
    today = of_newest_day(stock for stock in stocks if stock.ltp is not None)
    found = {}
    for stock in stocks:
        status = Status(stock.status)
        found[stock.symbol] = status if stock.symbol in today or status not in TRADED else Status.NOT_TRADED
    return found


def _measured(breadth: Mapping[str, Any], stocks: Sequence[StockStatus], statuses: Mapping[str, Status]) -> Counts:
    given = breadth if isinstance(breadth, Mapping) else {}
    stated = [_count(given.get(name)) for name in _COUNTED]
    if None in stated:
        wrong = [name for name, count in zip(_COUNTED, stated, strict=True) if count is None]
        raise UsageError(
            f"log_breadth_snapshot needs a mapping with {', '.join(_COUNTED)} as whole numbers, at most "
            f"{_MOST_ISSUES}; not so: {', '.join(wrong)}"
        )
    detailed = _counts([(statuses[stock.symbol], stock.volume if stock.volume_stated else None) for stock in stocks])
    if [detailed.advances, detailed.declines, detailed.unchanged] == stated:
        return detailed
    return _counts([(status, None) for status, count in zip(TRADED, stated, strict=True) for _ in range(count or 0)])


def _count(value: Any) -> int | None:
    """`1` and `1.0` are counts, 1.5 is none."""
    found = whole(value)
    return found if found is not None and found == number(value) and found <= _MOST_ISSUES else None


def _counts(issues: Sequence[tuple[Status, int | None]]) -> Counts:
    """Every measure over issues whose states (and volumes) are known: each is quoted so that it has its state."""
    quotes = {str(at): _quote(str(at), status, volume) for at, (status, volume) in enumerate(issues)}
    members = tuple(Member(symbol) for symbol in quotes)
    return compute(Universe(API_SOURCE, members), quotes, {}, _SESSION).counts


def _quote(symbol: str, status: Status, volume: int | None) -> Quote:
    price, previous = _PRICES[status]
    traded = status in TRADED
    return Quote(symbol, price, previous, volume if traded else 0, int(_SESSION.open.timestamp()) if traded else None)


def _stock_row(
    key: tuple[str, str, str], stock: StockStatus, status: Status, poll_time: datetime, change_pct: float | None = None
) -> Row:
    known = stock.prev_close is not None and stock.prev_close > 0
    return (
        *key,
        stock.symbol,
        stock.ltp,
        stock.prev_close,
        stock.change if known else None,
        stock.change_pct if known else change_pct,
        stock.volume if stock.volume_stated else None,
        status.value,
        stock.day_open,
        stock.day_high,
        stock.day_low,
        local_text(local(stock.timestamp, _zone(poll_time))) if stock.stated else None,
    )
