"""Symbols as Yahoo writes them: suffix, market, what may be one. Layer 1, pure.

A symbol is data everywhere: it is checked once where it enters (files of users), and shown through `figures.plain`.
"""

from __future__ import annotations

from typing import Literal

Market = Literal["NSE", "US"]

MAX_SYMBOL = 32
_INDIAN_SUFFIXES = (".NS", ".BO")
_INDIAN_INDEXES = frozenset({"^NSEI", "^CRSLDX", "^NSEBANK", "^CNXIT", "^NSMIDCP", "^CNX100", "^CNX200", "^BSESN"})
_MAX_SUFFIX = 3


def suffix(symbol: str) -> str:
    """Yahoo's exchange suffix with its dot (`.NS`, `.DE`), or "" (US shares, indexes: `BRK-B`, `^GSPC`)."""
    stem, dot, tail = symbol.rpartition(".")
    return dot + tail if dot and stem and tail.isalpha() and len(tail) <= _MAX_SUFFIX else ""


def is_indian(symbol: str) -> bool:
    return symbol.endswith(_INDIAN_SUFFIXES) or symbol in _INDIAN_INDEXES


def market_of(symbol: str) -> Market:
    """Whose rounding of prices holds for the symbol."""
    return "NSE" if is_indian(symbol) else "US"


def expected_currency(symbol: str) -> str | None:
    """The currency its prices must be in; None where the symbol does not tell (`SAP.DE`, `^FTSE`, `INR=X`)."""
    if symbol.endswith(_INDIAN_SUFFIXES):
        return "INR"
    return None if suffix(symbol) or symbol.startswith("^") or "=" in symbol else "USD"


def with_nse_suffix(symbol: str) -> str:
    """`M&M` -> `M&M.NS`; indexes and symbols with a suffix stay."""
    return symbol if "." in symbol or symbol.startswith("^") else symbol + ".NS"


def plain(symbol: str) -> str:
    """The symbol that different spellings share: `M&M.NS` and `M&M`, `BRK.B` and `BRK-B` are equal in it."""
    stem = symbol[: -len(_INDIAN_SUFFIXES[0])] if symbol.endswith(_INDIAN_SUFFIXES) else symbol
    return stem.replace(".", "-")


def symbol_problem(symbol: str) -> str | None:
    """Why `symbol` cannot be one, or None. Symbols go to Yahoo in lists separated by commas."""
    if not symbol:
        return "is empty"
    if len(symbol) > MAX_SYMBOL:
        return f"has {len(symbol)} characters, at most {MAX_SYMBOL} are possible"
    if not symbol.isprintable():
        return "contains control characters"
    if "," in symbol:
        return "contains a comma"
    return None
