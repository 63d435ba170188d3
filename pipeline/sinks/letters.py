"""Dead letters: rows that a database refused, kept beside the good ones with the reason and what they hold.

Written by a sink in the transaction of the batch; listed, sent again and dropped by `breadth-pipeline dead-letter`.
One that is dropped loses its contents but for the key of its row: `verify` then knows that somebody gave the row up.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.model import Row
from pipeline.sinks.database import Database
from pipeline.tables import TABLES, Column, Table

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
PAYLOAD_LIMIT = 20_000
"""Characters of a letter; the longest row that a table takes has a tenth of them."""
_LETTERS_AT_ONCE = 50
"""So that a statement of letters stays below every server's longest packet."""
DROPPED = "SUBSTR(payload, 1, 10) = '{\"dropped\"'"
"""SQL: whether a letter was dropped by hand."""
_ONE = "WHERE stream = ? AND journal_id = ? AND seq = ? AND table_name = ? AND row_no = ?"
Key = tuple[str, str, int, str, int]


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
    def key(self) -> Key:
        return self.stream, self.journal_id, self.seq, self.table_name, self.row_no

    @property
    def payload(self) -> str:
        """JSON; a row too large to keep is kept as the beginning of its text."""
        text = json.dumps({"source": self.source, "row": self.row}, default=repr)
        return text if len(text) <= PAYLOAD_LIMIT else json.dumps({"source": self.source, "cut": text[:10_000]})


def put_letters(database: Database, letters: Sequence[Letter]) -> int:
    """Inside the caller's transaction; a letter that is there already is replaced. Returns how many rows are new here.

    After a journal was replaced its records come again: a row that was refused before keeps its one letter, which
    moves to the new journal's number (the writer may have no right to delete), and stays dropped if it was.
    """
    if not letters:
        return 0
    earlier = _earlier(database, letters[0].stream, letters[0].journal_id)
    unknown = []
    for each in letters:
        places = earlier.get(_subject(each.table_name, each.payload))
        if not places or _is_there(database, each.key):
            unknown.append(each)
            continue
        key, dropped = places.pop(0)
        database.execute(
            f"UPDATE pipeline_dead_letter SET journal_id = ?, seq = ?, row_no = ? {_ONE}",
            (each.journal_id, each.seq, each.row_no, *key),
        )
        if not dropped:
            database.execute(
                f"UPDATE pipeline_dead_letter SET reason = ?, payload = ? {_ONE}", (*_told(each), *each.key)
            )
    rows = [(*each.key, *_told(each)) for each in unknown]
    for start in range(0, len(rows), _LETTERS_AT_ONCE):
        database.upsert(DEAD_LETTER, rows[start : start + _LETTERS_AT_ONCE])
        database.settle()
    return len(unknown)


def drop_letter(database: Database, letter: Letter) -> None:
    """Inside the caller's transaction."""
    table = TABLES.get(letter.table_name)
    kept = letter.row[: len(table.key)] if table else ()
    mark = json.dumps({"dropped": True, "source": letter.source, "row": kept}, default=repr)
    database.execute(f"UPDATE pipeline_dead_letter SET payload = ? {_ONE}", (mark, *letter.key))


def delete_letter(database: Database, key: Key) -> None:
    database.execute(f"DELETE FROM pipeline_dead_letter {_ONE}", key)


def _told(letter: Letter) -> tuple[str, str]:
    return letter.reason[:REASON_LIMIT], letter.payload


def _earlier(database: Database, stream: str, journal_id: str) -> dict[tuple[str, str], list[tuple[Key, bool]]]:
    """{subject: letters of the stream's other journals about it, and whether each was dropped}."""
    found = defaultdict(list)
    for other, seq, table_name, row_no, payload, dropped in database.query(
        f"SELECT journal_id, seq, table_name, row_no, payload, {DROPPED} FROM pipeline_dead_letter "
        "WHERE stream = ? AND journal_id <> ? ORDER BY journal_id, seq, row_no",
        (stream, journal_id),
    ):
        key = (stream, str(other), int(seq), str(table_name), int(row_no))
        found[_subject(key[3], payload)].append((key, bool(dropped)))
    return found


def _subject(table_name: str, payload: str) -> tuple[str, str]:
    """What a letter is about, in any journal: the table and the natural key of the row (else all that was kept)."""
    table = TABLES.get(table_name)
    try:
        row = json.loads(payload)["row"]
    except (ValueError, KeyError, TypeError):
        row = None
    return table_name, json.dumps(row[: len(table.key)]) if table and row else payload


def _is_there(database: Database, key: Key) -> bool:
    return bool(database.query(f"SELECT seq FROM pipeline_dead_letter {_ONE}", key))
