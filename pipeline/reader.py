"""Read-only questions about stored breadth, for `show`, `history`, `verify` and the dashboard. Layer 2.

Works over any Database (`pipeline.sinks.open_database(url, readonly=True)`): dates and datetimes come as str, prices as
float. A Reader belongs to the thread that uses it, as its Database does; it never writes.
Rows are dicts by column name, `poll_time` exchange-local as `2026-11-26 09:20:00`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from pipeline import tables

Row = dict[str, Any]

SNAPSHOT_COLUMNS = tables.SNAPSHOT.column_names
SECTOR_COLUMNS = tables.SECTOR.column_names
STOCK_COLUMNS = tables.STOCK.column_names
SESSION_COLUMNS = tables.SESSION.column_names
POLL_COLUMNS = tables.POLL.column_names
_DAY = "universe = ? AND trade_date = ?"


class Questionable(Protocol):
    """What the Reader needs of a Database."""

    def query(self, sql: str, params: Sequence[Any] = ...) -> list[tuple[Any, ...]]: ...


class Reader:
    """Questions to one database; each raises SinkUnavailable, SinkRefused or SinkSchemaError as `query` does."""

    def __init__(self, database: Questionable) -> None:
        self._database = database
        self.since = time.monotonic()
        """When it began: what it reads in one transaction is no newer than what a later one reads."""

    def universes(self) -> list[Row]:
        """Each universe with `first_date`, `latest_date`, `days`, `timezone` (None without a session), by name."""
        dates: dict[str, list[str]] = {}
        for universe, date in self._database.query(
            "SELECT DISTINCT universe, trade_date FROM intraday_advance_decline UNION "
            "SELECT DISTINCT universe, trade_date FROM pipeline_poll"
        ):
            dates.setdefault(universe, []).append(date)
        zones = dict(
            self._database.query("SELECT universe, MAX(timezone) FROM pipeline_session GROUP BY universe"),
        )
        return [
            {
                "name": name,
                "first_date": min(found),
                "latest_date": max(found),
                "days": len(found),
                "timezone": zones.get(name),
            }
            for name, found in sorted(dates.items())
        ]

    def dates(self, universe: str) -> list[str]:
        """The stored days, newest first."""
        rows = self._database.query(
            "SELECT DISTINCT trade_date FROM intraday_advance_decline WHERE universe = ? UNION "
            "SELECT DISTINCT trade_date FROM pipeline_poll WHERE universe = ?",
            (universe, universe),
        )
        return sorted((row[0] for row in rows), reverse=True)

    def latest_date(self, universe: str) -> str | None:
        """The newest stored day, by two index look-ups."""
        row = self._database.query(
            "SELECT (SELECT MAX(trade_date) FROM intraday_advance_decline WHERE universe = ?), "
            "(SELECT MAX(trade_date) FROM pipeline_poll WHERE universe = ?)",
            (universe, universe),
        )[0]
        return max((found for found in row if found is not None), default=None)

    def neighbours(self, universe: str, date: str) -> tuple[str | None, str | None]:
        """The stored days before and after `date`."""
        before = after = None
        for table in ("intraday_advance_decline", "pipeline_poll"):
            low, high = self._database.query(
                f"SELECT (SELECT MAX(trade_date) FROM {table} WHERE universe = ? AND trade_date < ?), "
                f"(SELECT MIN(trade_date) FROM {table} WHERE universe = ? AND trade_date > ?)",
                (universe, date, universe, date),
            )[0]
            before = max((found for found in (before, low) if found is not None), default=None)
            after = min((found for found in (after, high) if found is not None), default=None)
        return before, after

    def version_token(self, universe: str, date: str) -> tuple[Any, ...]:
        """Changes whenever rows of the day do (cheap: index look-ups and the short cursor table).

        The cursors cover rows that were written again or filled in; the newest poll covers rows that came without one.
        """
        return self._database.query(
            f"SELECT (SELECT MAX(poll_time) FROM intraday_advance_decline WHERE {_DAY}), "
            f"(SELECT MAX(poll_time) FROM pipeline_poll WHERE {_DAY}), "
            "(SELECT COUNT(*) FROM pipeline_cursor), (SELECT SUM(seq) FROM pipeline_cursor), "
            f"(SELECT fetched_at FROM intraday_advance_decline WHERE {_DAY} ORDER BY poll_time DESC LIMIT 1)",
            (universe, date) * 3,
        )[0]

    def day_sum(self, universe: str, date: str, until: str) -> tuple[Any, ...]:
        """A check sum of the series up to the poll `until`: changes when one of its rows is added or written again."""
        where, params = f"{_DAY} AND poll_time <= ?", (universe, date, until)
        snapshots = self._database.query(
            "SELECT COUNT(*), SUM(advances), SUM(declines), MAX(fetched_at) "
            f"FROM intraday_advance_decline WHERE {where}",
            params,
        )
        polls = self._database.query(
            "SELECT COUNT(*), SUM(CASE outcome WHEN 'taken' THEN 1 WHEN 'partial' THEN 1000 ELSE 0 END) "
            f"FROM pipeline_poll WHERE {where}",
            params,
        )
        return (*snapshots[0], *polls[0])

    def newest_poll_time(self, universe: str, date: str) -> str:
        """Of the day's polls, with a snapshot or without; "" when there is none."""
        times = self.version_token(universe, date)[:2]
        return max((str(found) for found in times if found is not None), default="")

    def poll_count(self, universe: str, date: str) -> int:
        """How many rows `series` gives."""
        return int(
            self._database.query(
                f"SELECT COUNT(*) FROM (SELECT poll_time FROM intraday_advance_decline WHERE {_DAY} UNION "
                f"SELECT poll_time FROM pipeline_poll WHERE {_DAY}) AS polls",
                (universe, date) * 2,
            )[0][0]
        )

    def session(self, universe: str, date: str) -> Row | None:
        rows = self._rows("pipeline_session", SESSION_COLUMNS, _DAY, (universe, date))
        return rows[0] if rows else None

    def latest(self, universe: str, date: str | None = None) -> Row | None:
        """The newest snapshot row of the day (of the newest day that has one)."""
        where, params = (_DAY, (universe, date)) if date else ("universe = ?", (universe,))
        rows = self._rows(
            tables.SNAPSHOT.name, SNAPSHOT_COLUMNS, f"{where} ORDER BY trade_date DESC, poll_time DESC LIMIT 1", params
        )
        return rows[0] if rows else None

    def snapshot(self, universe: str, date: str, poll_time: str, *, or_before: bool = False) -> Row | None:
        """The snapshot row of a poll, or with `or_before` the newest one that is not later."""
        sign = "<=" if or_before else "="
        rows = self._rows(
            tables.SNAPSHOT.name,
            SNAPSHOT_COLUMNS,
            f"{_DAY} AND poll_time {sign} ? ORDER BY poll_time DESC LIMIT 1",
            (universe, date, poll_time),
        )
        return rows[0] if rows else None

    def series(self, universe: str, date: str, after: str = "") -> list[Row]:
        """Every poll of the day (later than `after`), ascending: the snapshot's columns and `outcome`, `reason`,
        `duration_ms`, `requests`; None where the poll has no snapshot, or the snapshot no poll row."""
        params: tuple[str, ...] = (universe, date, after) if after else (universe, date)
        where = f"{_DAY} AND poll_time > ?" if after else _DAY
        found: dict[str, Row] = {}
        empty: Row = dict.fromkeys((*SNAPSHOT_COLUMNS, *POLL_COLUMNS))
        for row in self._rows("pipeline_poll", POLL_COLUMNS, where, params):
            found[row["poll_time"]] = empty | row
        for row in self._rows(tables.SNAPSHOT.name, SNAPSHOT_COLUMNS, where, params):
            found[row["poll_time"]] = found.get(row["poll_time"], empty) | row
        return [found[poll_time] for poll_time in sorted(found)]

    def polls(self, universe: str, date: str) -> list[Row]:
        """The poll rows of the day, ascending."""
        return self._rows("pipeline_poll", POLL_COLUMNS, f"{_DAY} ORDER BY poll_time", (universe, date))

    def last_poll(self, universe: str, date: str) -> Row | None:
        rows = self._rows("pipeline_poll", POLL_COLUMNS, f"{_DAY} ORDER BY poll_time DESC LIMIT 1", (universe, date))
        return rows[0] if rows else None

    def sectors(self, universe: str, date: str, poll_time: str) -> list[Row]:
        """The sector rows of a poll, by name."""
        rows = self._rows(tables.SECTOR.name, SECTOR_COLUMNS, f"{_DAY} AND poll_time = ?", (universe, date, poll_time))
        return sorted(rows, key=lambda row: str(row["sector"]))

    def members(self, universe: str, date: str) -> dict[str, tuple[str, str]]:
        """`{symbol: (name, sector)}` of the day's universe."""
        rows = self._database.query(f"SELECT symbol, name, sector FROM pipeline_member WHERE {_DAY}", (universe, date))
        return {symbol: (name or "", sector or "Unknown") for symbol, name, sector in rows}

    def stock_rows(self, universe: str, date: str, poll_time: str) -> list[Row]:
        """The stock rows of a poll, by symbol."""
        rows = self._rows(tables.STOCK.name, STOCK_COLUMNS, f"{_DAY} AND poll_time = ?", (universe, date, poll_time))
        return sorted(rows, key=lambda row: str(row["symbol"]))

    def stocks(self, universe: str, date: str, poll_time: str) -> list[Row]:
        """The stock rows of a poll with the member's `name` and `sector`, by symbol."""
        members = self.members(universe, date)
        rows = self.stock_rows(universe, date, poll_time)
        for row in rows:
            row["name"], row["sector"] = members.get(row["symbol"], ("", "Unknown"))
        return rows

    def stock_day(self, universe: str, date: str, symbol: str) -> list[Row]:
        """One stock's rows of the day, ascending by poll."""
        rows = self._rows(tables.STOCK.name, STOCK_COLUMNS, f"{_DAY} AND symbol = ?", (universe, date, symbol))
        return sorted(rows, key=lambda row: str(row["poll_time"]))

    def _rows(self, table: str, columns: Sequence[str], where: str, params: Sequence[Any]) -> list[Row]:
        found = self._database.query(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", params)
        return [dict(zip(columns, row, strict=True)) for row in found]
