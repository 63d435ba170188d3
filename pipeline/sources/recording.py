"""A recorded day as a source: bars of a CSV file, answered as the market stood at an instant. Layer 2, fetcher.

Format: `NAME.csv.gz` (or `.csv`) with `symbol,timestamp,open,high,low,close,volume`, the timestamp being the START of
the bar with its offset from UTC, and `NAME.prev_close.csv` with `symbol,prev_close` beside it. The state at T is the
close of each symbol's last bar that ENDED by T and the volume summed so far; a bar is a trade even with volume 0.
It never looks past T, never writes, never reaches for a network.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.errors import UsageError
from pipeline.model import Answer, Quote, Session, Universe
from pipeline.sources.recorded_files import Bars, locate, read_bars, read_members, read_previous_closes, stem
from pipeline.symbols import Market, plain

_ZONES = {19_800: ("Asia/Kolkata", "NSE"), -14_400: ("America/New_York", "NYSE"), -18_000: ("America/New_York", "NYSE")}
"""{offset from UTC in seconds: (time zone, calendar)}: the markets whose recordings can be played."""


@dataclass(frozen=True)
class Recording:
    """A day that was recorded. `session`: first bar's start to last bar's end; `interval_s`: the length of a bar."""

    name: str
    session: Session
    interval_s: int
    universe: Universe = field(repr=False)
    calendar: str
    previous_closes: Mapping[str, int | None] = field(repr=False)
    bars: Mapping[str, Bars] = field(repr=False)
    live: bool = False

    def fetch(self, symbols: Sequence[str], index: str | None, instant: datetime, deadline: float) -> Answer:
        """The state at `instant`. Symbols match with or without Yahoo's suffix; unknown ones are missing."""
        ended_by = int(instant.timestamp()) - self.interval_s
        quotes = {symbol: quote for symbol in symbols if (quote := self._quote(symbol, ended_by)) is not None}
        return Answer(
            quotes=quotes,
            missing=frozenset(symbol for symbol in symbols if symbol not in quotes),
            index=self._quote(index, ended_by) if index else None,
        )

    def close(self) -> None:
        """Nothing is held."""

    def _quote(self, symbol: str, last_start: int) -> Quote | None:
        """The quote by bars that started by `last_start` (epoch seconds), so that all of them have ended."""
        key = plain(symbol)
        bars = self.bars.get(key)
        if bars is None and key not in self.previous_closes:
            return None
        previous = self.previous_closes.get(key)
        seen = bisect_right(bars.starts, last_start) if bars else 0
        if not bars or not seen:
            return Quote(symbol, price=previous, prev_close=previous, volume=0, trade_time=None)
        last = seen - 1
        return Quote(
            symbol,
            price=bars.closes[last],
            prev_close=previous,
            volume=bars.volumes[last],
            trade_time=bars.starts[last] + self.interval_s,
            day_open=bars.open,
            day_high=bars.highs[last],
            day_low=bars.lows[last],
        )


def open_recording(name: str, interval_s: int | None = None, **_options: object) -> Recording:
    """The recording at path `name`, or the embedded one of that name. Raises UsageError with one line on bad files.

    `interval_s`: the length of a bar where no symbol has two of them.
    """
    path = locate(name)
    label = stem(path)
    bars, offset_s = read_bars(path)
    if offset_s not in _ZONES:
        raise UsageError(f"recording {path}: no market is known for times {offset_s / 3600:+g} h from UTC")
    zone_name, calendar = _ZONES[offset_s]
    market: Market = "NSE" if calendar == "NSE" else "US"
    previous_path = path.with_name(f"{label}.prev_close.csv")
    previous = read_previous_closes(previous_path, market)
    interval_s = _bar_length(bars) or interval_s
    if not interval_s:
        raise UsageError(f"recording {path}: no symbol has two bars, say with --interval how long a bar is")
    members = read_members(label, path.parent, tuple(previous), market)
    return Recording(
        name=f"recording:{label}",
        session=_session(bars, interval_s, ZoneInfo(zone_name), path),
        interval_s=interval_s,
        universe=Universe(label, members),
        calendar=calendar,
        previous_closes={plain(symbol): close for symbol, close in previous.items()},
        bars=bars,
    )


def _bar_length(bars: Mapping[str, Bars]) -> int:
    """The smallest gap between two bars of a symbol, in seconds; 0 when no symbol has two."""
    gaps = (
        later - earlier for one in bars.values() for earlier, later in zip(one.starts, one.starts[1:], strict=False)
    )
    return min(gaps, default=0)


def _session(bars: Mapping[str, Bars], interval_s: int, zone: ZoneInfo, path: Path) -> Session:
    start = datetime.fromtimestamp(min(one.starts[0] for one in bars.values()), UTC).astimezone(zone)
    end = datetime.fromtimestamp(max(one.starts[-1] for one in bars.values()) + interval_s, UTC).astimezone(zone)
    last_bar = datetime.fromtimestamp(end.timestamp() - interval_s, UTC).astimezone(zone)
    if start.date() != last_bar.date():
        raise UsageError(f"recording {path}: holds {start.date()} to {last_bar.date()}, a recording is one trading day")
    return Session(start.date(), start, end, zone)
