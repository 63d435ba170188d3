"""Dead letters: rows that a database refused, kept beside the good ones with the reason and what they hold.

Written by a sink in the transaction of the batch; listed, sent again and dropped by `breadth-pipeline dead-letter`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model import Row
from pipeline.sinks.database import Database
from pipeline.tables import Column, Table

DEAD_LETTER = Table(
    "pipeline_dead_letter",
    ("stream", "journal_id", "seq", "table_name", "row_no"),
    (
        Column("stream", "text", 128),
        Column("journal_id", "text", 64),
        Column("seq", "int"),
        Column("table_name", "text", 64),
        Column("row_no", "int"),
        Column("reason", "text", 500),
        Column("payload", "text", 16_000_000),
    ),
)
REASON_LIMIT = 500
PAYLOAD_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused row and where it came from: record `seq` of the journal, row `row_no` of its rows for the table."""

    stream: str
    journal_id: str
    seq: int
    table_name: str
    row_no: int
    reason: str
    source: str
    row: Row
    created_at: str = ""

    @property
    def key(self) -> tuple[str, str, int, str, int]:
        return self.stream, self.journal_id, self.seq, self.table_name, self.row_no

    @property
    def payload(self) -> str:
        """JSON; a row too large to keep is kept as the beginning of its text."""
        text = json.dumps({"source": self.source, "row": self.row}, default=repr)
        return text if len(text) <= PAYLOAD_LIMIT else json.dumps({"source": self.source, "cut": text[:10_000]})


def put_letters(database: Database, letters: Sequence[Letter]) -> None:
    """Inside the caller's transaction; a letter that is there already is replaced."""
    if letters:
        database.upsert(DEAD_LETTER, [(*each.key, each.reason[:REASON_LIMIT], each.payload) for each in letters])
        database.settle()


def delete_letter(database: Database, key: tuple[str, str, int, str, int]) -> None:
    database.execute(
        "DELETE FROM pipeline_dead_letter "
        "WHERE stream = ? AND journal_id = ? AND seq = ? AND table_name = ? AND row_no = ?",
        key,
    )
