"""Live sessions on the real clock: the unmodified yfinance against the loopback Yahoo, on a calendar file."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.dburl import DatabaseUrl
from pipeline.sinks import open_database
from tests import program
from tests.loopback_yahoo import LoopbackYahoo

IST = ZoneInfo("Asia/Kolkata")
SYMBOLS = ("RELIANCE.NS", "TCS.NS", "M&M.NS", "INFY.NS")


@pytest.fixture
def yahoo():
    with LoopbackYahoo() as server:
        for number, symbol in enumerate(SYMBOLS):
            server.set_quote(symbol, 100.05 + number, 101.05, volume=1000 * (number + 1), trade_time=int(time.time()))
        server.set_quote("^NSEI", 24000.5, 23900.25, trade_time=int(time.time()))
        yield server


@pytest.fixture
def home(tmp_path) -> Path:
    (tmp_path / "four.csv").write_text("symbol,name,sector\nRELIANCE,R,Energy\nTCS,T,IT\nM&M,M,Auto\nINFY,I,IT\n")
    return tmp_path


def arguments(home: Path, yahoo: LoopbackYahoo, *more: str) -> list[str]:
    state = str(home / "state")
    run = ["run", "--universe", "four.csv", "--calendar", "NSE", "--index", "^NSEI", "--state-dir", state]
    return [*run, "--yahoo-url", yahoo.url, *more]


def calendar(home: Path, opens: datetime, minutes: int = 1) -> str:
    """A calendar file with one session today; HH:MM is all it takes, so sessions begin on whole minutes."""
    opens = opens.astimezone(IST)
    closes = opens + timedelta(minutes=minutes)
    if closes.date() != opens.date():
        pytest.skip("the exchange's midnight is too near for a session of today")
    file = home / "calendar.csv"
    file.write_text(f"date,open,close,kind\n{opens:%Y-%m-%d},{opens:%H:%M},{closes:%H:%M},special\n")
    return str(file)


def query(home: Path, sql: str) -> list[tuple]:
    database = open_database(DatabaseUrl.parse(f"sqlite:///{home}/state/breadth.db"), readonly=True)
    try:
        return database.query(sql)
    finally:
        database.close()


def test_a_session_is_polled_to_its_close_and_the_run_ends(home, yahoo):
    now = datetime.now(IST)
    opens = now.replace(second=0, microsecond=0)
    if now.second > 45:  # too late to see a poll before the close of this minute's session
        opens += timedelta(minutes=1)
    for number, symbol in enumerate(SYMBOLS):
        trade_time = int(opens.timestamp()) + 1
        yahoo.set_quote(symbol, 100.05 + number, 101.05, volume=1000 * (number + 1), trade_time=trade_time)
    done = program.run(home, *arguments(home, yahoo, "--interval", "20s", "--calendar-file", calendar(home, opens)))
    assert done.returncode == 0, done.stderr
    polls = query(home, "SELECT poll_time, outcome FROM pipeline_poll ORDER BY poll_time")
    expected = [f"{opens + timedelta(seconds=20 * n):%Y-%m-%d %H:%M:%S}" for n in range(4)]
    assert [text for text, _ in polls] == expected
    started = next(n for n, (_, outcome) in enumerate(polls) if outcome == "taken")
    assert [outcome for _, outcome in polls] == ["skipped"] * started + ["taken"] * (4 - started)
    rows = query(home, "SELECT advances, declines, unchanged, index_ltp, source FROM intraday_advance_decline")
    assert set(rows) == {(2, 1, 1, 24000.5, "yahoo")}
    sessions = query(home, "SELECT universe, timezone, session_open, session_close, interval_s FROM pipeline_session")
    assert sessions == [("four", "Asia/Kolkata", expected[0], expected[-1], 20)]


def test_an_index_without_a_quote_is_told_once_and_one_in_another_currency_is_stored(home, yahoo):
    yahoo.set_quote("^FTSE", 9700.5, 9600.0, trade_time=int(time.time()), currency="GBP")
    polled = ["--any-time", "--interval", "1s", "--polls", "2"]
    done = program.run(home, *arguments(home, yahoo, *polled, "--index", "^ftse"))
    assert done.returncode == 0, done.stderr
    assert "has no quote" not in done.stderr
    assert set(query(home, "SELECT index_symbol, index_ltp FROM intraday_advance_decline")) == {("^FTSE", 9700.5)}
    done = program.run(home, *arguments(home, yahoo, *polled, "--index", "^NOPE", "--state-dir", str(home / "other")))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("index ^NOPE has no quote") == 1


def test_a_closed_market_ends_at_once_and_says_when_it_opens(home, yahoo):
    (home / "calendar.csv").write_text(f"date,open,close,kind\n{datetime.now(IST):%Y-%m-%d},,,holiday\n")
    done = program.run(home, *arguments(home, yahoo, "--calendar-file", "calendar.csv", "--wait", "1s"))
    assert done.returncode == 0, done.stderr
    assert "NSE is closed; the next session opens" in done.stdout


def test_sigterm_drains_and_a_second_start_says_who_runs(home, yahoo):
    run = arguments(home, yahoo, "--any-time", "--interval", "1s")
    with program.Running(home, *run) as running:
        program.until(lambda: (program.status_of(home / "state").get("poll") or {}).get("number", 0) >= 3, "poll 3")
        second = program.run(home, *run)
        assert second.returncode == 75
        assert str(running.process.pid) in second.stderr
        assert program.run(home, "status", "--state-dir", str(home / "state")).returncode == 0
        running.terminate()
        assert running.wait() == 0, running.text
    last = program.status_of(home / "state")
    assert last["state"] == "stopped"
    stored = query(home, "SELECT count(*) FROM pipeline_poll")[0][0]
    assert stored >= 3
    assert last["databases"][0]["ahead"] == 0
    assert program.run(home, "status", "--state-dir", str(home / "state")).returncode == 3


def test_no_network_is_a_failed_poll_with_its_reason_and_exit_69(home, yahoo):
    yahoo.close()
    done = program.run(home, *arguments(home, yahoo, "--any-time", "--once", "--drain", "10s"))
    assert done.returncode == 69
    assert "Traceback" not in done.stderr
    ((outcome, reason),) = query(home, "SELECT outcome, reason FROM pipeline_poll")
    assert outcome == "failed"
    assert reason
    assert query(home, "SELECT count(*) FROM intraday_advance_decline") == [(0,)]


def test_a_restarted_fetcher_keeps_the_previous_close_and_never_polls_a_point_twice(home, yahoo):
    run = arguments(home, yahoo, "--any-time", "--interval", "1s", "--polls", "15")
    state = home / "state"
    with program.Running(home, *run) as running:
        program.until(lambda: (program.status_of(state).get("poll") or {}).get("number", 0) >= 2, "poll 2")
        for symbol in SYMBOLS:
            yahoo.set_quote(symbol, 100.05, 55.0, trade_time=int(time.time()))
        os.kill(program.pids(state)["fetcher"], signal.SIGKILL)
        assert running.wait() == 0, running.text
    polls = query(home, "SELECT poll_time FROM pipeline_poll")
    assert len(polls) == len(set(polls)) == 15
    assert set(query(home, "SELECT DISTINCT prev_close FROM intraday_stock_prices")) == {(101.05,)}


def test_a_restart_without_stock_rows_keeps_the_previous_close_too(home, yahoo):
    run = arguments(home, yahoo, "--any-time", "--no-stocks", "--polls", "2", "--interval", "1s")
    assert program.run(home, *run).returncode == 0
    for number, symbol in enumerate(SYMBOLS):
        yahoo.set_quote(symbol, 100.05 + number, 55.0, trade_time=int(time.time()))
    time.sleep(1)
    assert program.run(home, *run).returncode == 0
    polls = program.status_of(home / "state")["polls"]
    assert (polls["taken"], polls["planned"]) == (4, 4)
    counts = query(home, "SELECT advances, declines, unchanged FROM intraday_advance_decline")
    assert counts == [(2, 1, 1)] * 4


def test_a_day_without_a_single_trade_has_null_ratios_and_no_label(home, yahoo):
    for symbol in SYMBOLS:
        yahoo.set_quote(symbol, 100.05, 101.05, volume=0, trade_time=int(time.time()) - 5 * 86400)
    done = program.run(home, *arguments(home, yahoo, "--any-time", "--once"))
    assert done.returncode == 0, done.stderr
    rows = query(home, "SELECT total_stocks, not_traded, adv_pct, trin, market_sentiment FROM intraday_advance_decline")
    assert rows == [(0, 4, None, None, None)]
