"""Files of a running pipeline that are deleted, put back from a copy or moved away, while nothing else goes on.

The torture does the like amid polls (tests/torture/faults.py); here a database or the journal has nothing to do, and
nobody would look at it again before the run ends.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing

import pytest

from pipeline.journal import NAME as JOURNAL
from pipeline.journal.repair import NEXT
from pipeline.lock import state_directory
from tests.harness import Pipeline, make_recording, wait_until

PARTS = ("", "-wal", "-shm")
SLOW = ("--speed", "0.05")
"""A poll in 40 s: the test is over before."""


@pytest.fixture
def pipeline(tmp_path):
    """A made-up recording into `breadth.db`."""
    recording = make_recording(tmp_path / "recording", "made")
    run = ["--source", f"recording:{recording}", "--interval", "2s", "--db", f"sqlite:///{tmp_path}/breadth.db"]
    made = Pipeline(tmp_path, [*run, "--drain", "8s", "--min-free-mb", "1"])
    yield made
    made.close()


def stored(database):
    """Polls in the SQLite database `database`; 0 while it has no tables."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT count(*) FROM pipeline_poll").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def backup(database, copy):
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def remove(database, older):
    for part in PARTS:
        database.with_name(database.name + part).unlink(missing_ok=True)


def restore(database, older):
    remove(database, older)
    older.rename(database)


def empty(database, older):
    with closing(sqlite3.connect(database)) as connection:
        for table in ("pipeline_cursor", "pipeline_poll", "intraday_stock_prices", "intraday_advance_decline"):
            connection.execute(f"DELETE FROM {table}")
        connection.commit()


@pytest.mark.parametrize("harm", [remove, restore, empty])
def test_a_database_that_loses_rows_while_it_has_nothing_to_do_gets_them_before_the_run_ends(pipeline, tmp_path, harm):
    database = tmp_path / "breadth.db"
    for _ in range(2):
        backup(database, tmp_path / "older.db")
        pipeline.start("--speed", "max", "--polls", "3")
        assert pipeline.wait_exit() == 0
    pipeline.start(*SLOW)
    pipeline.wait_stored()
    polls = stored(database)
    harm(database, tmp_path / "older.db")
    assert stored(database) < polls
    assert pipeline.stop() == 0, pipeline.log_tail()
    assert stored(database) == polls


def test_a_database_that_is_moved_away_between_polls_is_made_anew_at_once(pipeline, tmp_path):
    pipeline.start("--speed", "max", "--polls", "3")
    assert pipeline.wait_exit() == 0
    pipeline.start(*SLOW)
    pipeline.wait_stored()
    polls = stored(tmp_path / "breadth.db")
    assert polls >= 3
    for part in PARTS:
        (tmp_path / f"breadth.db{part}").rename(tmp_path / f"moved.db{part}")
    wait_until(lambda: stored(tmp_path / "breadth.db") == polls, 30, "the polls in the new database")
    assert "db init" not in pipeline.log_text()
    assert pipeline.stop() == 0, pipeline.log_tail()


def test_a_journal_that_is_deleted_before_a_database_has_it_all_is_still_stored(pipeline, tmp_path):
    pipeline.start("--speed", "20")
    pipeline.wait_polls(5)
    pipeline.wait_stored()
    with closing(sqlite3.connect(tmp_path / "breadth.db", timeout=20, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        pipeline.wait_polls(10)
        fetcher = pipeline.pid_of("fetcher")
        os.kill(fetcher, signal.SIGSTOP)
        polls = pipeline.status()["polls"]["taken"]
        for part in PARTS:
            (pipeline.state_dir / f"{JOURNAL}{part}").unlink()
        pipeline.signal(signal.SIGTERM)
        pipeline.wait_status(lambda found: found["state"] == "draining", "draining")
        os.kill(fetcher, signal.SIGCONT)
        connection.execute("ROLLBACK")
    assert pipeline.wait_exit() == 0, pipeline.log_tail()
    assert stored(tmp_path / "breadth.db") >= polls
    assert "of the old one no file is left" in pipeline.log_text()


def test_a_fetcher_that_never_comes_to_a_poll_is_told_by_the_exit_code(pipeline, tmp_path):
    (state_directory(pipeline.state_dir) / NEXT).mkdir()  # no file, and nothing that the fetcher could put aside
    pipeline.start()
    pipeline.wait_status(lambda found: found["processes"][1]["restarts"] > 1, "a fetcher that dies")
    assert pipeline.stop() == 69, pipeline.log_tail()
    assert "nothing was fetched" in pipeline.log_text()
