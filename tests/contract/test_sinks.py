"""What every sink promises, over every registered one."""

from __future__ import annotations

import stat
import threading
from contextlib import closing

import pytest

from pipeline import schema
from pipeline.dburl import DatabaseUrl
from pipeline.errors import CursorMoved, SinkError, SinkRefused, SinkSchemaError, SinkUnavailable
from pipeline.model import Cursor
from pipeline.sinks import open_database, open_sink
from pipeline.sinks.mysql import MysqlDatabase
from pipeline.tables import STOCK, TABLES
from tests.contract.storage import (
    DAY,
    JOURNAL,
    MOMENT,
    STREAM,
    ask,
    contents,
    count,
    cursor_at,
    entries,
    poll_record,
    run,
    session_record,
    stock,
)


def test_cursor_and_rows_commit_together_and_a_replay_stores_nothing_twice(url, sink):
    batch = entries([session_record(), poll_record(1), poll_record(2)])
    assert sink.locate(STREAM, JOURNAL) == Cursor(0)
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert (written.records, written.rows, written.dead_letters) == (3, 4 + 2 * 45, 0)
    assert sink.locate(STREAM, JOURNAL) == cursor_at(batch)
    before = contents(url)
    with pytest.raises(CursorMoved) as moved:
        sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert moved.value.seq == 3
    assert contents(url) == before
    # the same records under another journal: the natural keys are the second net
    sink.write(STREAM, "journal-2", Cursor(0), batch)
    assert contents(url) == before


def test_stale_writer_is_fenced(url, sink):
    first = entries([session_record(), poll_record(1)])
    second = entries([poll_record(2)], cursor_at(first))
    sink.write(STREAM, JOURNAL, Cursor(0), first)
    with closing(open_sink(url)) as stale:
        seen = stale.locate(STREAM, JOURNAL)
        sink.write(STREAM, JOURNAL, seen, second)
        with pytest.raises(CursorMoved):
            stale.write(STREAM, JOURNAL, seen, second)
        with pytest.raises(CursorMoved):  # same number, another journal's digest: a copied state directory
            stale.write(STREAM, JOURNAL, Cursor(3, b"0" * 16), entries([poll_record(3)], cursor_at(second)))
        assert stale.locate(STREAM, JOURNAL) == cursor_at(second)


def test_of_two_writers_at_once_exactly_one_stores(url):
    batch = entries([session_record(), poll_record(1, symbols=600)])
    outcomes = []
    ready = threading.Barrier(2)

    def write():
        with closing(open_sink(url)) as own:
            own.open()
            ready.wait(30)
            try:
                outcomes.append(own.write(STREAM, JOURNAL, Cursor(0), batch).records)
            except SinkError as error:
                outcomes.append(type(error))

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert outcomes.count(2) == 1, outcomes
    assert count(url, STOCK.name) == 600


@pytest.mark.parametrize("reached", [True, False], ids=["committed", "not committed"])
def test_unknown_outcome_of_commit_is_resolved_by_the_cursor(url, sink, monkeypatch, reached):
    batch = entries([session_record(), poll_record(1)])
    kind = type(open_database(url, readonly=False))
    commit = kind.commit

    def lost(self):
        if reached:
            commit(self)
        raise SinkUnavailable("connection lost in COMMIT")

    monkeypatch.setattr(kind, "commit", lost)
    with pytest.raises(SinkUnavailable):
        sink.write(STREAM, JOURNAL, Cursor(0), batch)
    monkeypatch.setattr(kind, "commit", commit)
    found = sink.locate(STREAM, JOURNAL)
    assert found == (cursor_at(batch) if reached else Cursor(0))
    if not reached:
        assert count(url, STOCK.name) == 0
        sink.write(STREAM, JOURNAL, found, batch)
    assert count(url, STOCK.name) == 40


HOSTILE = [
    "'; DROP TABLE pipeline_poll; --",
    'x" OR ""="',
    "back\\slash\\'",
    "100%s %d ? :name",
    "नेस्ले \U0001f4c8",
    "\x1b[2Jescape",
    "a\x00b",
    "new\nline\ttab",
    "../../etc/passwd",
]


def test_hostile_names_are_data(url, sink):
    universe = "u'; DROP TABLE intraday_stock_prices; --"
    rows = [stock(universe, MOMENT, symbol) for symbol in HOSTILE]
    batch = entries([session_record(universe), poll_record(1, universe, stocks=rows)])
    assert sink.write(STREAM, "j'; --", Cursor(0), batch).dead_letters == 0
    assert sink.locate(STREAM, "j'; --").seq == 2
    found = ask(url, "SELECT symbol FROM intraday_stock_prices WHERE universe = ?", (universe,))
    assert sorted(symbol for (symbol,) in found) == sorted(HOSTILE)
    assert sorted(table for table in TABLES if count(url, table)) == sorted(TABLES)


def test_renamed_column_is_a_schema_error_and_stores_nothing(url, sink):
    batch = entries([session_record(), poll_record(1)])
    sink.write(STREAM, JOURNAL, Cursor(0), batch[:1])
    run(url, "ALTER TABLE intraday_stock_prices RENAME COLUMN ltp TO last_price")
    with pytest.raises(SinkSchemaError, match="ltp"):
        sink.write(STREAM, JOURNAL, cursor_at(batch[:1]), batch[1:])
    with pytest.raises(SinkSchemaError, match="no column ltp"):
        sink.open()
    assert count(url, "pipeline_poll") == 0
    run(url, "ALTER TABLE intraday_stock_prices RENAME COLUMN last_price TO ltp")
    sink.write(STREAM, JOURNAL, sink.locate(STREAM, JOURNAL), batch[1:])
    assert count(url, STOCK.name) == 40


def test_every_database_holds_equal_rows_and_answers_its_views_alike(mariadb, mariadb_database, tmp_path, monkeypatch):
    urls = [
        DatabaseUrl.parse(f"sqlite:///{tmp_path}/breadth.db"),
        DatabaseUrl.parse(mariadb.url(mariadb_database)),
        DatabaseUrl.parse(mariadb.url(mariadb.create_database())),
    ]
    records = [session_record(day="2026-11-25"), poll_record(7, day="2026-11-25"), session_record(), poll_record(1)]
    records += [session_record("sp500"), *(poll_record(minute, "sp500", symbols=90) for minute in range(2, 9))]
    batch = entries(records)
    views = [step.creates for step in schema.steps("sqlite") if step.slug.startswith("v_")]
    found = []
    for number, url in enumerate(urls):
        if number == 2:
            monkeypatch.setattr(MysqlDatabase, "use_binary", lambda self: None)
        schema.ensure(url, create=True)
        with closing(open_sink(url)) as sink:
            sink.write(STREAM, JOURNAL, Cursor(0), batch)
        answers = {view: ask(url, f"SELECT * FROM {view}") for view in views}
        answers["v_latest_intraday_breadth"] = [row[:-1] for row in answers["v_latest_intraday_breadth"]]
        answers["v_intraday_breadth_summary"] = [  # sums in another order may differ in the last bit
            tuple(round(value, 9) if isinstance(value, float) else value for value in row)
            for row in answers["v_intraday_breadth_summary"]
        ]
        found.append((contents(url), {view: sorted(rows, key=repr) for view, rows in answers.items()}))
    assert found[0] == found[1]
    assert found[0] == found[2]
    views_found = found[0][1]
    assert [row[:3] for row in views_found["v_latest_intraday_breadth"]] == [
        ("nifty50", DAY, f"{DAY} 10:01:00"),
        ("sp500", DAY, f"{DAY} 10:08:00"),
    ]
    assert {row[0]: row[1] for row in views_found["v_today_intraday_timeseries"]} == {
        "nifty50": f"{DAY} 10:01:00",
        "sp500": f"{DAY} 10:08:00",
    }
    assert len(views_found["v_top_movers_today"]) == 40 + 90
    assert [row[:3] for row in views_found["v_intraday_breadth_summary"]] == [
        ("nifty50", "2026-11-25", 1),
        ("nifty50", DAY, 1),
        ("sp500", DAY, 7),
    ]


def test_sqlite_file_restored_from_a_backup_gets_what_it_misses(tmp_path):
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/breadth.db")
    schema.ensure(url, create=True)
    batch = entries([session_record(), poll_record(1), poll_record(2)])
    with closing(open_sink(url)) as sink:
        sink.write(STREAM, JOURNAL, Cursor(0), batch[:1])
        run(url, "VACUUM INTO '" + str(tmp_path / "backup.db") + "'")
        sink.write(STREAM, JOURNAL, cursor_at(batch[:1]), batch[1:2])
        (tmp_path / "backup.db").rename(tmp_path / "breadth.db")
        with pytest.raises(SinkUnavailable, match="replaced"):
            sink.write(STREAM, JOURNAL, cursor_at(batch[:2]), batch[2:])
        for stale in tmp_path.glob("breadth.db-*"):
            stale.unlink()
        assert sink.locate(STREAM, JOURNAL) == cursor_at(batch[:1])
        sink.write(STREAM, JOURNAL, cursor_at(batch[:1]), batch[1:])
    assert count(url, "pipeline_poll") == 2


def test_sqlite_file_is_private_durable_and_refused_when_it_is_no_database(tmp_path):
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/deep/breadth.db")
    schema.ensure(url, create=True)
    assert stat.S_IMODE((tmp_path / "deep" / "breadth.db").stat().st_mode) == 0o600
    with closing(open_database(url, readonly=False)) as database:
        assert database.query("PRAGMA journal_mode") == [("wal",)]
        assert database.query("PRAGMA synchronous") == [(2,)]
    with closing(open_database(url, readonly=True)) as database, pytest.raises(SinkRefused):
        database.execute("DELETE FROM pipeline_poll")
    (tmp_path / "text.db").write_text("this is not a database, it is a sentence\n" * 100)
    with pytest.raises(SinkRefused, match="not a database"):
        schema.ensure(DatabaseUrl.parse(f"sqlite:///{tmp_path}/text.db"), create=True)
    with pytest.raises(SinkRefused, match="cannot be opened"):
        open_database(DatabaseUrl.parse(f"sqlite:///{tmp_path}/absent.db"), readonly=True)
