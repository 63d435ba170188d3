"""Records: a poll as rows of the tables, in their order. Layer 1, pure.

The fetcher makes them; the journal keeps them, the writers store them as they are. Times in keys are exchange-local.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from operator import attrgetter
from zoneinfo import ZoneInfo

from pipeline import tables
from pipeline.breadth.groups import sector_name
from pipeline.breadth.volume import MAX_VOLUME
from pipeline.model import UNITS_PER_CURRENCY, Answer, Outcome, Quote, Record, Row, Session, Snapshot, Status, Universe
from pipeline.session import local_text, utc_text

_NAMED_IN_REASON = 3
SESSION_KEY = "session:"
_LAST_SECOND = 253_370_764_800  # 9999-01-01, UTC: room for every zone
_SECONDS = tuple(f"{second:02d}" for second in range(60))
_STATUS_TEXT = {status: status.value for status in Status}
_measures = attrgetter(*tables.MEASURES)
_LENGTHS = {(table.name, column.name): column.length for table in tables.TABLES.values() for column in table.columns}


def poll_record(
    *,
    universe: Universe,
    session: Session,
    instant: datetime,
    source: str,
    answer: Answer,
    snapshot: Snapshot,
    fetched_at: datetime,
    index: str | None = None,
    stocks: bool = True,
) -> Record:
    """The record of a poll that was answered: rows of the poll, the snapshot, its sectors and, if `stocks`, its stocks.

    `instant`: the planned one, aware. `source`: its name (`yahoo`, `recording:NAME`). `index`: symbol whose quote is
    `answer.index`. An answer without a single price makes a failed poll: never a snapshot of nothing.
    """
    outcome, reason = outcome_of(answer, snapshot)
    duration_ms = round(answer.duration_s * 1000)
    key = _poll_key(universe, session, instant)
    rows: dict[str, list[Row]] = {
        tables.POLL.name: [(*key, outcome.value, _cut(tables.POLL, "reason", reason), duration_ms, answer.requests)]
    }
    if outcome is not Outcome.FAILED:
        local = _local_times(session.timezone)
        provenance = _provenance(snapshot, local, source, fetched_at)
        rows[tables.SNAPSHOT.name] = [(*key, *_measures(snapshot.counts), *_index(index, answer.index), *provenance)]
        rows[tables.SECTOR.name] = [(*key, sector, *_measures(counts)) for sector, counts in snapshot.sectors.items()]
        if stocks:
            rows[tables.STOCK.name] = _stock_rows(key, snapshot, local)
    return _record(universe, session, key[2], source, rows)


def unpolled_record(
    *,
    universe: Universe,
    session: Session,
    instant: datetime,
    source: str,
    outcome: Outcome,
    reason: str,
    duration_s: float = 0.0,
    requests: int = 0,
) -> Record:
    """The record of a planned poll without a snapshot: `outcome` FAILED or SKIPPED, with its reason."""
    key = _poll_key(universe, session, instant)
    row = (*key, outcome.value, _cut(tables.POLL, "reason", reason), round(duration_s * 1000), requests)
    return _record(universe, session, key[2], source, {tables.POLL.name: [row]})


def session_record(*, universe: Universe, session: Session, interval_s: int, source: str) -> Record:
    """The record of a session and of its members. Its key names its content: a changed universe is a new record."""
    trade_date = session.trade_date.isoformat()
    opened, closed = (local_text(at.astimezone(session.timezone)) for at in (session.open, session.close))
    stated_source = _cut(tables.SESSION, "source", source)
    rows: dict[str, list[Row]] = {
        tables.SESSION.name: [
            (universe.name, trade_date, session.timezone.key, opened, closed, interval_s, stated_source)
        ],
        tables.MEMBER.name: [
            (
                universe.name,
                trade_date,
                member.symbol,
                _cut(tables.MEMBER, "name", member.name),
                sector_name(member.sector),
            )
            for member in universe.members
        ],
    }
    digest = hashlib.blake2b(json.dumps(rows, sort_keys=True).encode(), digest_size=4).hexdigest()
    return _record(universe, session, f"{SESSION_KEY}{digest}", source, rows)


def outcome_of(answer: Answer, snapshot: Snapshot) -> tuple[Outcome, str | None]:
    """What became of an answered poll, and why in one line.

    Failed: no member has a price. Partial: a symbol that was asked for is missing or bad. Taken: all were answered.
    """
    reason = answer.reason or _shortfall(answer)
    counts = snapshot.counts
    if counts.no_quote == counts.universe_size:
        return Outcome.FAILED, reason or "no symbol has a price"
    if answer.missing or answer.bad:
        return Outcome.PARTIAL, reason
    return Outcome.TAKEN, answer.reason


def _record(universe: Universe, session: Session, middle: str, source: str, rows: Mapping[str, list[Row]]) -> Record:
    key = poll_key(universe.name, session.trade_date, middle, source)
    return Record(key, universe.name, session.trade_date.isoformat(), source, rows)


def poll_key(universe: str, trade_date: date, poll_time: str, source: str) -> str:
    """The key of a poll's record; `poll_time` as in the tables (`2026-11-26 09:20:00`)."""
    return f"{universe}|{trade_date.isoformat()}|{poll_time}|{source}"


def _poll_key(universe: Universe, session: Session, instant: datetime) -> tuple[str, str, str]:
    local = instant.astimezone(session.timezone)
    return universe.name, session.trade_date.isoformat(), local_text(local)


def _shortfall(answer: Answer) -> str | None:
    """`3 of 50 symbols missing: A, B, …; 1 bad: X (no price)`, or None when all asked symbols were answered."""
    asked = len(answer.quotes) + len(answer.bad) + len(answer.missing)
    parts = []
    if answer.missing:
        parts.append(f"{len(answer.missing)} of {asked} symbols missing: {_names(sorted(answer.missing))}")
    if answer.bad:
        named = (f"{symbol} ({why})" for symbol, why in sorted(answer.bad.items()))
        parts.append(f"{len(answer.bad)} of {asked} bad: {_names(named)}")
    return "; ".join(parts) or None


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    more = ", …" if len(listed) > _NAMED_IN_REASON else ""
    return ", ".join(listed[:_NAMED_IN_REASON]) + more


def _cut(table: tables.Table, column: str, text: str | None) -> str | None:
    """`text` on one line, no longer than its column."""
    if text is None:
        return None
    plain = text.encode("utf-8", "replace").decode()  # a lone surrogate could not be journaled
    return " ".join(plain.split())[: _LENGTHS[table.name, column]]


def _currency(units: int | None) -> float | None:
    return None if units is None else units / UNITS_PER_CURRENCY


def _index(symbol: str | None, quote: Quote | None) -> Row:
    if symbol is None:
        return (None, None, None)
    if quote is None:
        return (symbol, None, None)
    return (symbol, _currency(quote.price), _currency(quote.prev_close))


def _provenance(
    snapshot: Snapshot, local: Callable[[int | None], str | None], source: str, fetched_at: datetime
) -> Row:
    """delay_s (the largest stated), data_time (the newest trade), source, fetched_at."""
    quotes = snapshot.quotes.values()
    delay_s = max((quote.delay_s for quote in quotes if quote.delay_s is not None), default=None)
    newest = max((quote.trade_time for quote in quotes if quote.trade_time is not None), default=None)
    return (delay_s, local(newest), _cut(tables.SNAPSHOT, "source", source), utc_text(fetched_at))


def _stock_rows(key: tuple[str, str, str], snapshot: Snapshot, local: Callable[[int | None], str | None]) -> list[Row]:
    """A row for every member that has a price, in the universe's order.

    `change_amt` (currency) and `change_pct` (percent of the previous close) come from whole units, so equal prices
    give exactly 0; both are None without a reference.
    """
    universe, trade_date, poll_time = key
    quotes, references = snapshot.quotes, snapshot.references
    rows: list[Row] = []
    for symbol, status in snapshot.statuses.items():
        quote = quotes.get(symbol)
        if quote is None or quote.price is None or status is Status.NO_QUOTE:
            continue
        price, volume, opened, high, low = quote.price, quote.volume, quote.day_open, quote.day_high, quote.day_low
        prev_close, change_amt, change_pct = _change(price, references.get(symbol))
        rows.append(
            (
                universe,
                trade_date,
                poll_time,
                symbol,
                price / UNITS_PER_CURRENCY,
                prev_close,
                change_amt,
                change_pct,
                volume if volume is not None and 0 <= volume <= MAX_VOLUME else None,
                _STATUS_TEXT[status],
                None if opened is None else opened / UNITS_PER_CURRENCY,
                None if high is None else high / UNITS_PER_CURRENCY,
                None if low is None else low / UNITS_PER_CURRENCY,
                local(quote.trade_time),
            )
        )
    return rows


def _change(price: int, reference: int | None) -> tuple[float | None, float | None, float | None]:
    """prev_close, change_amt (currency), change_pct (percent of the previous close)."""
    if reference is None:
        return None, None, None
    change = price - reference
    return reference / UNITS_PER_CURRENCY, change / UNITS_PER_CURRENCY, 100 * change / reference


def _local_times(timezone: ZoneInfo) -> Callable[[int | None], str | None]:
    """A function from epoch seconds to `2026-11-26 09:20:00` of `timezone`; None for None.

    Zones differ from UTC by whole minutes, so each minute is converted once: a poll of 2,000 issues holds few.
    """
    minutes: dict[int, str] = {}

    def local(epoch_s: int | None) -> str | None:
        if epoch_s is None or not 0 <= epoch_s <= _LAST_SECOND:
            return None
        minute = epoch_s // 60
        text = minutes.get(minute)
        if text is None:
            text = minutes[minute] = local_text(datetime.fromtimestamp(minute * 60, timezone))[:-2]
        return text + _SECONDS[epoch_s % 60]

    return local
