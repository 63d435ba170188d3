"""The rows that a poll's records ask a database to hold, with where each came from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from pipeline.model import Record, Row
from pipeline.session import local_text
from pipeline.tables import POLL_KEY, TABLES

WHOLE_DAY = ""
"""The group of rows that belong to a day and to no poll: its session and members, and rows without a poll time."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Record `seq`, row `row_no` of its rows for the table."""

    seq: int
    row_no: int
    source: str


Expected = dict[str, list[tuple[Row, Origin]]]
"""{table: rows in the order of the journal}."""


def by_poll(table_name: str) -> bool:
    """Whether the table's rows belong to a poll, its time being their third column."""
    table = TABLES.get(table_name)
    return table is not None and table.key[: len(POLL_KEY)] == POLL_KEY


def groups(record: Record) -> set[str]:
    """Poll times that its rows belong to; WHOLE_DAY for rows of no poll, or of none that a database could name."""
    return {group for name, rows in record.tables.items() for group in _groups(name, rows)}


def expected_rows(records: Iterable[tuple[int, Record]], poll_time: str) -> Expected:
    """Rows of numbered `records` (ascending) that belong to `poll_time`."""
    found: Expected = {}
    for seq, record in records:
        for name, rows in record.tables.items():
            places = [row_no for row_no, group in enumerate(_groups(name, rows)) if group == poll_time]
            if places:
                kept = found.setdefault(name, [])
                kept += [(rows[row_no], Origin(seq, row_no, record.source)) for row_no in places]
    return found


def _groups(table_name: str, rows: Sequence[Row]) -> list[str]:
    """The group of each row."""
    if not by_poll(table_name):
        return [WHOLE_DAY] * len(rows)
    return [_time(row[2]) if len(row) > 2 and isinstance(row[2], str) else WHOLE_DAY for row in rows]


@lru_cache(1024)
def _time(text: str) -> str:
    with suppress(ValueError):
        if text == local_text(datetime.fromisoformat(text)):
            return text
    return WHOLE_DAY
