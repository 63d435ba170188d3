"""Makers of universes, quotes and sessions for the tests of breadth."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from pipeline.breadth import compute
from pipeline.model import Member, Quote, Session, Snapshot, Universe

KOLKATA = ZoneInfo("Asia/Kolkata")
SESSION = Session(
    date(2026, 6, 18),
    datetime(2026, 6, 18, 9, 15, tzinfo=KOLKATA),
    datetime(2026, 6, 18, 15, 30, tzinfo=KOLKATA),
    KOLKATA,
)


def at(text: str) -> int:
    """Epoch seconds of a local time of the session (`09:20`), or of another day (`2026-06-17 15:30`)."""
    return int(
        datetime.fromisoformat(text if " " in text else f"2026-06-18 {text}").replace(tzinfo=KOLKATA).timestamp()
    )


TRADED = at("10:00")


def quote(symbol="A", price=1_010_000, prev_close=1_000_000, volume=100, trade_time=TRADED, **more) -> Quote:
    return Quote(symbol, price, prev_close, volume, trade_time, **more)


def market(*quotes: Quote, sectors=(), missing=()) -> tuple[Universe, dict[str, Quote]]:
    """A universe of the quotes' symbols and of `missing` ones; `sectors` in their order, then `Unknown`."""
    symbols = [one.symbol for one in quotes] + list(missing)
    named = list(sectors) + ["Unknown"] * (len(symbols) - len(sectors))
    members = tuple(Member(symbol, f"{symbol} Ltd", sector) for symbol, sector in zip(symbols, named, strict=True))
    return Universe("test", members), {one.symbol: one for one in quotes}


def count(*quotes: Quote, references=None, sectors=(), missing=(), session=SESSION) -> Snapshot:
    universe, by_symbol = market(*quotes, sectors=sectors, missing=missing)
    return compute(universe, by_symbol, references or {}, session)


def sides(advances: list[int | None], declines: list[int | None], unchanged: list[int | None] = ()) -> Snapshot:
    """A poll of issues that traded, given by the volumes of each side."""
    quotes = []
    for name, price, volumes in (("U", 1_010_000, advances), ("D", 990_000, declines), ("E", 1_000_000, unchanged)):
        quotes += [quote(f"{name}{n}", price, volume=volume) for n, volume in enumerate(volumes)]
    return count(*quotes)
