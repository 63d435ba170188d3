"""What a pipeline tells of the polls it stored: the status and the day's history agree with the day and each other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.model import Outcome, Record, Session
from pipeline.session import session_grid
from pipeline.tables import POLL, SNAPSHOT, STOCK, Table
from pipeline.tally import Tally

WRITER = "writer:sqlite:breadth.db"
BYTES_PER_ROW = 73
"""What a row of a poll takes in the journal."""
MEGABYTES = {"supervisor": 33, "fetcher": 46, WRITER: 38, "dashboard": 52}
_POLL_COLUMNS = [
    "poll_time", "outcome", "reason", "duration_ms", "requests", "coverage", "advances", "declines", "unchanged",
    "adv_decl_ratio", "market_sentiment", "delay_s",
]  # fmt: skip


@dataclass(frozen=True)
class Polled:
    """A stored poll; `rows` counts its stocks whether or not the day kept them."""

    instant: datetime
    duration_ms: int
    coverage: float | None
    rows: int

    @property
    def lag_s(self) -> float:
        return round(random.Random(int(self.instant.timestamp())).uniform(0.018, 0.041), 4)

    def seen(self, at: datetime) -> bool:
        """Whether its commit lies before `at`."""
        return self.instant + timedelta(milliseconds=self.duration_ms, seconds=self.lag_s) <= at


def polled(record: Record, session: Session) -> Polled:
    found = _columns(record)
    stocks = 0 if record.tables.get(STOCK.name) else found.get("total_stocks", 0)
    instant = datetime.fromisoformat(found["poll_time"]).replace(tzinfo=session.timezone)
    return Polled(instant, found["duration_ms"], found.get("coverage"), _rows(record) + stocks)


def steady(until: datetime, span: timedelta) -> list[Polled]:
    """Polls of a quiet pipeline, one a minute over `span`."""
    first = (until - span).replace(second=0, microsecond=0)
    minutes = range(int(span.total_seconds() // 60) + 1)
    return [Polled(first + timedelta(minutes=n), duration_ms(first + timedelta(minutes=n)), 1.0, 522) for n in minutes]


def duration_ms(instant: datetime) -> int:
    """How long the poll of an instant took: always the same."""
    return random.Random(int(instant.timestamp())).randrange(640, 1190)


def status(
    session: Session, interval_s: int, records: Sequence[Record], earlier: int, troubles: int = 0
) -> dict[str, Any]:
    """The parts of the status that follow from the day.

    `records`: of the session so far, its opening first; `earlier`: how many the journal holds of former days;
    `troubles`: how often the database had to be asked again.
    """
    opening, *polls = records
    tally = Tally()
    for record in polls:
        tally.remember(record)
    tally.plan(sum(1 for _ in session_grid(session, interval_s)) - len(polls))
    told = [polled(record, session) for record in polls]
    counts = tally.report()
    last = _columns(polls[-1])
    rows = _rows(opening) + sum(poll.rows for poll in told)
    newest = earlier + len(records)
    number = sum(counts[outcome.value] for outcome in Outcome)
    return {
        "market": {
            "calendar": "NSE", "timezone": session.timezone.key, "phase": "open", "next_open": None,
            "trade_date": session.trade_date.isoformat(), "session_open": session.open.isoformat(),
            "session_close": session.close.isoformat(),
        },
        "poll": {
            "number": number, "of": tally.planned, "stored": True, "next_poll": None,
            **{name: last.get(name) for name in _POLL_COLUMNS},
        },
        "polls": counts,
        "journal": {
            "id": "stage", "last_seq": newest, "bytes": BYTES_PER_ROW * rows * newest // len(records),
            "free_bytes": 91_000_000_000,
        },
        "databases": [database(newest, len(records), rows, told[-1].lag_s, troubles)],
    }  # fmt: skip


def database(cursor: int, records: int, rows: int, lag_s: float, troubles: int = 0) -> dict[str, Any]:
    """A database that has everything, as the status tells of it."""
    return {
        "role": WRITER, "url": "sqlite:///breadth.db", "state": "ok", "message": None, "cursor": cursor, "ahead": 0,
        "records_written": records, "rows_written": rows, "errors": troubles, "retries": troubles, "dead_letters": 0,
        "superseded": 0, "lag_s": lag_s,
    }  # fmt: skip


def history(
    polls: Sequence[Polled], start: datetime, end: datetime, step_s: float, troubles: Sequence[datetime] = ()
) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """(time, sample) as the supervisor appends them; counters begin at `start`."""
    chance = random.Random(3)
    done, rows = 0, 0
    last: Polled | None = None
    for number in range(int((end - start).total_seconds() / step_s)):
        at = start + timedelta(seconds=number * step_s)
        fresh = False
        while done < len(polls) and polls[done].seen(at):
            last, fresh = polls[done], polls[done].instant >= start
            rows += last.rows if fresh else 0
            done += 1
        failed = sum(start <= trouble <= at for trouble in troubles)
        busy = int(fresh and chance.random() < 0.15)
        cpu = {"supervisor": 0.5, "fetcher": 7 if fresh else 0.5, WRITER: 4 if fresh else 0.3, "dashboard": 1.4}
        yield at, {
            "t": at.timestamp(), "queue": busy, "ahead": {WRITER: busy},
            "rows": {WRITER: rows}, "errors": {WRITER: failed}, "retries": {WRITER: failed},
            "lag_s": {WRITER: last and last.lag_s}, "poll_ms": last and last.duration_ms,
            "coverage": last and last.coverage,
            "poll_time": last and last.instant.strftime("%Y-%m-%d %H:%M:%S"),
            "cpu": {role: round(usual * chance.uniform(0.6, 1.4), 1) for role, usual in cpu.items()},
            "rss": {role: megabytes * 2**20 for role, megabytes in MEGABYTES.items()},
        }  # fmt: skip


def _rows(record: Record) -> int:
    return sum(len(rows) for rows in record.tables.values())


def _columns(record: Record) -> dict[str, Any]:
    """The poll's row and its snapshot's as one, by column."""

    def named(table: Table) -> dict[str, Any]:
        return dict(zip(table.column_names, next(iter(record.tables.get(table.name, ())), ()), strict=False))

    return named(SNAPSHOT) | named(POLL)
