"""The nouns of the pipeline: Quote, Member, Universe, Session, Answer, Counts, Snapshot, Record.

Layer 0: frozen data, no I/O, imports nothing of ours. Prices are integers of 0.0001 of the currency
(`UNITS_PER_CURRENCY`); volumes are shares; trade times are epoch seconds (UTC).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

UNITS_PER_CURRENCY = 10_000
UNKNOWN_SECTOR = "Unknown"
API_SOURCE = "api"
SEED_SOURCE = "seed"
"""`source` of what no run fetched: rows of the Python API, rows of the seed system's tables."""


class Status(StrEnum):
    """The one state of an issue in a poll (breadth definitions 2.1)."""

    ADVANCE = "ADVANCE"
    DECLINE = "DECLINE"
    UNCHANGED = "UNCHANGED"
    NOT_TRADED = "NOT_TRADED"
    NO_REFERENCE = "NO_REFERENCE"
    NO_QUOTE = "NO_QUOTE"


class Outcome(StrEnum):
    """What became of a planned poll."""

    TAKEN = "taken"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(slots=True)
class Quote:
    """One issue as the source stated it. Prices in units of 0.0001; None where the source said nothing usable.

    Nobody changes one; it is not frozen because that triples the cost of making it, and a poll makes thousands.
    `trade_time`: epoch seconds of the last trade; None when the source does not say or nothing traded.
    `delay_s`: the delay the source states for this issue.
    """

    symbol: str
    price: int | None
    prev_close: int | None
    volume: int | None
    trade_time: int | None
    day_open: int | None = None
    day_high: int | None = None
    day_low: int | None = None
    delay_s: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """An issue of a universe. `symbol` is the one the source is asked for (`M&M.NS`, `BRK-B`)."""

    symbol: str
    name: str = ""
    sector: str = UNKNOWN_SECTOR


@dataclass(frozen=True, slots=True)
class Universe:
    """A named list of issues, in file order, without duplicates. `index`: its index symbol, if it has one."""

    name: str
    members: tuple[Member, ...]
    index: str | None = None
    as_of: date | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(member.symbol for member in self.members)


def is_whole_day(opens: datetime, closes: datetime) -> bool:
    """Whether a session is a date, midnight to midnight (`--any-time`): it says nothing of the exchange's hours.

    A day on which the clocks change may have 23 hours.
    """
    return closes - opens >= timedelta(hours=23)


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day of an exchange; `open` and `close` are aware instants in `timezone`."""

    trade_date: date
    open: datetime
    close: datetime
    timezone: ZoneInfo

    @property
    def whole_day(self) -> bool:
        return is_whole_day(self.open, self.close)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source returned for one poll: every asked symbol is in exactly one of quotes, bad, missing.

    `bad`: {symbol: reason}. `reason`: one line when the poll is not whole (no network, rate limit, …).
    `duration_s`: first request to last byte. `requests`: HTTP requests made.
    """

    quotes: Mapping[str, Quote]
    bad: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    index: Quote | None = None
    requests: int = 0
    duration_s: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts and volumes over one group of issues, and every measure derived from them.

    Field names are the columns of the tables. Percentages 0..100, shares and coverage 0..1, unrounded;
    None where undefined (breadth definitions 6 to 8, 18, 19).
    """

    universe_size: int
    advances: int
    declines: int
    unchanged: int
    total_stocks: int
    not_traded: int
    no_reference: int
    no_quote: int
    coverage: float | None
    adv_pct: float | None
    decl_pct: float | None
    unch_pct: float | None
    adv_decl_ratio: float | None
    adv_decl_diff: int
    advancing_share: float | None
    ad_pct: float | None
    rana: float | None
    up_volume: int | None
    down_volume: int | None
    unch_volume: int | None
    net_volume: int | None
    ud_volume_ratio: float | None
    up_volume_pct: float | None
    trin: float | None
    market_sentiment: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One poll, counted. `statuses`: {symbol: Status} for every member; `sectors`: {sector: Counts}, sorted by name.

    `references`: {symbol: previous close in units} that the comparison used (the session's frozen ones).
    """

    counts: Counts
    sectors: Mapping[str, Counts]
    statuses: Mapping[str, Status]
    quotes: Mapping[str, Quote]
    references: Mapping[str, int]


Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What the journal keeps and the writers store: rows by table, ready for the database.

    `key`: names the record for ever (`universe|trade_date|poll_time|source`); appended twice it is one record.
    `tables`: {table name: rows}; a row holds str, int, float or None in the order of `tables.TABLES[name].columns`.
    """

    key: str
    universe: str
    trade_date: str
    source: str
    tables: Mapping[str, list[Row]]

    @property
    def row_count(self) -> int:
        return sum(len(rows) for rows in self.tables.values())


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in the journal: its number (1..n without gaps), its chained digest, its encoded payload."""

    seq: int
    digest: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a database has a stream: `seq` is the last record stored (0: none), `digest` that record's digest."""

    seq: int
    digest: bytes = b""
