"""One stock as callers of the Python API state it: any number, any timestamp, in one normal form. Layer 4, pure.

Callers hand in floats, numpy numbers, NaN, None, text; naive, aware and pandas timestamps, NaT. What is not usable
becomes None. Prices are compared as integers of 0.0001.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from decimal import Decimal
from numbers import Real
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.breadth import to_units
from pipeline.model import UNITS_PER_CURRENCY, Status
from pipeline.symbols import Market, market_of

ZONES = {"NSE": ZoneInfo("Asia/Kolkata"), "US": ZoneInfo("America/New_York")}
"""{market: the time zone of its exchanges}."""
_MILLISECONDS_FROM = 1e11
_WHOLE_BELOW = 2**53
TRADED = (Status.ADVANCE, Status.DECLINE, Status.UNCHANGED)


@dataclass(frozen=True, slots=True)
class StockStatus:
    """A stock's last price against its previous close. `timestamp`: of the trade, aware when it was or when made here.

    `stated`, `volume_stated`: whether the caller gave a timestamp, a volume (else 0). `status`: ADVANCE, DECLINE,
    UNCHANGED, NOT_TRADED, NO_REFERENCE or NO_QUOTE. `change_pct` is 0 without a positive previous close. Fields can be
    read as `stock["ltp"]` too.
    """

    symbol: str
    ltp: float | None
    prev_close: float | None
    volume: int
    timestamp: datetime
    stated: bool
    volume_stated: bool
    change: float
    change_pct: float
    status: str
    day_open: float | None = None
    day_high: float | None = None
    day_low: float | None = None

    def __getitem__(self, name: str) -> Any:
        if name not in self.__slots__:
            raise KeyError(name)
        return getattr(self, name)

    @property
    def day(self) -> date:
        """The trading day the price belongs to, by the exchange's clock."""
        return local(self.timestamp, zone_of(self.symbol)).date()


def stock_status(symbol: str, info: object, now: datetime) -> StockStatus:
    """The stock as `info` (a mapping with ltp, prev_close, volume, timestamp) states it; `now` stands in for a missing
    timestamp."""
    symbol = str(symbol).encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    info = info if isinstance(info, Mapping) else {}
    last, previous = number(info.get("ltp")), number(info.get("prev_close"))
    volume, stamp = whole(info.get("volume")), moment(info.get("timestamp"))
    market = market_of(symbol)
    units, reference = to_units(last, market), _reference(previous, market)
    untraded = volume == 0 and stamp is None
    change = 0 if units is None or reference is None else units - reference
    return StockStatus(
        symbol=symbol,
        ltp=None if units is None else units / UNITS_PER_CURRENCY,
        prev_close=None if reference is None else reference / UNITS_PER_CURRENCY,
        volume=volume or 0,
        timestamp=stamp or now,
        stated=stamp is not None,
        volume_stated=volume is not None,
        change=change / UNITS_PER_CURRENCY,
        change_pct=100 * change / reference if reference is not None and reference > 0 else 0.0,
        status=_status(units, reference, untraded).value,
        day_open=_price(info.get("day_open"), market),
        day_high=_price(info.get("day_high"), market),
        day_low=_price(info.get("day_low"), market),
    )


def _price(value: Any, market: Market) -> float | None:
    units = None if value is None else to_units(number(value), market)
    return None if units is None else units / UNITS_PER_CURRENCY


def _reference(previous: float | None, market: Market) -> int | None:
    """The previous close in units. One of 0 and less is no price, yet such issues are counted by the difference."""
    if previous is None or previous > 0:
        return to_units(previous, market)
    return max(round(previous * UNITS_PER_CURRENCY), -_WHOLE_BELOW)


def _status(units: int | None, reference: int | None, untraded: bool) -> Status:
    if units is None:
        return Status.NO_QUOTE
    if reference is None:
        return Status.NO_REFERENCE
    if untraded:
        return Status.NOT_TRADED
    if units == reference:
        return Status.UNCHANGED
    return Status.ADVANCE if units > reference else Status.DECLINE


def of_newest_day(stocks: Iterable[StockStatus]) -> dict[str, StockStatus]:
    """{symbol: stock} without those whose price is of an earlier day than the newest of their market: not traded.

    A stock without a timestamp of its own belongs to every day.
    """
    listed = [(stock, market_of(stock.symbol), stock.day if stock.stated else None) for stock in stocks]
    newest: dict[str, date] = {}
    for _, market, day in listed:
        if day is not None:
            newest[market] = max(newest.get(market, day), day)
    return {stock.symbol: stock for stock, market, day in listed if day is None or day == newest[market]}


def zone_of(symbol: str) -> ZoneInfo:
    return ZONES[market_of(symbol)]


def local(instant: datetime, zone: ZoneInfo) -> datetime:
    """The exchange's wall clock; a naive instant is that already."""
    return instant if instant.tzinfo is None else instant.astimezone(zone)


def number(value: Any) -> float | None:
    """A finite float, or None for null, text, NaN and infinities."""
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, Real | Decimal)):
        return None
    try:
        found = float(value)
    except (ArithmeticError, ValueError):  # beyond every float, a signalling NaN
        return None
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """A volume or a count: a whole number, 0 and more, or None."""
    found = number(value)
    return int(found) if found is not None and 0 <= found < _WHOLE_BELOW else None


def moment(value: Any) -> datetime | None:
    """A datetime of a datetime, pandas Timestamp, ISO text or epoch seconds; None for anything else, NaT and NaN."""
    if value is None or isinstance(value, bool) or _is_missing(value):
        return None
    if isinstance(value, Real):
        seconds = number(value) or 0.0
        seconds = seconds / 1000 if abs(seconds) >= _MILLISECONDS_FROM else seconds
        return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < _MILLISECONDS_FROM else None
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value)[:32])
    except ValueError:
        return None
    plain: Any = getattr(found, "to_pydatetime", None)
    found = plain(warn=False) if plain else found
    return found if MINYEAR < found.year < MAXYEAR else None  # at the ends no zone could be applied


def _is_missing(value: Any) -> bool:
    """NaN and NaT differ from themselves; pandas' NA has no truth."""
    try:
        return bool(value != value)
    except (TypeError, ValueError, ArithmeticError):
        return True
