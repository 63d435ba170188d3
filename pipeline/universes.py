"""Universes: the named ones that are embedded, and lists of the user as CSV files. Layer 2, any process.

The clock is injected (`today`). Problems of a user's file are UsageErrors of one line with the line number; what can
be lived with is a warning. Nothing is fetched.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.figures import plain
from pipeline.model import UNKNOWN_SECTOR, Member, Universe
from pipeline.symbols import is_indian, suffix, symbol_problem, with_nse_suffix

OLD_AFTER_DAYS = 190
MAX_NAME, MAX_SECTOR = 128, 64
_DIRECTORY = Path(__file__).resolve().parent / "data" / "universes"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_MAX_BYTES = 16 * 1024 * 1024
_COLUMNS = {
    "yahoo": ("yahoo_symbol", "yahoo symbol"),
    "symbol": ("symbol", "ticker"),
    "name": ("name", "company name", "company", "security"),
    "sector": ("sector", "industry", "gics sector"),
}
"""{what: header names in lower case, the first one found wins}."""


@dataclass(frozen=True, slots=True)
class Info:
    """A named universe. `size`: its symbols. `index`: the index fetched beside it."""

    name: str
    title: str
    as_of: date
    index: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    universe: Universe
    warnings: tuple[str, ...] = ()


NAMED = {
    info.name: info
    for info in (
        Info("nifty50", "NIFTY 50", date(2025, 12, 20), "^NSEI"),
        Info("niftynext50", "NIFTY Next 50", date(2026, 8, 8), "^NSMIDCP"),
        Info("nifty100", "NIFTY 100", date(2026, 8, 8), "^CNX100"),
        Info("nifty200", "NIFTY 200", date(2025, 12, 20), "^CNX200"),
        Info("nifty500", "NIFTY 500", date(2026, 8, 8), "^CRSLDX"),
        Info("niftytotal", "NIFTY Total Market (750)", date(2026, 3, 6), "^CRSLDX"),
        Info("nse_all", "All shares of NSE's series EQ", date(2026, 8, 21), "^CRSLDX"),
        Info("niftybank", "NIFTY Bank", date(2025, 3, 30), "^NSEBANK"),
        Info("niftyit", "NIFTY IT", date(2025, 3, 30), "^CNXIT"),
        Info("sp500", "S&P 500", date(2026, 8, 8), "^GSPC"),
        Info("nasdaq100", "NASDAQ-100", date(2026, 8, 8), "^NDX"),
        Info("dow30", "Dow Jones Industrial Average", date(2026, 5, 8), "^DJI"),
    )
}


def available() -> list[Info]:
    """The named universes with their sizes."""
    return [
        Info(info.name, info.title, info.as_of, info.index, len(load(info.name, None).universe.members))
        for info in NAMED.values()
    ]


def load(name_or_path: str, calendar: str | None, today: Callable[[], date] = date.today) -> Loaded:
    """The universe of that name, or of that CSV file. `calendar`: under "NSE" bare symbols of a file get their `.NS`;
    None: as most of its symbols say.

    Raises UsageError for an unknown name and for a file that is missing, unreadable or empty.
    """
    if name_or_path in NAMED:
        return _load_named(NAMED[name_or_path], today())
    path = file_of(name_or_path)
    if path is not None and not path.is_file():
        raise UsageError(f"universe file {plain(name_or_path)}: no such file")
    if path is not None:
        return _load_file(path, calendar)
    close = difflib.get_close_matches(name_or_path.lower(), NAMED, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"universe {plain(name_or_path[:80])!r} is unknown: {hint}use a CSV file or one of {', '.join(NAMED)}"
    )


def file_of(name_or_path: str) -> Path | None:
    """The file that is meant: what has a `/` or ends in `.csv`, or is there and not named as a universe is; else None.

    Raises UsageError for one that cannot be looked at.
    """
    if name_or_path in NAMED:
        return None
    path = Path(name_or_path)
    try:
        path = path.expanduser()
        there = path.is_file()
    except (OSError, RuntimeError) as error:  # too long, no right to look, no such home
        raise UsageError(f"universe file {plain(name_or_path[:80])}: cannot be read: {_error_text(error)}") from error
    return path if there or path.suffix.lower() == ".csv" or "/" in name_or_path else None


def _error_text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def default_calendar(universe: Universe) -> tuple[str, tuple[str, ...]]:
    """("NSE" or "NYSE", warnings) by most symbols' suffix; those that belong elsewhere are named in a warning."""
    calendar, own = _most(universe.symbols)
    others = [symbol for symbol in universe.symbols if symbol not in own]
    if not others:
        return calendar, ()
    return calendar, (
        f"universe {universe.name}: {len(others)} of {len(universe.members)} symbols are not of the calendar "
        f"{calendar} ({_some(others)}); they are polled by its hours all the same",
    )


def _most(symbols: Iterable[str]) -> tuple[str, set[str]]:
    """The calendar of most symbols, and those that belong to it."""
    indian = {symbol for symbol in symbols if is_indian(symbol)}
    american = {symbol for symbol in symbols if symbol not in indian and not suffix(symbol)}
    return ("NSE", indian) if len(indian) >= len(american) and indian else ("NYSE", american)


def _load_named(info: Info, today: date) -> Loaded:
    loaded = _load_file(_DIRECTORY / f"{info.name}.csv", None)
    age_days = (today - info.as_of).days
    warnings = loaded.warnings
    if age_days > OLD_AFTER_DAYS:
        warnings += (
            f"universe {info.name}: its members are as of {info.as_of}, {age_days} days ago; indexes change twice a "
            "year, a newer list can be given as a CSV file",
        )
    return Loaded(Universe(info.name, loaded.universe.members, info.index, info.as_of), warnings)


def _load_file(path: Path, calendar: str | None) -> Loaded:
    if not _NAME.fullmatch(path.stem):
        raise UsageError(
            f"universe file {plain(path.name)!r}: rename it, its name becomes the universe's and may have 1 to 64 "
            "of the characters A-Z a-z 0-9 _ . - and begins with none of . -"
        )
    rows = _csv_rows(path)
    _, header = next(rows, (1, []))
    places = _places(path, header)
    read = [(line, _member(path, line, cells, len(header), places)) for line, cells in rows]
    warnings: list[str] = []
    if calendar is None and not _is_nse_list(header):
        calendar = _most([member.symbol for _, member in read])[0]
        bare = [member.symbol for _, member in read if with_nse_suffix(member.symbol) != member.symbol]
        if calendar == "NSE" and bare:
            warnings.append(f"{path}: most symbols are Indian, so bare ones get .NS, too ({_some(bare)})")
    members: dict[str, Member] = {}
    for line, member in read if calendar == "NYSE" else _with_suffixes(path, read):
        if member.symbol in members:
            warnings.append(f"{path} line {line}: {member.symbol} stands in the list twice, counted once")
        else:
            members[member.symbol] = member
    if not members:
        raise UsageError(f"{path}: has no symbols, only a header")
    return Loaded(Universe(path.stem, tuple(members.values())), _few(warnings))


def _with_suffixes(path: Path, read: Iterable[tuple[int, Member]]) -> Iterator[tuple[int, Member]]:
    for line, member in read:
        symbol = with_nse_suffix(member.symbol)
        _check_symbol(path, line, symbol)
        yield line, replace(member, symbol=symbol)


def _check_symbol(path: Path, line: int, symbol: str) -> None:
    if problem := symbol_problem(symbol):
        raise UsageError(f"{path} line {line}: symbol {plain(symbol[:40])!r} {problem}")


def _is_nse_list(header: list[str]) -> bool:
    """NSE's own files (`Company Name,Industry,Symbol,Series,ISIN Code`) hold bare symbols."""
    return {"company name", "symbol", "isin code"} <= set(header)


def _some(symbols: list[str]) -> str:
    return ", ".join(map(plain, symbols[:3])) + (", …" if len(symbols) > 3 else "")


def _few(warnings: list[str], most: int = 5) -> tuple[str, ...]:
    more = len(warnings) - most
    return tuple(warnings) if more <= 0 else (*warnings[:most], f"and {more} more lines like these")


def _places(path: Path, header: list[str]) -> dict[str, int]:
    """{what: column} of what the header offers."""
    places = {
        what: next(header.index(name) for name in names if name in header)
        for what, names in _COLUMNS.items()
        if any(name in header for name in names)
    }
    if "yahoo" not in places and "symbol" not in places:
        found = plain(", ".join(filter(None, header))[:80]) or "nothing"
        raise UsageError(f"{path} line 1: has no column yahoo_symbol or symbol; its header is: {found}")
    return places


def _member(path: Path, line: int, cells: list[str], width: int, places: dict[str, int]) -> Member:
    """The member of a row. Raises UsageError with the line number."""
    if len(cells) > width and any(cells[width:]):
        raise UsageError(
            f"{path} line {line}: has {len(cells)} cells, its header has {width}; a text with a comma needs quotes"
        )

    def cell(what: str) -> str:
        place = places.get(what)
        return cells[place] if place is not None and place < len(cells) else ""

    symbol = (cell("yahoo") or cell("symbol")).upper()
    _check_symbol(path, line, symbol)
    name, sector = plain(cell("name"))[:MAX_NAME], plain(cell("sector"))[:MAX_SECTOR]
    return Member(symbol, name, sector or UNKNOWN_SECTOR)


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells without surrounding blanks); the header first, in lower case; blank lines left out."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    first = True
    while True:
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise UsageError(f"{path} line {reader.line_num}: cannot be read as CSV: {error}") from error
        if any(cells):
            yield reader.line_num, [" ".join(cell.lower().split()) for cell in cells] if first else cells
            first = False


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path}: has more than {_MAX_BYTES // 2**20} MB, that is no list of symbols")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path} line {line}: is not UTF-8 text; save the file as CSV UTF-8") from error
