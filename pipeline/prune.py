"""Removes old stock rows, the only large table, a poll at a time. Snapshots, sectors and sessions stay for ever.

Small transactions, so that a writer never waits long. A day is entered in `pipeline_pruned` in the transaction that
removes its first rows: `verify` then knows that what is missing was removed and not lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.sinks import Database
from pipeline.tables import STOCK

_DAY = "universe = ? AND trade_date = ?"
_LATER = "universe = ? AND trade_date > ? AND trade_date < ?"
_FIRST_DAY = "1000-01-01"


@dataclass(frozen=True, slots=True)
class Pruned:
    universe: str
    trade_date: str
    rows: int


def prune_stocks(database: Database, today: date, keep: timedelta) -> Iterator[Pruned]:
    """Removes the stock rows of days before `today - keep`; yields each finished day. Raises SinkError."""
    before = (today - keep).isoformat()
    for universe, trade_date in _days(database, before):
        yield Pruned(universe, trade_date, _prune_day(database, universe, trade_date))


def _days(database: Database, before: str) -> Iterator[tuple[str, str]]:
    """(universe, day) of stock rows, by two look-ups in the key for each: to read every row could take minutes."""
    first, next_one = f"SELECT MIN(universe) FROM {STOCK.name}", f"SELECT MIN(trade_date) FROM {STOCK.name}"
    universe = database.query(first)[0][0]
    while universe is not None:
        day = _FIRST_DAY
        while day := database.query(f"{next_one} WHERE {_LATER}", (universe, day, before))[0][0]:
            yield universe, day
        universe = database.query(f"{first} WHERE universe > ?", (universe,))[0][0]


def _prune_day(database: Database, universe: str, trade_date: str) -> int:
    day = (universe, trade_date)
    removed = 0
    while polls := database.query(f"SELECT DISTINCT poll_time FROM {STOCK.name} WHERE {_DAY} LIMIT 500", day):
        for (poll_time,) in polls:
            database.begin()
            database.insert_missing(
                "pipeline_pruned", {"universe": universe, "trade_date": trade_date, "rows_removed": 0}
            )
            rows = database.execute(f"DELETE FROM {STOCK.name} WHERE {_DAY} AND poll_time = ?", (*day, poll_time))
            database.execute(
                "UPDATE pipeline_pruned SET rows_removed = rows_removed + ?, pruned_at = CURRENT_TIMESTAMP "
                f"WHERE {_DAY}",
                (rows, *day),
            )
            database.commit()
            removed += rows
    return removed
