"""Which journal records may go: those that every database has, after a while. Layer 2; reads the databases.

A database that does not answer keeps everything: nobody knows what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipeline.dburl import DatabaseUrl
from pipeline.errors import PipelineError, UnfinishedError
from pipeline.journal import JournalReader
from pipeline.sinks import Database, open_database


def _connect(url: DatabaseUrl) -> Database:
    return open_database(url, readonly=True)


def stored_everywhere(
    reader: JournalReader, urls: Iterable[DatabaseUrl], connect: Callable[[DatabaseUrl], Database] = _connect
) -> int:
    """The last number of the journal that each of `urls` has.

    Raises UnfinishedError naming a database that cannot tell, or that has records of another history of the journal.
    """
    journal = reader.identity()
    stored = journal.last_seq
    for url in urls:
        try:
            database = connect(url)
            try:
                found = database.query(
                    "SELECT seq, digest FROM pipeline_cursor WHERE stream = ? AND journal_id = ?",
                    (journal.stream, journal.journal_id),
                )
            finally:
                database.close()
        except PipelineError as error:
            raise UnfinishedError(f"nothing is pruned, a database cannot tell what it has: {error}") from error
        cursor, digest = (int(found[0][0]), bytes(found[0][1])) if found else (0, b"")
        if cursor > journal.last_seq:
            raise UnfinishedError(
                f"nothing is pruned: {url.masked} has record {cursor} of a journal that ends at {journal.last_seq}"
            )
        if cursor and reader.digest_at(cursor) not in (digest, None):  # None: pruned, so nothing up to it can go
            raise UnfinishedError(
                f"nothing is pruned: record {cursor} in {url.masked} is another one than here: the state directory is "
                "a copy, or was copied, and both went on"
            )
        stored = min(stored, cursor)
    return stored
