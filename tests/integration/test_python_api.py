"""AsyncDataLogger from real programs: plain scripts without a guard, killed programs, two at once, a dead writer."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from pipeline.api.calculator import IntradayAdvDeclCalculator
from pipeline.api.fetcher import RealTimeDataFetcher
from pipeline.api.issue import ZONES, stock_status
from pipeline.api.logger import AsyncDataLogger
from pipeline.api.rows import stock_record
from pipeline.api.writer import STREAM
from pipeline.dburl import DatabaseUrl
from pipeline.errors import UsageError
from pipeline.journal import Journal
from pipeline.sinks import open_database
from tests.loopback_yahoo import LoopbackYahoo
from tests.mariadb import free_port

ROOT = Path(__file__).parents[2]
SYMBOLS = [f"{name}.NS" for name in ("RELIANCE", "TCS", "INFY", "HDFCBANK", "ICICIBANK", "SBIN", "ITC", "M&M")]
SCRIPT = """
import json, sys
from pipeline import AsyncDataLogger, IntradayAdvDeclCalculator, RealTimeDataFetcher

symbols = sys.argv[2:]
fetcher = RealTimeDataFetcher(batch_size=4)
calculator = IntradayAdvDeclCalculator()
logger = AsyncDataLogger(db_url=sys.argv[1])
with logger:
    for cycle in range(3):
        data = fetcher.fetch_realtime_data(symbols)
        calculator.update_batch(data)
        logger.log_breadth_snapshot(calculator.calculate_breadth(), data)
    during = logger.get_stats()
print(json.dumps([during, logger.get_stats()]))
"""
KILLED = """
import os, signal, sys
from pipeline import AsyncDataLogger

logger = AsyncDataLogger(db_url=sys.argv[1])
logger.start()
os.kill(logger._running.child.pid, signal.SIGSTOP)
for n in range(5):
    stocks = {"A.NS": {"ltp": 2 + n, "prev_close": 1}}
    logger.log_breadth_snapshot({"advances": n, "declines": 1, "unchanged": 0}, stocks)
print(logger._running.child.pid, flush=True)
sys.stdin.read()
"""
BUSY = """
import sys
from pipeline import AsyncDataLogger

with AsyncDataLogger(db_url=sys.argv[1]) as logger:
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(20):
        logger.log_breadth_snapshot({"advances": n, "declines": 1, "unchanged": 0})
        logger.log_stock_update("A.NS", 2 + n, 1, None, 10, None)
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """State of our own, nothing of the machine's settings; the same for this process and its scripts."""
    for name in list(os.environ):
        if name.startswith(("BREADTH_", "MYSQL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


@pytest.fixture
def yahoo():
    with LoopbackYahoo() as server:
        for at, symbol in enumerate(SYMBOLS):
            server.set_quote(symbol, 100 + at, 102, 1000 + at)
        yield server


def program(source, *arguments, environment, **options):
    """A script of its own, run as a user would: a file, at top level."""
    file = Path(f"script-{time.monotonic_ns()}.py")
    file.write_text(source)
    command = [sys.executable, str(file), *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes, **options)


def rows(url, sql):
    database = open_database(DatabaseUrl.parse(url), readonly=True)
    try:
        return database.query(sql)
    finally:
        database.close()


def until(condition, deadline_s=30.0):
    deadline = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.02)
    return found


def store(kind, request):
    """The URL of an empty database."""
    if kind == "sqlite":
        return "sqlite:///x.db"
    return request.getfixturevalue("mariadb").url(request.getfixturevalue("mariadb_database"))


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("mysql", marks=pytest.mark.mysql)])
def test_a_plain_script_without_a_guard_stores_everything_it_logs(kind, environment, yahoo, request):
    url = store(kind, request)
    run = program(SCRIPT, url, *SYMBOLS, environment={**environment, "BREADTH_YAHOO_URL": yahoo.url})
    out, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (0, "")
    during, after = json.loads(out)
    assert (during["records_logged"], during["errors"], during["worker_alive"]) == (27, 0, True)
    assert (after["records_logged"], after["queue_size"], after["worker_alive"]) == (27, 0, False)
    assert max(map(len, yahoo.lists)) == 4
    counted = "SELECT poll_time, advances, declines, unchanged, universe FROM intraday_advance_decline ORDER BY 1"
    stored = rows(url, counted)
    assert [row[1:] for row in stored] == [(5, 2, 1, "api")] * 3
    assert len({row[0] for row in stored}) == 3
    zone_now = datetime.now().astimezone()
    assert stored[0][0][:4] == str(zone_now.year)
    per_status = "SELECT status, COUNT(*) FROM intraday_stock_prices GROUP BY status ORDER BY status"
    assert rows(url, per_status) == [("ADVANCE", 15), ("DECLINE", 6), ("UNCHANGED", 3)]


def test_a_killed_program_leaves_nothing_running_and_the_next_start_stores_its_records(environment):
    killed = program(KILLED, "sqlite:///x.db", environment=environment)
    writer = int(killed.stdout.readline())
    killed.kill()
    killed.wait()
    os.kill(writer, signal.SIGCONT)
    killed.communicate()
    until(lambda: not psutil.pid_exists(writer))
    assert not Path("x.db").exists() or not rows("sqlite:///x.db", "SELECT 1 FROM sqlite_master WHERE name LIKE 'v_%'")
    with AsyncDataLogger(db_url="sqlite:///x.db") as logger:
        assert logger.get_stats()["queue_size"] == 5
        until(lambda: logger.get_stats()["queue_size"] == 0)
    assert rows("sqlite:///x.db", "SELECT advances FROM intraday_advance_decline ORDER BY poll_time") == [
        (n,) for n in range(5)
    ]
    assert rows("sqlite:///x.db", "SELECT COUNT(*) FROM intraday_stock_prices") == [(5,)]


def test_two_programs_log_into_one_database_at_once_and_an_orphan_of_theirs_is_drained(environment):
    first, second = (program(BUSY, "sqlite:///x.db", environment=environment) for _ in range(2))
    for run in (first, second):
        assert run.stdout.readline() == "ready\n"
    orphan = program(KILLED, "sqlite:///x.db", environment=environment)
    writer = int(orphan.stdout.readline())
    for pid in (orphan.pid, writer):
        os.kill(pid, signal.SIGKILL)
    orphan.communicate()
    for run in (first, second):
        assert run.communicate("go\n", timeout=60) == ("", "")
        assert run.returncode == 0
    with AsyncDataLogger(db_url="sqlite:///x.db"):
        pass
    found = rows("sqlite:///x.db", "SELECT poll_time, advances FROM intraday_advance_decline")
    assert sorted(advances for _, advances in found) == sorted([*range(20), *range(20), *range(5)])
    assert rows("sqlite:///x.db", "SELECT COUNT(*) FROM intraday_stock_prices") == [(45,)]


def test_a_damaged_journal_that_another_program_left_is_mended_and_stored(environment, caplog):
    with AsyncDataLogger(db_url="sqlite:///x.db") as logger:
        left = logger._running.slot.with_name("001")
    with closing(Journal.open(left, STREAM)) as journal:
        for n in range(4):
            at = datetime(2026, 11, 26, 10, 0, n, tzinfo=ZONES["NSE"])
            journal.append(stock_record("api", at, stock_status("A.NS", {"ltp": 2 + n}, at), None))
    with closing(sqlite3.connect(left / "journal.sqlite3")) as damaged, damaged:
        damaged.execute("UPDATE record SET payload = substr(payload, 2) WHERE seq = 2")
    with AsyncDataLogger(db_url="sqlite:///x.db") as logger:
        until(lambda: rows("sqlite:///x.db", "SELECT COUNT(*) FROM intraday_stock_prices") == [(3,)])
        assert logger.stop(60)
    assert "is replaced (record 2 is not what was written" in caplog.text


def test_what_the_database_has_leaves_the_journal_of_a_long_running_program(environment, monkeypatch):
    monkeypatch.setattr("pipeline.api.logger.KEEP", timedelta(0))
    monkeypatch.setattr("pipeline.api.logger.PRUNE_EVERY_S", 0.0, raising=False)
    today = datetime.now(UTC)
    monkeypatch.setattr("pipeline.api.logger._now", lambda: today - timedelta(days=1))
    with AsyncDataLogger(db_url="sqlite:///x.db") as logger:
        for n in range(3):
            logger.log_stock_update("A.NS", 2 + n)
        until(lambda: logger.get_stats()["queue_size"] == 0)
        monkeypatch.setattr("pipeline.api.logger._now", lambda: today)
        for _ in range(2):  # the last day stays, so the day before goes when another has begun
            logger.log_stock_update("A.NS", 9)
        assert logger._running.journal.identity.first_seq > 1
    assert rows("sqlite:///x.db", "SELECT COUNT(*) FROM intraday_stock_prices") == [(5,)]


def test_a_killed_writer_is_replaced_and_nothing_is_lost(environment, caplog):
    with AsyncDataLogger(db_url="sqlite:///x.db") as logger:
        for n in range(3):
            victim = until(lambda: logger._running.child.alive and logger._running.child.pid)
            os.kill(victim, signal.SIGKILL)
            logger.log_breadth_snapshot({"advances": 1 + n, "declines": 0, "unchanged": 0})
            until(lambda victim=victim: logger._running.child.pid != victim)
        until(lambda: logger.get_stats()["queue_size"] == 0)
        stats = logger.get_stats()
        assert stats["worker_alive"]
        assert stats["errors"] >= 3
    assert len(rows("sqlite:///x.db", "SELECT * FROM intraday_advance_decline")) == 3
    assert "started again" in caplog.text


def test_a_database_that_is_down_costs_no_record_and_no_time_of_the_caller(environment, monkeypatch, caplog):
    monkeypatch.setenv("MYSQL_PASSWORD", "hush-hush")
    logger = AsyncDataLogger(db_url=f"mysql+mysqlconnector://user@127.0.0.1:{free_port()}/x", queue_size=2)
    logger.start()
    writer = psutil.Process(logger._running.child.pid)
    until(lambda: logger.get_stats()["errors"])
    threads = [
        threading.Thread(target=logger.log_stock_update, args=("A.NS", 1 + n, 1, 0.0, 5, None)) for n in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logger.get_stats()["queue_size"] == 10
    assert "hush-hush" not in " ".join(writer.cmdline()) + str(logger.get_stats())
    assert logger.stop(timeout=0.2) is False
    assert logger.get_stats()["queue_size"] == 10
    assert not writer.is_running()
    assert "10 records are not in mysql://user:***@127.0.0.1" in caplog.text
    assert "hush-hush" not in caplog.text


REFUSED = """
from pipeline import AsyncDataLogger
one, two = (AsyncDataLogger(db_url="sqlite:///place/x.db") for _ in range(2))
for logger in (one, two):
    logger.start()
    logger.log_stock_update("A.NS", 1.5)
print(two.stop(), one.stop())
"""


def test_a_database_that_refuses_costs_no_trace_and_no_record(environment):
    place = Path("place")
    place.write_text("no directory yet")
    refused = program(REFUSED, environment=environment)
    out, err = refused.communicate(timeout=60)
    assert out == "False False\n"
    assert "place/x.db: cannot be opened" in err
    assert "Traceback" not in err
    with AsyncDataLogger(db_url="sqlite:///place/x.db") as logger:  # takes one of the two journals, and finds the other
        until(lambda: logger.get_stats()["errors"])
    place.unlink()
    with AsyncDataLogger(db_url="sqlite:///place/x.db") as logger:
        until(lambda: logger.get_stats()["queue_size"] == 0)
    until(lambda: rows("sqlite:///place/x.db", "SELECT COUNT(*) FROM intraday_stock_prices") == [(2,)])


def test_calls_that_cannot_be_stored_say_so_in_one_line(environment):
    with pytest.raises(UsageError, match="not a database URL"):
        AsyncDataLogger(db_url="postgres://x")
    with pytest.raises(UsageError, match="not a database URL"):
        AsyncDataLogger(db_url=Path("x.db"))
    for zone in ("Mars/X", "America", "/etc/hosts", "../x", 5):
        with pytest.raises(UsageError, match=f"timezone {zone!r} is not a time zone"):
            AsyncDataLogger(db_url="sqlite:///x.db", timezone=zone)
    for universe in (None, 5, "", " ", "a\n", "x" * 65, " api", "a|b"):
        with pytest.raises(UsageError, match=r"universe .* must be plain text"):
            AsyncDataLogger(db_url="sqlite:///x.db", universe=universe)
    logger = AsyncDataLogger(db_url="sqlite:///x.db")
    with pytest.raises(UsageError, match="not started"):
        logger.log_breadth_snapshot({"advances": 1, "declines": 1, "unchanged": 0})
    with logger:
        with pytest.raises(UsageError, match="whole numbers"):
            logger.log_breadth_snapshot({"advances": 1})
        with pytest.raises(UsageError, match="whole numbers"):
            logger.log_breadth_snapshot(None)
        with pytest.raises(UsageError, match=r"stock_details as .* not a list$"):
            logger.log_breadth_snapshot({"advances": 1, "declines": 0, "unchanged": 0}, ["A.NS"])
        with pytest.raises(UsageError, match="no usable price"):
            logger.log_stock_update("A.NS", float("nan"), 1, 0, 0, None)
        assert logger.get_stats()["records_logged"] == 0


def test_without_a_network_there_is_a_failed_poll_and_no_snapshot(environment):
    fetcher = RealTimeDataFetcher(max_retries=1, yahoo_url=f"http://127.0.0.1:{free_port()}")
    calculator = IntradayAdvDeclCalculator()
    with fetcher, AsyncDataLogger(db_url="sqlite:///x.db") as logger:
        data = fetcher.fetch_realtime_data(SYMBOLS)
        calculator.update_batch(data)
        logger.log_breadth_snapshot(calculator.calculate_breadth(), data)
        assert logger.get_stats()["records_logged"] == 0
    assert rows("sqlite:///x.db", "SELECT outcome FROM pipeline_poll") == [("failed",)]
    assert rows("sqlite:///x.db", "SELECT COUNT(*) FROM intraday_advance_decline") == [(0,)]


def test_hostile_names_and_bad_rows_are_data_and_do_not_stop_the_rest(environment):
    hostile = "'; DROP TABLE intraday_stock_prices; --"
    with AsyncDataLogger(db_url="sqlite:///x.db", universe=hostile) as logger:
        long = "X" * 200 + ".NS"
        details = {
            "\x1b[31m\n.NS": {"ltp": 2, "prev_close": 1},
            long: {"ltp": 2, "prev_close": 1},
            "OK.NS": {"ltp": 2, "prev_close": 1, "volume": 10**30},
        }
        logger.log_breadth_snapshot({"advances": 3, "declines": 0, "unchanged": 0}, details)
        until(lambda: logger.get_stats()["queue_size"] == 0)
    with sqlite3.connect("x.db") as database:
        stored = database.execute("SELECT universe, symbol FROM intraday_stock_prices").fetchall()
        letters = database.execute("SELECT COUNT(*) FROM pipeline_dead_letter").fetchone()[0]
    database.close()
    assert (hostile, "\x1b[31m\n.NS") in stored
    assert len(stored) + letters == 3
    assert letters >= 1


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, pipeline; heavy = {'pandas', 'numpy', 'yfinance', 'mysql', 'sqlite3', 'click', 'platformdirs'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "from pipeline import AsyncDataLogger;"
        "assert not {'pandas', 'numpy', 'yfinance'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_fetcher_returns_details_in_currency_and_the_exchanges_time(environment, yahoo):
    yahoo.set_quote("BAD.NS", None, 100)
    yahoo.set_quote("AAPL", 231.5, 230.0, 5, 1_750_000_000)
    with RealTimeDataFetcher(batch_size=3, yahoo_url=yahoo.url) as fetcher:
        data = fetcher.fetch_realtime_data([*SYMBOLS, "BAD.NS", "GONE.NS", "AAPL", "AAPL"])
    assert set(data) == {*SYMBOLS, "AAPL"}
    assert max(map(len, yahoo.lists)) == 3
    apple = data["AAPL"]
    assert (apple["ltp"], apple["prev_close"], apple["volume"], apple["change"]) == (231.5, 230.0, 5, 1.5)
    assert apple["timestamp"].isoformat() == "2025-06-15T11:06:40-04:00"
    assert data["TCS.NS"]["timestamp"].tzinfo.key == "Asia/Kolkata"


def test_the_fetcher_tries_again_while_nothing_comes_and_then_says_so_once(environment, yahoo, caplog):
    pauses = []
    with RealTimeDataFetcher(max_retries=3, yahoo_url=yahoo.url, sleep=pauses.append) as fetcher:
        yahoo.behave("status", times=2, status=500)
        assert len(fetcher.fetch_realtime_data(SYMBOLS)) == len(SYMBOLS)
        assert len(pauses) <= 1
    pauses.clear()
    nowhere = f"http://127.0.0.1:{free_port()}"
    with RealTimeDataFetcher(max_retries=3, yahoo_url=nowhere, sleep=pauses.append) as fetcher:
        assert fetcher.fetch_realtime_data(SYMBOLS) == {}
        assert fetcher.fetch_realtime_data([]) == {}
        with pytest.raises(UsageError, match=r"not the text 'RELIANCE.NS'"):
            fetcher.fetch_realtime_data("RELIANCE.NS")
    assert len(pauses) == 2
    assert caplog.text.count("0 of 8 symbols fetched") == 1
