"""What the journal's tests share: small records, their children, their damage."""

from __future__ import annotations

from pathlib import Path

from pipeline import wire
from pipeline.journal import JournalReader
from pipeline.model import Record

STREAM = "nifty50:yahoo"
DAY = "2026-11-26"


def record(number: int, *, day: str = DAY, source: str = "yahoo", filler: str = "") -> Record:
    """Record `number` of a day; `filler` makes it larger."""
    poll_time = f"{day} {number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
    row = ("nifty50", day, poll_time, "taken", filler or None, number, 1)
    return Record(f"nifty50|{day}|{poll_time}|{source}", "nifty50", day, source, {"pipeline_poll": [row]})


def contents(directory: Path) -> list[Record]:
    """Every record that a reader sees, in order; its numbers are checked to be without gaps."""
    reader = JournalReader(directory)
    try:
        first = reader.identity().first_seq
        entries = list(reader.entries())
    finally:
        reader.close()
    assert [entry.seq for entry in entries] == list(range(first, first + len(entries)))
    return [wire.decode(entry.payload) for entry in entries]
