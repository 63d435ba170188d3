"""The tables that records fill, as data: columns, kinds, keys. `sql/<dialect>/` creates the same tables.

Layer 0. Kinds: text, int, double, price, date, datetime (exchange-local or UTC seconds), datetime3 (UTC milliseconds).
Values in a record: text, date ("2026-11-26") and datetimes ("2026-11-26 09:20:00", "… .123") are str; int is int;
double and price (currency, 4 decimals) are float. `created_at` (UTC) is the database's own default and never sent.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    name: str
    kind: str
    length: int = 0


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: tables are keys of caches in hot loops
class Table:
    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def _columns(text: str) -> tuple[Column, ...]:
    """`name:kind` or `name:kind:length`, blank separated."""
    found = []
    for item in text.split():
        name, kind, *length = item.split(":")
        found.append(Column(name, kind, int(length[0]) if length else 0))
    return tuple(found)


POLL_KEY = ("universe", "trade_date", "poll_time")
_POLL = "universe:text:64 trade_date:date poll_time:datetime"
_MEASURES = """
    advances:int declines:int unchanged:int total_stocks:int adv_pct:double decl_pct:double unch_pct:double
    adv_decl_ratio:double adv_decl_diff:int market_sentiment:text:32 universe_size:int not_traded:int no_reference:int
    no_quote:int coverage:double up_volume:int down_volume:int unch_volume:int net_volume:int ud_volume_ratio:double
    up_volume_pct:double trin:double advancing_share:double ad_pct:double rana:double
"""
MEASURES = tuple(column.name for column in _columns(_MEASURES))
"""Columns of snapshots and of sectors that are fields of `model.Counts`, in table order."""

SNAPSHOT = Table(
    "intraday_advance_decline",
    POLL_KEY,
    _columns(
        f"{_POLL} {_MEASURES} index_symbol:text:32 index_ltp:price index_prev_close:price delay_s:int "
        "data_time:datetime source:text:96 fetched_at:datetime3"
    ),
)
STOCK = Table(
    "intraday_stock_prices",
    (*POLL_KEY, "symbol"),
    _columns(
        f"{_POLL} symbol:text:32 ltp:price prev_close:price change_amt:price change_pct:double volume:int "
        "status:text:12 day_open:price day_high:price day_low:price data_timestamp:datetime"
    ),
)
SECTOR = Table(
    "intraday_sector_breadth",
    (*POLL_KEY, "sector"),
    _columns(f"{_POLL} sector:text:64 {_MEASURES}"),
)
MEMBER = Table(
    "pipeline_member",
    ("universe", "trade_date", "symbol"),
    _columns("universe:text:64 trade_date:date symbol:text:32 name:text:128 sector:text:64"),
)
SESSION = Table(
    "pipeline_session",
    ("universe", "trade_date"),
    _columns(
        "universe:text:64 trade_date:date timezone:text:64 session_open:datetime session_close:datetime "
        "interval_s:int source:text:96"
    ),
)
POLL = Table(
    "pipeline_poll",
    POLL_KEY,
    _columns(f"{_POLL} outcome:text:8 reason:text:255 duration_ms:int requests:int"),
)

TABLES = {table.name: table for table in (SESSION, MEMBER, POLL, SNAPSHOT, SECTOR, STOCK)}
"""Every table a record may fill, in the order in which a writer fills them."""
