"""show, history and status as commands, over a recorded day that really ran."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from pipeline.cli.render import chart_lines, history_lines, snapshot_lines
from pipeline.cli.status import judge, status_lines
from pipeline.figures import cells
from pipeline.terminal import Terminal
from tests.mariadb import free_port

PROGRAM = Path(sys.executable).parent / "breadth-pipeline"
NAME = "in_nifty50_5m_2026-06-18"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def command(home, *words, code=0, **environment):
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **environment}
    done = subprocess.run([PROGRAM, *map(str, words)], env=clean, capture_output=True, text=True, cwd=home, timeout=60)
    assert done.returncode == code, done.stderr
    if code in (2, 69, 78):
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("breadth-pipeline: ")
    return done.stdout if not code else done.stdout + done.stderr


@pytest.fixture(scope="module")
def day(home):
    """The state directory of a whole recorded day."""
    state = home / "state"
    command(home, "run", "--source", f"recording:{NAME}.csv.gz", "--speed", "max", "--state-dir", state)
    return state


@pytest.fixture
def rows(day):
    def query(sql):
        connection = sqlite3.connect(day / "breadth.db")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    return query


def test_show_is_the_newest_snapshot_in_eighty_columns(home, day, rows):
    text = command(home, "show", "--state-dir", day)
    assert all(cells(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
    advances, declines, label = rows(
        "SELECT advances, declines, market_sentiment FROM intraday_advance_decline ORDER BY poll_time DESC LIMIT 1"
    )[0]
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert (int(lines["Advances"][1]), int(lines["Declines"][1])) == (advances, declines)
    assert label in text
    assert f"{NAME}   Thu 18 Jun 2026 15:30:00 (Asia/Kolkata)" in text
    for title in ("Sector", "Gainers", "Most"):
        assert title in lines


def test_show_json_and_csv_hold_the_rows_unrounded(home, day, rows):
    found = json.loads(command(home, "show", "--state-dir", day, "--json", "--top", "3", "--universe", NAME))
    stored = rows("SELECT adv_pct, trin FROM intraday_advance_decline ORDER BY poll_time DESC LIMIT 1")[0]
    assert (found["snapshot"]["adv_pct"], found["snapshot"]["trin"]) == stored
    best = rows(
        "SELECT symbol FROM intraday_stock_prices WHERE poll_time LIKE '%15:30:00' ORDER BY change_pct DESC LIMIT 3"
    )
    assert [row["symbol"] for row in found["gainers"]] == [symbol for (symbol,) in best]
    assert len(found["losers"]) == len(found["most_active"]) == 3
    stocks = list(csv.DictReader(io.StringIO(command(home, "show", "--state-dir", day, "--csv", "--table", "stocks"))))
    assert len(stocks) == 47
    assert {row["sector"] for row in stocks} >= {"Information Technology"}


def test_history_lists_every_poll_with_a_chart(home, day, rows):
    text = command(home, "history", "--state-dir", day)
    assert all(cells(line) <= 80 for line in text.splitlines())
    diffs = [diff for (diff,) in rows("SELECT adv_decl_diff FROM intraday_advance_decline ORDER BY poll_time")]
    table = [line for line in text.splitlines() if line[2:3] == ":" and line[5:6] == ":"]
    assert [int(line.split()[7]) for line in table] == diffs
    assert f"{max(map(abs, diffs)):+}" in text
    found = json.loads(command(home, "history", "--state-dir", day, "--json", "--date", "2026-06-18"))
    assert [row["adv_decl_diff"] for row in found["series"]] == diffs
    listed = list(csv.DictReader(io.StringIO(command(home, "history", "--state-dir", day, "--csv", "--last", "7"))))
    assert [int(row["adv_decl_diff"]) for row in listed] == diffs[-7:]
    assert {row["outcome"] for row in listed} == {"taken"}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("show", "--universe", "nope"), 2, f"it holds: {NAME}"),
        (("show", "--date", "18.06.2026"), 2, "use YYYY-MM-DD"),
        (("show", "--date", "2026-06-17"), 1, "days stored: 2026-06-18"),
        (("history", "--date", "2026-06-17"), 1, "days stored: 2026-06-18"),
        (("show", "--json", "--csv"), 2, "not both"),
        (("show", "--db", "sqlite:///nowhere.db"), 1, "no database at"),
        (("history", "--db", "mysql://u:hush@127.0.0.1:{port}/x"), 69, "127.0.0.1"),
    ],
)
def test_a_question_without_an_answer_is_one_line(home, day, words, code, says):
    filled = [word.format(port=free_port()) for word in words]
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    done = subprocess.run([PROGRAM, *filled, "--state-dir", day], env=clean, capture_output=True, text=True, cwd=home)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr


def test_status_is_read_from_the_state_directory(home, day):
    assert "not running" in command(home, "status", "--state-dir", day, code=3)
    found = json.loads(command(home, "status", "--state-dir", day, "--json", code=3))
    assert (found["running"], found["state"]) == (False, "stopped")
    assert {process["role"] for process in found["processes"]} >= {"supervisor", "fetcher"}
    assert "not running" in command(home, "status", "--state-dir", home / "empty", code=3)
    assert json.loads(command(home, "status", "--state-dir", home / "empty", "--json", code=3))["processes"] == []


@pytest.mark.parametrize(
    ("words", "code"), [(("status",), 78), (("show",), 78), (("journal", "check"), 69), (("journal", "prune"), 69)]
)
def test_what_may_not_be_read_is_told_from_what_is_not_there(home, words, code):
    said = command(home, *words, "--state-dir", home / ("x" * 300), code=code)
    assert re.search(r"cannot be (read|used): File name too long\n$", said)


NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)


def running(**changes):
    """The status of a pipeline whose supervisor is this process."""
    started = datetime.fromtimestamp(psutil.Process().create_time(), UTC) + timedelta(seconds=1)
    found = {
        "state": "healthy",
        "pid": os.getpid(),
        "started_at": started.isoformat(),
        "updated_at": NOW.isoformat(),
        "processes": [{"role": "fetcher", "pid": os.getpid(), "state": "running"}],
        "databases": [{"role": "writer:x", "state": "ok"}],
    }
    return {**found, **changes}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (running(), 0),
        (running(updated_at=(NOW - timedelta(minutes=1)).isoformat()), 1),
        (running(state="degraded"), 1),
        (running(databases=[{"role": "writer:x", "state": "retrying"}]), 1),
        (running(processes=[{"role": "fetcher", "pid": None, "state": "restarting"}]), 1),
        (running(pid=2**22 + 1), 3),
        (running(started_at="2001-01-01T00:00:00Z"), 3),
        (running(state="stopped"), 3),
        (running(pid="text"), 3),
        ({}, 3),
        (None, 3),
    ],
)
def test_healthy_degraded_and_gone_are_told_apart(found, code):
    assert judge(found, NOW)[0] == code


@pytest.mark.parametrize(
    ("unstored", "code", "says"),
    [
        (0, 0, ""),
        (1, 1, "1 poll waits in memory, not stored"),
        (3, 1, "3 polls wait in memory, not stored"),
        (3, 3, "3 polls were in memory only and lost"),
    ],
)
def test_polls_that_a_full_disk_keeps_in_memory_are_told(unstored, code, says):
    lines = status_lines(running(unstored=unstored), "", code, NOW, Terminal())
    assert [line for line in lines if "memory" in line] == ([says] if says else [])


@pytest.mark.parametrize("code", [0, 1, 3])
def test_what_has_ended_says_only_what_was_known_last(code):
    found = running(dashboard="http://127.0.0.1:8080/", market={"phase": "open", "calendar": "NSE"})
    text = "\n".join(status_lines(found, "", code, NOW, Terminal()))
    assert ("live page" in text) == (code != 3)
    assert ("last known: market open NSE" in text) == (code == 3)


@pytest.mark.parametrize(
    ("data_time", "says"),
    [
        ("2026-06-18 15:29:58", "newest trade 15:29:58, "),
        ("2026-06-17 15:36:29", "newest trade 2026-06-17 15:36:29, "),
        (None, "no trade time stated, "),
    ],
)
def test_a_trade_of_an_earlier_day_is_told_with_its_date(data_time, says):
    counts = dict.fromkeys(("advances", "declines", "unchanged", "total_stocks", "adv_decl_diff"), 0)
    snapshot = {**counts, "poll_time": "2026-06-18 15:30:00", "data_time": data_time}
    view = {"universe": "u", "session": None, "snapshot": snapshot, "sectors": [], "most_active": []}
    assert snapshot_lines(view, Terminal())[1].startswith(says)


HOSTILE = "\x1b[2J\x07\u202eevil\n<b>"


def test_names_cannot_steer_the_terminal_and_undefined_numbers_are_dashes():
    measures = dict.fromkeys(("adv_pct", "decl_pct", "unch_pct", "adv_decl_ratio", "trin", "coverage"))
    snapshot = {
        **measures,
        **dict.fromkeys(("advances", "declines", "unchanged", "total_stocks", "adv_decl_diff"), 0),
        "poll_time": "2026-06-18 15:30:00",
        "source": HOSTILE * 9,
        "index_symbol": HOSTILE,
        "index_ltp": 24500.5,
        "index_prev_close": None,
        "market_sentiment": None,
    }
    stock = {"symbol": HOSTILE, "name": "日本" * 20, "ltp": 1.5, "change_pct": None, "volume": None}
    view = {
        "universe": HOSTILE,
        "session": {"timezone": "America/New_York"},
        "snapshot": snapshot,
        "sectors": [{**snapshot, "sector": HOSTILE * 5}],
        **{name: [stock] for name in ("gainers", "losers", "most_active")},
    }
    failed = {"poll_time": "2026-06-18 15:35:00", "advances": None, "outcome": "failed", "reason": HOSTILE * 9}
    day = {"universe": HOSTILE, "date": "2026-06-18", "session": None, "series": [snapshot, failed]}
    for line in (*snapshot_lines(view, Terminal()), *history_lines(day, Terminal())):
        assert line.isprintable()
        assert cells(line) <= 80
        assert "nan" not in line


def test_the_chart_keeps_peaks_of_long_days_and_fits_short_ones():
    values = [0] * 1000
    values[500] = -37
    lines = chart_lines(values, ["2026-06-18 09:15:00"] * 1000, Terminal())
    assert sum("█" in line for line in lines) == 4
    assert lines[-2].startswith("    -37 ")
    assert chart_lines([3], ["2026-06-18 09:15:00"], Terminal())[1].startswith("     +3 █")
