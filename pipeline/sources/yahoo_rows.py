"""Bodies of Yahoo's v7 answers as quotes. Layer 2, pure.

Takes whatever comes: HTML, empty and cut bodies, NaN, text for numbers, foreign currencies. A row is a quote or has
a reason why it is none; results are keyed by the symbol that came back.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pipeline.breadth.prices import to_units
from pipeline.figures import plain
from pipeline.model import Quote
from pipeline.symbols import Market, expected_currency, market_of

_MAX_VOLUME = 2**62
_MAX_TIME = 4_102_444_800  # 2100-01-01: beyond it the number is not in seconds
_MAX_DELAY_MIN = 1_440


class Row(msgspec.Struct):
    """A row of the answer, only what is read; anything may stand in any field."""

    symbol: Any = None
    currency: Any = None
    regularMarketPrice: Any = None
    regularMarketPreviousClose: Any = None
    regularMarketVolume: Any = None
    regularMarketTime: Any = None
    regularMarketOpen: Any = None
    regularMarketDayHigh: Any = None
    regularMarketDayLow: Any = None
    exchangeDataDelayedBy: Any = None


FIELDS = ",".join(Row.__struct_fields__)


class _Response(msgspec.Struct):
    result: list[Row] | None = None
    error: Any = None


class _Body(msgspec.Struct):
    quoteResponse: _Response | None = None


_decoder = msgspec.json.Decoder(_Body)


class UnusableBody(Exception):
    """A body that is no answer; the message is one line."""


def parse(body: bytes) -> tuple[dict[str, Quote], dict[str, str]]:
    """({symbol: quote}, {symbol: reason it is none}) of a v7 body. Raises UnusableBody."""
    quotes: dict[str, Quote] = {}
    bad: dict[str, str] = {}
    for row in _rows(body):
        symbol = row.symbol
        if not isinstance(symbol, str):
            continue
        found = _quote(symbol, row)
        if isinstance(found, Quote):
            quotes[symbol] = found
        else:
            bad[symbol] = found
    return quotes, bad


def _rows(body: bytes) -> list[Row]:
    try:
        response = _decoder.decode(body).quoteResponse
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _rows_of_odd_json(body)
    if response is None or response.result is None:
        raise UnusableBody(_complaint(body))
    return response.result


def _rows_of_odd_json(body: bytes) -> list[Row]:
    """Rows of a body that is not strict JSON (NaN) or not quite of the shape."""
    try:
        rows = json.loads(body)["quoteResponse"]["result"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableBody(_complaint(body)) from error
    if not isinstance(rows, list):
        raise UnusableBody(_complaint(body))
    known = Row.__struct_fields__
    return [Row(**{name: row[name] for name in known if name in row}) for row in rows if isinstance(row, dict)]


def _complaint(body: bytes) -> str:
    if not body.strip():
        return "an empty body"
    if body.lstrip()[:1] == b"<":
        return "a page in place of quotes"
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return f"a body of {len(body)} bytes that is not whole JSON"
    error = (told.get("finance") or told.get("quoteResponse")) if isinstance(told, dict) else None
    text = error.get("error") if isinstance(error, dict) else None
    described = text.get("description") if isinstance(text, dict) else text
    return f"an error: {plain(str(described)[:80])}" if described else "an answer without quotes"


def _quote(symbol: str, row: Row) -> Quote | str:
    wanted, currency = expected_currency(symbol), row.currency
    if wanted and currency is not None and currency != wanted:
        return f"currency {plain(str(currency)[:8])}, {wanted} expected"
    market: Market = "NSE" if currency == "INR" else market_of(symbol)
    price = to_units(row.regularMarketPrice, market)
    if price is None:
        return "no price" if row.regularMarketPrice is None else f"price {str(row.regularMarketPrice)[:24]!r}"
    delay_min = _whole(row.exchangeDataDelayedBy, _MAX_DELAY_MIN)
    return Quote(
        symbol,
        price,
        to_units(row.regularMarketPreviousClose, market),
        _whole(row.regularMarketVolume, _MAX_VOLUME),
        _whole(row.regularMarketTime, _MAX_TIME) or None,
        to_units(row.regularMarketOpen, market),
        to_units(row.regularMarketDayHigh, market),
        to_units(row.regularMarketDayLow, market),
        None if delay_min is None else delay_min * 60,
        currency if isinstance(currency, str) else None,
    )


def _whole(value: object, most: int) -> int | None:
    """A whole number from 0 to `most`, None for anything else; 1264040.0 is one."""
    if type(value) is int:
        return value if 0 <= value <= most else None
    if isinstance(value, float) and value.is_integer() and 0 <= value <= most:
        return int(value)
    return None
