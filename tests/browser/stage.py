"""The stage of the browser's tests: a database filled through compute, records and sink, and the real server over it.

Quotes come from an embedded recording or from a seeded walk; a `Day` may lie anywhere in time, so that "the market is
open now" holds whenever the tests run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline import breadth, records, schema, wire
from pipeline import status as status_file
from pipeline.dburl import DatabaseUrl
from pipeline.model import Answer, Cursor, Entry, Member, Outcome, Quote, Record, Session, Universe
from pipeline.sinks import open_sink
from pipeline.sources.recording import Recording, open_recording
from tests.browser import told
from tests.page_server import PageServer

INDIA = ZoneInfo("Asia/Kolkata")
AMERICA = ZoneInfo("America/New_York")
HOSTILE = "<img src=x onerror=alert(1)>"


def zone_at_daytime(now: datetime) -> ZoneInfo:
    """A zone in which it is neither late nor early now, so that a session around now lies within one date."""
    return INDIA if 4 <= now.astimezone(INDIA).hour <= 19 else AMERICA


def around(now: datetime, before: timedelta, after: timedelta) -> Session:
    """A session that opened `before` ago and closes `after` from now."""
    zone = zone_at_daytime(now)
    local = now.astimezone(zone).replace(microsecond=0, second=0)
    return Session(local.date(), local - before, local + after, zone)


def on(day: date, zone: ZoneInfo = INDIA) -> Session:
    """The session of NSE's hours on a date."""
    opened = datetime.combine(day, time(9, 15), zone)
    return Session(day, opened, datetime.combine(day, time(15, 30), zone), zone)


class Store:
    """A SQLite database and the one stream that fills it."""

    def __init__(self, directory: Path) -> None:
        self.url = DatabaseUrl.parse(f"sqlite:///{directory / 'breadth.db'}")
        schema.ensure(self.url, create=True)
        self._sink = open_sink(self.url)
        self._at = Cursor(0)

    def put(self, *items: Record) -> None:
        """Stores records in one transaction."""
        entries = []
        at = self._at
        for item in items:
            payload = wire.encode(item)
            at = Cursor(at.seq + 1, wire.digest(at.digest, payload))
            entries.append(Entry(at.seq, at.digest, payload))
        self._sink.write("stage", "stage", self._at, entries)
        self._at = at

    def close(self) -> None:
        self._sink.close()


@dataclass
class Day:
    """One session of a universe, whose polls become records."""

    universe: Universe
    session: Session
    interval_s: int
    source: str = "yahoo"
    references: breadth.References = field(default_factory=breadth.References)

    def opening(self) -> Record:
        return records.session_record(
            universe=self.universe, session=self.session, interval_s=self.interval_s, source=self.source
        )

    def poll(
        self,
        instant: datetime,
        quotes: Mapping[str, Quote],
        *,
        index: Quote | None = None,
        fetched_at: datetime | None = None,
        reason: str | None = None,
        stocks: bool = True,
    ) -> Record:
        missing = frozenset(symbol for symbol in self.universe.symbols if symbol not in quotes)
        took_s = told.duration_ms(instant) / 1000
        answer = Answer(quotes, missing=missing, index=index, requests=10, duration_s=took_s, reason=reason)
        frozen = self.references.freeze(answer.quotes, self.session)
        return records.poll_record(
            universe=self.universe,
            session=self.session,
            instant=instant,
            source=self.source,
            answer=answer,
            snapshot=breadth.compute(self.universe, answer.quotes, frozen, self.session),
            fetched_at=fetched_at or instant + timedelta(seconds=1),
            index=self.universe.index,
            stocks=stocks,
        )

    def unpolled(self, instant: datetime, outcome: Outcome, reason: str) -> Record:
        return records.unpolled_record(
            universe=self.universe,
            session=self.session,
            instant=instant,
            source=self.source,
            outcome=outcome,
            reason=reason,
        )


class Recorded:
    """A recorded day, its trades moved to another session: `quotes(share)` is the state after that share of the day."""

    def __init__(self, name: str, symbols: int | None = None) -> None:
        self.recording: Recording = open_recording(name)
        self.universe = self.recording.universe
        if symbols is not None:
            self.universe = replace(self.universe, members=self.universe.members[:symbols])

    def quotes(self, session: Session, share: float, delay_s: int | None = None) -> dict[str, Quote]:
        then = self.recording.session
        instant = then.open + (then.close - then.open) * share
        answer = self.recording.fetch(self.universe.symbols, None, instant, 0.0)
        return {symbol: _moved(quote, then, session, delay_s) for symbol, quote in answer.quotes.items()}


def _moved(quote: Quote, then: Session, now: Session, delay_s: int | None) -> Quote:
    if quote.trade_time is None:
        return replace(quote, delay_s=delay_s)
    share = (quote.trade_time - then.open.timestamp()) / (then.close - then.open).total_seconds()
    moved = now.open + (now.close - now.open) * share
    return replace(quote, trade_time=int(moved.timestamp()), delay_s=delay_s)


class Walk:
    """Made-up prices of a universe that move each step; the same seed walks the same way."""

    def __init__(
        self,
        universe: Universe,
        closes: Mapping[str, int],
        volumes: Mapping[str, int],
        seed: int = 7,
        index: int | None = None,
    ) -> None:
        """`volumes`: of a whole day of 376 steps; `closes`: in units; `index`: where its index begins, in units."""
        self.universe = universe
        self._random = random.Random(seed)
        self._last = {symbol: closes.get(symbol) or 1_000_000 for symbol in universe.symbols}
        self._before = dict(self._last)
        self._sector = {member.symbol: member.sector for member in universe.members}
        self._lean = {sector: self._random.gauss(0, 0.25) for sector in sorted(set(self._sector.values()))}
        self._volume = {symbol: volumes.get(symbol, 0) / 376 for symbol in universe.symbols}
        self._traded = dict.fromkeys(universe.symbols, 0)
        self._index_first = self._index = index
        self._wind = 0.0

    def step(self, instant: datetime, size: float = 1.0) -> dict[str, Quote]:
        """Everybody's next price: a market's wind, a sector's lean, its own chance."""
        self._wind = 0.9 * self._wind + self._random.gauss(0, 0.005) * size
        moved = 0.0
        for symbol in self.universe.symbols:
            own = self._random.gauss(0, 0.1)
            percent = size * (self._wind + 0.008 * self._lean[self._sector[symbol]] + own)
            self._last[symbol] = max(500, round(self._last[symbol] * (1 + percent / 100) / 500) * 500)
            self._traded[symbol] += int(self._volume[symbol] * self._random.uniform(0.2, 1.8))
            moved += percent
        if self._index is not None:
            self._index = round(self._index * (1 + 0.6 * moved / len(self._last) / 100))
        return self.quotes(instant)

    def quotes(self, instant: datetime, delay_s: int | None = None) -> dict[str, Quote]:
        traded = int(instant.timestamp())  # no earlier: at the open all have traded
        return {
            symbol: Quote(symbol, last, self._before[symbol], self._traded[symbol], traded, delay_s=delay_s)
            for symbol, last in self._last.items()
        }

    def index(self, instant: datetime) -> Quote | None:
        symbol = self.universe.index
        if symbol is None or self._index is None:
            return None
        return Quote(symbol, self._index, self._index_first, 0, int(instant.timestamp()))

    def overnight(self) -> None:
        """The next session begins: last prices are the previous closes now."""
        self._before = dict(self._last)
        self._traded = dict.fromkeys(self._traded, 0)
        self._index_first = self._index


def renamed(universe: Universe, name: str) -> Universe:
    return replace(universe, name=name)


def relabelled(quotes: dict[str, Quote], old: Member, new: Member) -> Quote:
    """Takes the quote of `old` out of `quotes`, as one of `new`."""
    return replace(quotes.pop(old.symbol), symbol=new.symbol)


def hostile(universe: Universe) -> Universe:
    """The universe with a first member whose symbol, name and sector are HTML."""
    member = Member(HOSTILE, f"{HOSTILE} & Sons", f"<b>{universe.members[0].sector}</b>")
    return replace(universe, members=(member, *universe.members[1:]))


@contextmanager
def server(store: Store, *, state_dir: Path | None = None, port: int = 0) -> Iterator[PageServer]:
    """The real `breadth-pipeline dashboard` over the store."""
    more = () if state_dir is None else ("--state-dir", str(state_dir))
    running = PageServer("--db", f"sqlite:///{store.url.path}", *more, port=port)
    try:
        yield running
    finally:
        running.stop()


def write_status(
    directory: Path, universe: str, *, state: str = "healthy", now: datetime | None = None, **changes: object
) -> None:
    """The status a running pipeline would leave; written again it is fresh again."""
    now = now or datetime.now(UTC)
    directory.mkdir(parents=True, exist_ok=True)
    status_file.write(directory, {**_status(universe, now), "state": state, **changes})


def _status(universe: str, now: datetime) -> dict[str, object]:
    """A quiet pipeline's; what it tells of its polls is made up (see `told.status`)."""
    zone = zone_at_daytime(now)
    local = now.astimezone(zone)
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    cpu = {"supervisor": 0.4, "fetcher": 3.1, told.WRITER: 1.2, "dashboard": 2.4}
    processes = [
        process(role, 4100 + number, 0.2 * number, cpu[role], megabytes)
        for number, (role, megabytes) in enumerate(told.MEGABYTES.items())
    ]
    return {
        "version": 1, "pid": 4100, "started_at": stamp, "updated_at": stamp, "universe": universe, "stream": universe,
        "source": "yahoo", "interval_s": 60, "state_dir": "/var/lib/breadth", "dashboard": None, "unstored": 0,
        "market": {
            "calendar": "NSE", "timezone": zone.key, "phase": "open", "trade_date": local.date().isoformat(),
            "session_open": None, "session_close": None, "next_open": None,
        },
        "poll": {
            "number": 75, "of": 376, "poll_time": local.strftime("%Y-%m-%d %H:%M:00"), "outcome": "taken",
            "reason": None, "duration_ms": 812, "requests": 10, "coverage": 0.998, "advances": 265, "declines": 234,
            "unchanged": 1, "adv_decl_ratio": 1.13, "market_sentiment": "NEUTRAL", "delay_s": 0, "next_poll": None,
            "stored": True,
        },
        "polls": {"planned": 376, "taken": 74, "partial": 1, "failed": 0, "skipped": 0, "lowest_coverage": 0.982},
        "journal": {"id": "stage", "last_seq": 76, "bytes": 3_400_000, "free_bytes": 91_000_000_000},
        "queue": {"depth": 0, "dropped": 0},
        "processes": processes, "databases": [told.database(76, 76, 38_275, 0.042)],
        "warnings": [
            warning(now, "fetcher", f"poll {local:%Y-%m-%d} 10:12:00 partial: 9 of 500 symbols missing: A, B, C, …"),
            warning(now, told.WRITER, f"row refused: symbol {HOSTILE}", level="error"),
        ],
    }  # fmt: skip


def process(
    role: str, pid: int, heartbeat_s: float, cpu: float, megabytes: int, state: str = "running", restarts: int = 0
) -> dict[str, object]:
    """A process as the status tells of it."""
    return {
        "role": role, "pid": pid, "state": state, "heartbeat_age_s": heartbeat_s, "cpu_pct": cpu,
        "rss_bytes": megabytes * 2**20, "restarts": restarts, "since": None,
    }  # fmt: skip


def warning(at: datetime, role: str, text: str, level: str = "warning") -> dict[str, str]:
    """A warning as the status tells of it."""
    return {"ts": at.astimezone(UTC).isoformat(), "level": level, "process": role, "text": text}


def write_history(
    directory: Path,
    span: timedelta,
    now: datetime | None = None,
    polls: Sequence[told.Polled] | None = None,
    troubles: Sequence[datetime] = (),
) -> None:
    """The day's history as the supervisor appends it, up to now; `polls`: those of the day, else made up."""
    directory.mkdir(parents=True, exist_ok=True)
    now = now or datetime.now(UTC)
    polls = told.steady(now, span) if polls is None else polls
    for at, sample in told.history(polls, now - span, now, 5.0, troubles):
        status_file.append_history(directory, at, sample)
