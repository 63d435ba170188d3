"""The rows that a poll's records ask a database to hold, with where each came from. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.model import Record, Row
from pipeline.tables import POLL_KEY, TABLES

WHOLE_DAY = ""
"""The group of rows that belong to a day and to no poll: its session and members."""


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


def poll_times(record: Record) -> set[str]:
    return {str(row[2]) for name, rows in record.tables.items() if by_poll(name) for row in rows if len(row) > 2}


def expected_rows(records: Iterable[tuple[int, Record]], poll_time: str) -> Expected:
    """Rows of numbered `records` (ascending) that belong to `poll_time`."""
    found: Expected = {}
    for seq, record in records:
        for name, rows in record.tables.items():
            timed = by_poll(name)
            if not timed and poll_time != WHOLE_DAY:
                continue
            kept = found.setdefault(name, [])
            for row_no, row in enumerate(rows):
                if not timed or (len(row) > 2 and row[2] == poll_time):
                    kept.append((row, Origin(seq, row_no, record.source)))
    return found
