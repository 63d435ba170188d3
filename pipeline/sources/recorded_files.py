"""The files of a recording: where they are, what is in them, what is wrong with them. Layer 2, fetcher.

Every problem is a UsageError of one line with the file and the line number; nothing is repaired silently.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from pipeline.breadth.prices import to_units
from pipeline.errors import UsageError
from pipeline.model import UNKNOWN_SECTOR, Member
from pipeline.symbols import Market, market_of, plain, symbol_problem

DATA = Path(__file__).resolve().parent.parent / "data"
EMBEDDED = DATA / "recordings"
BAR_COLUMNS = ("symbol", "timestamp", "open", "high", "low", "close", "volume")
_SUFFIXES = (".csv.gz", ".csv")
_MAX_VOLUME = 2**62
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


@dataclass(slots=True)
class Bars:
    """A symbol's day: starts of bars (epoch s, ascending), closes, running highs and lows (units), summed volumes."""

    open: int
    starts: list[int] = field(default_factory=list)
    closes: list[int] = field(default_factory=list)
    highs: list[int] = field(default_factory=list)
    lows: list[int] = field(default_factory=list)
    volumes: list[int] = field(default_factory=list)

    def add(self, start: int, high: int, low: int, close: int, volume: int) -> None:
        self.starts.append(start)
        self.closes.append(close)
        self.highs.append(max(high, self.highs[-1]) if self.highs else high)
        self.lows.append(min(low, self.lows[-1]) if self.lows else low)
        self.volumes.append(volume + (self.volumes[-1] if self.volumes else 0))


def stem(path: Path) -> str:
    """The recording's name: the file name without `.csv.gz`."""
    return next((path.name[: -len(end)] for end in _SUFFIXES if path.name.endswith(end)), path.name)


def embedded_names() -> list[str]:
    return sorted(stem(path) for path in EMBEDDED.glob("*.csv.gz"))


def locate(name: str) -> Path:
    """The file of a recording: a path, else an embedded one. Raises UsageError."""
    if not name:
        raise UsageError(f"recording: names none, use recording:NAME.csv.gz or one of {', '.join(embedded_names())}")
    try:
        given = Path(name).expanduser()
        candidates = [given, *(given.with_name(given.name + end) for end in _SUFFIXES if given.name)]
        if given.name == name:
            candidates += [EMBEDDED / f"{name}{end}" for end in ("", *_SUFFIXES)]
        found = next((path for path in candidates if path.is_file()), None)
    except (OSError, RuntimeError) as error:  # too long, no right to look, no such home
        told = getattr(error, "strerror", None) or error
        raise UsageError(f"recording {name[:80]!r}: cannot be read: {told}") from error
    if found is None:
        raise UsageError(f"recording {name!r}: no such file, and the embedded ones are {', '.join(embedded_names())}")
    if not _NAME.fullmatch(stem(found)):
        raise UsageError(f"recording {stem(found)!r}: rename it, a name has 1 to 64 of A-Z a-z 0-9 _ . -")
    return found


def read_bars(path: Path) -> tuple[dict[str, Bars], int]:
    """({plain symbol: bars}, offset of its times from UTC in seconds). Raises UsageError."""
    bars: dict[str, Bars] = {}
    stamps: dict[str, datetime] = {}
    market: Market = "US"
    offset_s: int | None = None
    for line, row in _rows(path, BAR_COLUMNS):
        symbol, stamp = plain(row[0].strip()), stamps.get(row[1]) or _timestamp(path, line, row[1])
        stamps[row[1]] = stamp
        own_offset_s = _offset_s(stamp)
        if offset_s is None:
            offset_s, market = own_offset_s, "NSE" if own_offset_s == 19_800 else "US"
        if own_offset_s != offset_s:
            raise UsageError(f"{path} line {line}: time {row[1]} is in another time zone than the lines before")
        prices = [_price(path, line, name, text, market) for name, text in zip(BAR_COLUMNS[2:6], row[2:6], strict=True)]
        start = int(stamp.timestamp())
        one = bars.get(symbol)
        if one is None:
            _check_symbol(path, line, row[0].strip())
            one = bars[symbol] = Bars(open=prices[0])
        elif start <= one.starts[-1]:
            raise UsageError(f"{path} line {line}: time {row[1]} of {row[0]} is out of order: sort each symbol by time")
        one.add(start, prices[1], prices[2], prices[3], _volume(path, line, row[6]))
    if not bars or offset_s is None:
        raise UsageError(f"{path}: has no bars, only a header")
    return bars, offset_s


def read_previous_closes(path: Path, market: Market) -> dict[str, int | None]:
    """{symbol as in the file: previous close in units, None where the cell is empty}. Raises UsageError."""
    if not path.is_file():
        raise UsageError(f"{path}: missing, a recording needs its previous closes (symbol,prev_close) beside it")
    closes: dict[str, int | None] = {}
    seen: set[str] = set()
    for line, (symbol_cell, text) in _rows(path, ("symbol", "prev_close")):
        symbol = symbol_cell.strip()
        _check_symbol(path, line, symbol)
        if plain(symbol) in seen:
            raise UsageError(f"{path} line {line}: symbol {symbol} stands twice")
        seen.add(plain(symbol))
        closes[symbol] = _price(path, line, "prev_close", text, market) if text.strip() else None
    if not closes:
        raise UsageError(f"{path}: has no rows, so the recording has no universe")
    return closes


def read_members(label: str, directory: Path, symbols: tuple[str, ...], market: Market) -> tuple[Member, ...]:
    """The members of a recording's universe; names and sectors from `LABEL.universe.csv` beside it or embedded, else
    from the embedded universes, else unknown."""
    own = next((path for place in (directory, EMBEDDED) if (path := place / f"{label}.universe.csv").is_file()), None)
    known = {**_known_members(market), **(_members_of(own) if own else {})}
    found = []
    for symbol in symbols:
        member = known.get(plain(symbol))
        found.append(Member(symbol, member.name, member.sector) if member else Member(symbol))
    return tuple(found)


@lru_cache(maxsize=2)
def _known_members(market: Market) -> dict[str, Member]:
    """{plain symbol: member} of the market's embedded universes; a member with a sector wins over one without."""
    known: dict[str, Member] = {}
    for path in sorted((DATA / "universes").glob("*.csv")):
        for key, member in _members_of(path).items():
            unknown = key not in known or known[key].sector == UNKNOWN_SECTOR
            if market_of(member.symbol) == market and unknown:
                known[key] = member
    return known


def _members_of(path: Path) -> dict[str, Member]:
    return {
        plain(symbol): Member(symbol, name, sector or UNKNOWN_SECTOR)
        for _, (symbol, name, sector) in _rows(path, ("symbol", "name", "sector"))
    }


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells in the order of `columns`) of every line that is not blank. Raises UsageError."""
    line = 0
    try:
        with _opened(path) as lines:
            reader = csv.reader(lines, strict=True)
            header = [cell.strip().lower() for cell in next(reader, [])]
            lost = [column for column in columns if column not in header]
            if lost:
                raise UsageError(f"{path}: has no column {', '.join(lost)}; it needs {', '.join(columns)}")
            places = [header.index(column) for column in columns]
            line = reader.line_num
            for cells in reader:
                line = reader.line_num
                if cells and len(cells) != len(header):
                    raise UsageError(f"{path} line {line}: has {len(cells)} cells, its header has {len(header)}")
                if cells:
                    yield line, [cells[place] for place in places]
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text after line {line}: {error.reason}") from error
    except csv.Error as error:
        raise UsageError(f"{path} line {line + 1}: is not CSV: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _check_symbol(path: Path, line: int, symbol: str) -> None:
    problem = symbol_problem(symbol)
    if problem:
        raise UsageError(f"{path} line {line}: symbol {symbol[:40]!r} {problem}")


def _timestamp(path: Path, line: int, text: str) -> datetime:
    try:
        stamp = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{path} line {line}: time {text[:40]!r} is not ISO 8601 (2023-04-05T09:15:00+05:30)"
        ) from error
    if stamp.tzinfo is None:
        raise UsageError(f"{path} line {line}: time {text} has no offset from UTC (+05:30)")
    return stamp


def _offset_s(stamp: datetime) -> int:
    offset = stamp.utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _price(path: Path, line: int, column: str, text: str, market: Market) -> int:
    try:
        units = to_units(float(text), market)
    except ValueError:
        units = None
    if units is None:
        raise UsageError(f"{path} line {line}: {column} {text[:40]!r} is not a price above 0")
    return units


def _volume(path: Path, line: int, text: str) -> int:
    try:
        number = float(text)
        volume = int(number)
    except (ValueError, OverflowError):
        number, volume = -1.0, -1
    if not 0 <= volume <= _MAX_VOLUME or volume != number:
        raise UsageError(f"{path} line {line}: volume {text[:40]!r} is not a whole number of shares")
    return volume
