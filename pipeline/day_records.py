"""What the records of a day say: its sessions, the polls they account for, its frozen closes. Layer 1, pure.

`records` makes them; a start in the middle of a day and `verify` read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline import tables
from pipeline.model import UNITS_PER_CURRENCY, Record, Session
from pipeline.records import SESSION_KEY


def numbered(record: Record, number: int) -> Record:
    """The record of a session under a key of its own: its day has `number` of them already, perhaps this one too."""
    universe, day, name, source = record.key.split("|", 3)
    return replace(record, key=f"{universe}|{day}|{name}.{number}|{source}") if number else record


def is_session(key: str) -> bool:
    """Whether a record with this key is a session's, not a poll's."""
    return key.split("|", 3)[2].startswith(SESSION_KEY)


def sessions(record: Record) -> Iterator[tuple[Session, int]]:
    """(session, interval in seconds) of a session's record; nothing where its row says none."""
    for row in record.tables.get(tables.SESSION.name, ()):
        _, day, zone, *hours, interval_s, _ = row
        try:
            timezone = ZoneInfo(zone)
            opened, closed = (datetime.fromisoformat(text).replace(tzinfo=timezone) for text in hours)
            session = Session(date.fromisoformat(day), opened, closed, timezone)
        except (ZoneInfoNotFoundError, ValueError, TypeError):
            continue
        if interval_s:
            yield session, interval_s


def begins(record: Record, session: Session) -> bool:
    """Whether the record is of this very session: of this open and close, whatever its interval and members."""
    return any((found.open, found.close) == (session.open, session.close) for found, _ in sessions(record))


def within_hours(record: Record, earlier: Iterable[Record]) -> Record:
    """The record of a session as the day's earlier ones leave it: a whole day (`--any-time`) keeps regular hours."""
    regular = [each for each in earlier if any(not found.whole_day for found, _ in sessions(each))]
    if not regular or not any(found.whole_day for found, _ in sessions(record)):
        return record
    return replace(record, tables={**record.tables, tables.SESSION.name: regular[-1].tables[tables.SESSION.name]})


def polls(record: Record) -> Iterator[tuple[str, str | None]]:
    """(poll time, reason) of the polls that the record accounts for."""
    names = tables.POLL.column_names
    poll_time, reason = names.index("poll_time"), names.index("reason")
    return ((row[poll_time], row[reason]) for row in record.tables.get(tables.POLL.name, ()))


def frozen_references(record: Record) -> tuple[date, dict[str, int]]:
    """The previous closes that a record of a poll shows as frozen: its trade date, {symbol: units}.

    For `References.restore` after a restart. Taken from stock rows whose data are of the trade date; a record made
    without stocks restores nothing.
    """
    names = tables.STOCK.column_names
    symbol, prev_close, stamp = (names.index(name) for name in ("symbol", "prev_close", "data_timestamp"))
    frozen = {
        row[symbol]: round(row[prev_close] * UNITS_PER_CURRENCY)
        for row in record.tables.get(tables.STOCK.name, ())
        if row[prev_close] is not None and row[stamp] is not None and row[stamp].startswith(record.trade_date)
    }
    return date.fromisoformat(record.trade_date), frozen
