"""A database that was away: its backlog is worked off in flat memory, and stays in the journal until it has it."""

from __future__ import annotations

from contextlib import closing

import pytest

from pipeline.tables import POLL, STOCK
from tests.harness import rig, wait_until
from tests.harness.rig import MYSQL, SQLITE
from tests.torture import backlog

RECORDS = 20_000
FEW = 300


@pytest.mark.mysql
def test_a_writers_memory_stays_flat_over_a_backlog(mariadb, tmp_path):
    found = backlog.run(tmp_path, mariadb, MYSQL, RECORDS)
    assert found.flat, found
    assert found.polls, "polls go on meanwhile"


def first_seq(pipeline):
    with closing(pipeline.reader()) as reader:
        return reader.identity().first_seq


@pytest.mark.mysql
def test_the_journal_keeps_old_days_for_a_database_that_is_away_and_lets_go_of_them_when_it_has_them(mariadb, tmp_path):
    with rig(tmp_path, mariadb, audit=False) as it:
        backlog.prepare(it.pipeline.state_dir, FEW)
        mariadb.freeze()
        try:
            it.pipeline.start()
            it.pipeline.wait_polls(5)
            it.pipeline.wait_stored(60, SQLITE)
            it.pipeline.wait_polls(5)
            assert first_seq(it.pipeline) == 1, "nothing goes that a database lacks, however old it is"
        finally:
            mariadb.thaw()
        wait_until(lambda: first_seq(it.pipeline) > FEW, 60, "the end of what every database has")
        assert it.pipeline.stop() == 0, it.pipeline.log_tail()
        for role, ask in it.asks.items():
            for table, number in ((POLL, FEW), (STOCK, FEW * (backlog.ROWS - 1))):
                stored = next(iter(ask(f"SELECT COUNT(*) FROM {table.name} WHERE universe = 'backlog'")))
                assert stored == (number,), f"{role} lacks rows of {table.name}"
