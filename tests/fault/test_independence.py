"""Live sessions whose MySQL is hung, down, locked, slow or full: the fetch, the journal and SQLite do not notice."""

from __future__ import annotations

import contextlib
from contextlib import closing
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.journal import Journal
from pipeline.model import Record
from pipeline.tables import POLL, STOCK
from tests.harness import Pipeline, balance, make_recording
from tests.harness.rig import MYSQL, SQLITE
from tests.loopback_yahoo import LoopbackYahoo

SYMBOLS = ("RELIANCE.NS", "TCS.NS", "INFY.NS")
ZONE = ZoneInfo("Asia/Kolkata")
POLLS = 3
INTERVAL_S = 2
LATE_S = 2.0
"""From a poll's instant to its place in the journal: each trouble holds up longer whoever waits for the database."""


@pytest.fixture
def live(own_mariadb, tmp_path):
    """A live session of three stocks into SQLite and a server of its own."""
    (tmp_path / "three.csv").write_text("symbol,name\n" + "".join(f"{each},{each}\n" for each in SYMBOLS))
    database = own_mariadb.create_database()
    with LoopbackYahoo() as yahoo:
        for number, symbol in enumerate(SYMBOLS):
            yahoo.set_quote(symbol, 100.05 + number, 101.05)
        run = ["--universe", str(tmp_path / "three.csv"), "--calendar", "NSE", "--any-time"]
        run += ["--interval", f"{INTERVAL_S}s", "--index", "none", "--yahoo-url", yahoo.url]
        run += [
            "--db",
            f"sqlite:///{tmp_path}/breadth.db",
            "--db",
            f"mysql://tester@127.0.0.1:{own_mariadb.port}/{database}",
        ]
        pipeline = Pipeline(tmp_path, run, environment={"MYSQL_PASSWORD": "secret"})
        pipeline.database_name, pipeline.sqlite = database, tmp_path / "breadth.db"
        yield pipeline
        pipeline.close()


@contextlib.contextmanager
def hung(server, database):
    server.freeze()
    yield
    server.thaw()


@contextlib.contextmanager
def down(server, database):
    server.stop()
    yield
    server.start()


@contextlib.contextmanager
def locked(server, database):
    with closing(server.connect(database)) as connection:
        connection.cmd_query("LOCK TABLES pipeline_poll WRITE, pipeline_cursor WRITE, intraday_stock_prices WRITE")
        yield


@contextlib.contextmanager
def slow(server, database):
    server.execute(
        f"CREATE TRIGGER slow BEFORE UPDATE ON pipeline_cursor FOR EACH ROW DO SLEEP({LATE_S + 1})", database=database
    )
    yield
    server.execute("DROP TRIGGER slow", database=database)


@contextlib.contextmanager
def full(server, database):
    body = "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'"
    server.execute(f"CREATE TRIGGER full BEFORE INSERT ON pipeline_poll FOR EACH ROW {body}", database=database)
    yield
    server.execute("DROP TRIGGER full", database=database)


def polls_after(live, seq):
    """(poll time, outcome, seconds from the poll's instant to its place in the journal) of later records."""
    reader = live.reader()
    found = balance.Expected.of(reader.entries())
    reader.close()
    taken_at = live.taken_at()
    for key, row in found.rows[POLL.name].items():
        number, _ = found.origin[POLL.name, key]
        if number > seq:
            instant = datetime.fromisoformat(key[2]).replace(tzinfo=ZONE)
            yield key[2], row[3], (taken_at[number - 1] - instant).total_seconds()


def books(live, server):
    reader = live.reader()
    found = balance.Expected.of(reader.entries())
    journal_id = reader.identity().journal_id
    reader.close()
    total = balance.gaps(found, INTERVAL_S)
    asks = {
        SQLITE: balance.sqlite_asker(live.sqlite),
        MYSQL: lambda sql: server.execute(sql, database=live.database_name),
    }
    for role, ask in asks.items():
        total.add(balance.compare(role, found, found, ask, balance.stored_rows(ask), (journal_id,)))
    return total


@pytest.mark.mysql
def test_polls_journal_and_sqlite_do_not_notice_what_happens_to_mysql(live, own_mariadb):
    live.start()
    live.wait_polls(3, 60)
    fetcher, before = live.pid_of("fetcher"), live.last_seq()
    for trouble in (hung, down, locked, slow, full):
        with trouble(own_mariadb, live.database_name):
            live.wait_polls(POLLS, 30)
            live.wait_stored(30, SQLITE)
        live.wait_stored(60, MYSQL)
    assert live.pid_of("fetcher") == fetcher
    polls = list(polls_after(live, before))
    assert len(polls) >= 5 * POLLS
    assert not [poll for poll in polls if poll[1] != "taken"], "no grid point is skipped"
    assert not [poll for poll in polls if not 0 <= poll[2] < LATE_S], "each poll is taken at its instant"
    assert live.stop() == 0, live.log_tail()
    total = books(live, own_mariadb)
    assert total.clean, total


@pytest.mark.mysql
def test_a_run_that_ends_with_a_dead_database_says_so_and_the_next_start_writes_the_rest(live, own_mariadb):
    """Market close, database down: exit 69 by the deadline, all in the journal, written by the next start."""
    own_mariadb.freeze()
    try:
        live.start("--polls", "2", "--drain", "2s")
        assert live.wait_exit(60) == 69, live.log_tail()
    finally:
        own_mariadb.thaw()
    assert "not every record is in writer:mysql" in live.log_text()
    journaled = live.last_seq()
    assert journaled >= 3, "a session and two polls"
    live.start("--once")
    assert live.wait_exit(60) == 0, live.log_tail()
    assert live.last_seq() >= journaled
    total = books(live, own_mariadb)
    total.gaps = 0  # the market was not polled between the two runs
    assert total.clean, total


def poison(number: int, **wrong) -> tuple:
    """A stock row of poll `number` with something in it that no database takes."""
    moment = f"2026-11-26 09:{number:02d}:00"
    good = {"universe": "p", "trade_date": "2026-11-26", "poll_time": moment, "symbol": "AAA", "ltp": 1.5}
    good |= {"prev_close": 1.0, "change_amt": 0.5, "change_pct": 50.0, "volume": 7, "status": "ADVANCE"}
    values = good | wrong
    return tuple(values.get(name) for name in STOCK.column_names)


WRONG = (
    {"symbol": "X" * 200},
    {"symbol": "BIG", "ltp": 1e12},
    {"symbol": "VOLUME", "volume": 2**63},
    {"symbol": "STATUS", "status": "SIDEWAYS"},
    {"symbol": "DATE", "data_timestamp": "2026-02-30 09:15:00"},
)


@pytest.mark.mysql
def test_rows_no_database_takes_are_dead_letters_and_their_neighbours_are_stored(own_mariadb, tmp_path):
    recording = make_recording(tmp_path / "recording", "p", bars=3)
    database = own_mariadb.create_database()
    urls = [f"sqlite:///{tmp_path}/p.db", own_mariadb.url(database)]
    run = ["--source", f"recording:{recording}", "--speed", "max", "--min-free-mb", "1000000000"]
    pipeline = Pipeline(tmp_path, [*run, *(part for url in urls for part in ("--db", url))])
    journal = Journal.open(pipeline.state_dir, "p")
    for number, wrong in enumerate(WRONG):
        key = f"p|2026-11-26|2026-11-26 09:{number:02d}:00|test"
        rows = [poison(number), poison(number, **wrong), poison(number, symbol="ZZZ")]
        assert journal.append(Record(key, "p", "2026-11-26", "test", {STOCK.name: rows})) == number + 1
    journal.close()
    pipeline.start()
    assert pipeline.wait_exit(60) == 0, pipeline.log_tail()
    asks = (balance.sqlite_asker(tmp_path / "p.db"), lambda sql: own_mariadb.execute(sql, database=database))
    for ask in asks:
        letters = list(ask("SELECT seq, row_no, reason, payload FROM pipeline_dead_letter ORDER BY seq"))
        assert [(seq, row_no) for seq, row_no, _, _ in letters] == [(n + 1, 1) for n in range(len(WRONG))]
        assert all(reason and payload for _, _, reason, payload in letters)
        stored = list(ask("SELECT symbol FROM intraday_stock_prices WHERE trade_date = '2026-11-26' ORDER BY 1"))
        assert [symbol for (symbol,) in stored] == ["AAA"] * len(WRONG) + ["ZZZ"] * len(WRONG)
    assert "were refused by" in pipeline.log_text()
    assert "journaling stops when it is full" in pipeline.log_text(), "the alarm comes before the failure"
