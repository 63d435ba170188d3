"""Rows of the tables as the API's columns: times as seconds of the day, null where undefined. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline import tables
from pipeline.model import is_whole_day
from pipeline.reader import Row

Columns = dict[str, list[Any]]

OUTCOMES = {"taken": 1, "partial": 2, "failed": 3, "skipped": 4}
STATUSES = {"NO_QUOTE": 0, "ADVANCE": 1, "DECLINE": 2, "UNCHANGED": 3, "NOT_TRADED": 4, "NO_REFERENCE": 5}
TRADED = frozenset({1, 2, 3})
CURRENCIES = {"Asia/Kolkata": "INR", "America/New_York": "USD"}
RECORDED = "recording:"
BACKFILLED_AFTER_S = 300
"""A snapshot fetched later than its instant + interval + stated delay + this was filled in afterwards."""

POINT_MEASURES = (
    "advances",
    "declines",
    "unchanged",
    "total_stocks",
    "adv_decl_diff",
    "adv_decl_ratio",
    "adv_pct",
    "up_volume_pct",
    "trin",
    "net_volume",
    "coverage",
    "index_ltp",
    "delay_s",
    "duration_ms",
    "requests",
)
SECTOR_MEASURES = (
    "advances",
    "declines",
    "unchanged",
    "total_stocks",
    "universe_size",
    "adv_pct",
    "adv_decl_ratio",
    "adv_decl_diff",
    "coverage",
    "up_volume",
    "down_volume",
    "up_volume_pct",
    "trin",
)
MARKET_COLUMNS = (*tables.MEASURES, "index_symbol", "index_ltp", "index_prev_close", "delay_s", "data_time", "source")


def zone_of(name: str | None) -> ZoneInfo:
    """The zone of that name; UTC for one that is missing or unknown here."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


class Clock:
    """One trading day's wall clock: text, seconds since its midnight, and instants."""

    def __init__(self, trade_date: str, timezone: str | None) -> None:
        self.trade_date = trade_date
        self.zone = zone_of(timezone)
        self._day = date.fromisoformat(trade_date)
        # Noon less twelve hours: right on days on which the clocks change at night, too.
        noon = datetime(self._day.year, self._day.month, self._day.day, 12, tzinfo=self.zone)
        self._midnight = noon.timestamp() - 43_200

    def seconds(self, text: str | None) -> int | None:
        """`2026-11-26 09:20:00` → 33600; other days count on. None for None."""
        if text is None:
            return None
        found = int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
        if text[:10] != self.trade_date:
            found += (date.fromisoformat(text[:10]) - self._day).days * 86_400
        return found

    def text(self, seconds: int) -> str:
        """33600 → `2026-11-26 09:20:00`."""
        day = date.fromordinal(self._day.toordinal() + seconds // 86_400)
        rest = seconds % 86_400
        return f"{day.isoformat()} {rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"

    def epoch(self, seconds: int) -> float:
        return self._midnight + seconds

    def local(self, text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=self.zone)


def utc_instant(text: str | None) -> datetime | None:
    """`2026-11-26 03:50:00.123` (UTC, as `fetched_at` is stored) as an instant."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def iso_utc(instant: datetime | None) -> str | None:
    """`2026-11-26T03:50:00.123Z`"""
    if instant is None:
        return None
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lag_s(row: Row, clock: Clock, recorded: bool) -> float | None:
    """From the poll's planned instant to the fetch's end; None for a recording or an unknown time."""
    fetched = utc_instant(row["fetched_at"])
    planned = clock.seconds(row["poll_time"])
    if fetched is None or planned is None or recorded:
        return None
    return round(fetched.timestamp() - clock.epoch(planned), 3)


def is_backfilled(row: Row, lag: float | None, interval_s: int | None) -> bool:
    return lag is not None and lag > (interval_s or 60) + (row["delay_s"] or 0) + BACKFILLED_AFTER_S


def points(rows: Sequence[Row], clock: Clock, interval_s: int | None) -> tuple[Columns, dict[str, str]]:
    """The series' columns of these polls, and `{position: reason}`."""
    found: Columns = {name: [_short(row[name]) for row in rows] for name in POINT_MEASURES}
    lags = [lag_s(row, clock, str(row["source"] or "").startswith(RECORDED)) for row in rows]
    found["t"] = [clock.seconds(row["poll_time"]) for row in rows]
    found["outcome"] = [OUTCOMES.get(row["outcome"] or "", 0) for row in rows]
    found["lag_s"] = lags
    found["backfilled"] = [int(is_backfilled(row, lag, interval_s)) for row, lag in zip(rows, lags, strict=True)]
    return found, {str(at): row["reason"] for at, row in enumerate(rows) if row["reason"]}


def market(row: Row, clock: Clock, interval_s: int | None) -> dict[str, Any]:
    """The snapshot object."""
    recorded = str(row["source"] or "").startswith(RECORDED)
    lag = lag_s(row, clock, recorded)
    return {
        "t": clock.seconds(row["poll_time"]),
        "poll_time": row["poll_time"],
        **{name: row[name] for name in MARKET_COLUMNS},
        "fetched_utc": iso_utc(utc_instant(row["fetched_at"])),
        "lag_s": lag,
        "backfilled": is_backfilled(row, lag, interval_s),
    }


def session(row: Row | None, clock: Clock, source: str | None) -> dict[str, Any]:
    """The session object without its neighbours; the times null where no session is stored, or one of a whole day."""
    source = (row or {}).get("source") or source
    known: dict[str, Any] = {
        "timezone": clock.zone.key,
        "open": None,
        "close": None,
        "open_t": None,
        "close_t": None,
        "interval_s": None,
        "source": source,
        "recorded": str(source or "").startswith(RECORDED),
        "currency": CURRENCIES.get(clock.zone.key),
        "price_decimals": 2,
    }
    if row is None:
        return known
    known["interval_s"] = row["interval_s"]
    opens, closes = (clock.local(row[name]) for name in ("session_open", "session_close"))
    if not is_whole_day(opens, closes):
        known |= {
            "open": opens.isoformat(),
            "close": closes.isoformat(),
            "open_t": clock.seconds(row["session_open"]),
            "close_t": clock.seconds(row["session_close"]),
        }
    return known


def _short(value: Any) -> Any:
    """Ratios and percentages of long columns to four decimals: the rest is noise on the wire."""
    return round(value, 4) if isinstance(value, float) else value


def sectors(rows: Sequence[Row], names: Sequence[str], changes: Mapping[str, float]) -> Columns:
    """The sector table's columns; `changes`: mean change in percent by sector."""
    position = {name: at for at, name in enumerate(names)}
    found: Columns = {"sector": [position[row["sector"]] for row in rows]}
    for name in SECTOR_MEASURES:
        found[name] = [_short(row[name]) for row in rows]
    found["avg_change_pct"] = [changes.get(row["sector"]) for row in rows]
    return found


def mean_changes(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """`{sector: mean}` of (sector, change in percent) pairs, to four decimals."""
    sums: dict[str, list[float]] = {}
    for sector, change in pairs:
        total = sums.setdefault(sector, [0.0, 0.0])
        total[0] += change
        total[1] += 1
    return {sector: round(total / count, 4) for sector, (total, count) in sums.items()}
