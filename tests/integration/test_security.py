"""Security of a whole run: secrets, modes, links, core files, hostile names. (Grants and TLS: tests/contract.)"""

from __future__ import annotations

import ast
import csv
import os
import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

import pipeline
from pipeline.dburl import DatabaseUrl
from pipeline.sinks import open_database
from tests import program
from tests.loopback_yahoo import LoopbackYahoo

SECRET = "s3cr3t-pa55"
HOSTILE = ("A'; DROP TABLE PIPELINE_POLL; --", "../../ETC/PASSWD", "<IMG SRC=X ONERROR=ALERT(1)>", 'ROBERT"); --')
ESCAPES = "Evil \x1b[2J\x1b]0;owned\x07 Ltd"


@pytest.fixture
def yahoo():
    with LoopbackYahoo() as server:
        yield server


@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_password_is_in_no_argument_no_file_no_log_and_no_child_dumps_core(tmp_path, yahoo, place):
    state = tmp_path / "state"
    url = "mysql://writer@127.0.0.1:1/market"
    given = {"MYSQL_PASSWORD": SECRET} if place == "environment" else {}
    if not given:
        (tmp_path / ".env").write_text(f"MYSQL_PASSWORD={SECRET}\n")
        (tmp_path / ".env").chmod(0o600)
    run = ["run", "--any-time", "--interval", "1s", "--yahoo-url", yahoo.url, "--db", url, "--state-dir", str(state)]
    with program.Running(tmp_path, *run, "--log-level", "debug", "--drain", "2s", **given) as running:
        database = program.until(lambda: (program.status_of(state).get("databases") or [{}])[0].get("message"), "a try")
        assert "127.0.0.1:1" in database
        supervisor = psutil.Process(running.process.pid)
        everyone = [supervisor, *supervisor.children(recursive=True)]
        assert {process.pid for process in everyone} >= set(program.pids(state).values())
        for process in everyone:
            assert SECRET not in " ".join(process.cmdline())
            assert given or SECRET not in Path(f"/proc/{process.pid}/environ").read_text(), "read from a file"
        for pid in program.pids(state).values():
            assert psutil.Process(pid).rlimit(psutil.RLIMIT_CORE) == (0, 0)
        running.terminate()
        running.wait()
        assert SECRET not in running.text
    for file in state.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    shown = program.run(tmp_path, "config", "--db", f"mysql://u:{SECRET}@h/d")
    assert SECRET not in shown.stdout + shown.stderr
    assert "***" in shown.stdout


def test_a_fault_of_the_program_is_logged_without_values(tmp_path, monkeypatch):
    from pipeline.process import _where

    def fails(password: str) -> None:
        raise RuntimeError("broken")

    try:
        fails(SECRET)
    except RuntimeError as error:
        text = _where(error)
    assert SECRET not in text
    assert "broken" in text
    assert "test_security.py" in text


REPLACED, MISSED = ("status.json", ".status.json.new"), (f"history-{datetime.now(UTC):%Y-%m-%d}.jsonl",)
"""A status is put in place of the link, not through it; a history that cannot be written is not missed."""


@pytest.mark.parametrize(
    "name",
    [
        *("lock", "journal.lock", "journal.mark", "journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm"),
        *(*REPLACED, *MISSED),
    ],
)
def test_a_symbolic_link_in_the_state_directory_is_never_followed(tmp_path, name):
    state, target = tmp_path / "state", tmp_path / "target"
    state.mkdir(mode=0o700)
    target.write_text("precious")
    (state / name).symlink_to(target)
    run = ["run", "--source", "recording:in_nifty50_5m_2026-06-18", "--speed", "max", "--polls", "2"]
    done = program.run(tmp_path, *run, "--state-dir", str(state))
    assert "Traceback" not in done.stderr
    assert target.read_text() == "precious"
    if name not in (*REPLACED, *MISSED):
        assert done.returncode == 78, done.stderr
        assert name in done.stderr


def test_nothing_that_is_read_is_ever_code():
    """Only multiprocessing unpickles, what our own processes put on its queues."""
    package = Path(pipeline.__file__).parent
    forbidden = {"pickle", "marshal", "shelve", "dill", "yaml", "jsonpickle"}
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name.partition(".")[0] for alias in node.names}
                names.add((getattr(node, "module", None) or "").partition(".")[0])
                assert not names & forbidden, f"{file}:{node.lineno}"
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                assert called not in ("eval", "exec"), f"{file}:{node.lineno}"
                assert called != "recv" or node.args, f"{file}:{node.lineno}: a connection's recv() unpickles"


def test_hostile_symbols_and_names_are_data_everywhere(tmp_path, yahoo):
    universe = tmp_path / "hostile.csv"
    with universe.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("yahoo_symbol", "name", "sector"))
        rows.writerows((symbol, ESCAPES, symbol) for symbol in HOSTILE)
    for symbol in HOSTILE:
        yahoo.set_quote(symbol, 10.5, 10.0, trade_time=int(time.time()))
    run = ["run", "--universe", str(universe), "--any-time", "--once", "--calendar", "NYSE"]
    done = program.run(tmp_path, *run, "--yahoo-url", yahoo.url, "--state-dir", "state")
    assert done.returncode == 0, done.stderr
    database = open_database(DatabaseUrl.parse(f"sqlite:///{tmp_path}/state/breadth.db"), readonly=True)
    try:
        stored = {symbol for (symbol,) in database.query("SELECT symbol FROM intraday_stock_prices")}
        assert database.query("SELECT count(*) FROM pipeline_poll") == [(1,)]
    finally:
        database.close()
    assert stored == set(HOSTILE)
    for command in ("show", "history", "status"):
        shown = program.run(tmp_path, command, "--universe", str(universe), "--state-dir", "state")
        assert "\x1b" not in shown.stdout + shown.stderr, command


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to own a directory as somebody else")
def test_a_state_directory_of_somebody_else_is_refused(tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, 65534, 65534)
    done = program.run(tmp_path, "run", "--state-dir", str(state))
    assert done.returncode == 78
    assert str(state) in done.stderr


def test_a_universe_name_never_leaves_the_state_directory(tmp_path):
    file = Path(tmp_path / "..csv")
    file.write_text("symbol\nA\n")
    done = program.run(tmp_path, "run", "--universe", str(file), "--any-time", "--once")
    assert done.returncode == 2
