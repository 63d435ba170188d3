"""Which journal records may go: those that every database has, after a while. Layer 2; reads the databases.

A database that does not answer keeps everything: nobody knows what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipeline.dburl import DatabaseUrl
from pipeline.errors import PipelineError, UnfinishedError
from pipeline.journal import Identity
from pipeline.sinks import Database, open_database


def _connect(url: DatabaseUrl) -> Database:
    return open_database(url, readonly=True)


def stored_everywhere(
    journal: Identity, urls: Iterable[DatabaseUrl], connect: Callable[[DatabaseUrl], Database] = _connect
) -> int:
    """The last number that each of `urls` has. Raises UnfinishedError naming a database that cannot tell."""
    stored = journal.last_seq
    for url in urls:
        try:
            database = connect(url)
            try:
                (found,) = database.query(
                    "SELECT MAX(seq) FROM pipeline_cursor WHERE stream = ? AND journal_id = ?",
                    (journal.stream, journal.journal_id),
                )[0]
            finally:
                database.close()
        except PipelineError as error:
            raise UnfinishedError(f"nothing is pruned, a database cannot tell what it has: {error}") from error
        cursor = 0 if found is None else int(found)
        if cursor > journal.last_seq:
            raise UnfinishedError(
                f"nothing is pruned: {url.masked} has record {cursor} of a journal that ends at {journal.last_seq}"
            )
        stored = min(stored, cursor)
    return stored
