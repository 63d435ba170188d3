"""Retention inside the journal's file: the oldest records go, their number and digest stay. The fetcher's process."""

from __future__ import annotations

from pipeline.journal import file as files

BATCH = 200
"""Records a transaction removes: an append waits for one of them at most."""


def prunable(connection: files.Connection, meta: files.Meta, through_seq: int, before: str) -> int:
    """The last number of the next batch up to `through_seq`; `meta.pruned_seq` when there is none.

    Stops at the first record that was not taken before `before`, or is of the newest record's day: only a beginning
    of the journal may go, and a restart has to know every poll of its day.
    """
    last = meta.pruned_seq
    (newest,) = connection.execute("SELECT key FROM record ORDER BY seq DESC LIMIT 1").fetchone() or ("",)
    rows = connection.execute(
        "SELECT seq, key, taken_at FROM record WHERE seq <= ? ORDER BY seq LIMIT ?", (through_seq, BATCH)
    )
    for seq, key, taken_at in rows:
        if taken_at >= before or files.day_of(key) == files.day_of(newest):
            break
        last = int(seq)
    return last


def remove_through(connection: files.Connection, meta: files.Meta, seq: int) -> None:
    """Removes records up to `seq`, which is there, and notes it as the last that went."""
    digest = files.digest_at(connection, meta, seq) or b""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM record WHERE seq <= ?", (seq,))
    connection.executemany(
        "UPDATE meta SET value = ? WHERE name = ?", ((str(seq), "pruned_seq"), (digest.hex(), "pruned_digest"))
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
