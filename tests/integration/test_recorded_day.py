"""The main job end to end: recorded days through supervisor, fetcher, queue and writers into SQLite and MariaDB."""

from __future__ import annotations

import os
import signal
from importlib.resources import files
from pathlib import Path

import pytest

from pipeline.dburl import DatabaseUrl
from pipeline.sinks import open_database
from pipeline.tables import TABLES
from tests import naive, program

RECORDINGS = Path(str(files("pipeline") / "data" / "recordings"))
ABSENT = 0
NAMES = sorted(path.name.removesuffix(".csv.gz") for path in RECORDINGS.glob("*.csv.gz"))


def rows(url: str, table: str) -> list[tuple]:
    """All rows of a table, without created_at, in the order of its key."""
    described = TABLES[table]
    order = ", ".join(described.key)
    database = open_database(DatabaseUrl.parse(url), readonly=True)
    try:
        return database.query(f"SELECT {', '.join(described.column_names)} FROM {table} ORDER BY {order}")
    finally:
        database.close()


def counted(url: str, columns: list[str]) -> list[dict]:
    database = open_database(DatabaseUrl.parse(url), readonly=True)
    try:
        found = database.query(f"SELECT {', '.join(columns)} FROM intraday_advance_decline ORDER BY poll_time")
    finally:
        database.close()
    return [dict(zip(columns, row, strict=True)) for row in found]


@pytest.mark.parametrize("name", NAMES)
def test_stored_counts_equal_a_naive_count_at_every_poll(tmp_path, name):
    url = f"sqlite:///{tmp_path}/day.db"
    done = program.run(
        tmp_path,
        "run",
        "--source",
        f"recording:{name}",
        "--speed",
        "max",
        "--db",
        url,
        "--state-dir",
        str(tmp_path / "s"),
    )
    assert done.returncode == 0, done.stderr
    expected = naive.count_recording(RECORDINGS / f"{name}.csv.gz")
    stored = counted(url, list(expected[0]))
    assert len(stored) == len(expected)
    for ours, theirs in zip(stored, expected, strict=True):
        for column, value in theirs.items():
            if column == "trin" and value is not None:
                assert ours[column] == pytest.approx(value, rel=1e-12)
            else:
                assert ours[column] == value, (theirs["poll_time"], column)


@pytest.mark.mysql
def test_one_run_into_sqlite_and_mariadb_gives_equal_rows_though_both_writers_are_killed(
    tmp_path, mariadb, mariadb_database
):
    state = tmp_path / "state"
    urls = [f"sqlite:///{tmp_path}/day.db", mariadb.url(mariadb_database)]
    arguments = [
        "run",
        "--source",
        "recording:in_nifty500_15m_2023-04-05",
        "--speed",
        "8000",
        "--state-dir",
        str(state),
    ]
    for url in urls:
        arguments += ["--db", url]
    with program.Running(tmp_path, *arguments) as running:
        for number in (5, 12):
            program.until(lambda n=number: _poll_number(state) >= n, f"poll {number}")
            before = program.pids(state)
            for role, pid in before.items():
                if role.startswith("writer"):
                    os.kill(pid, signal.SIGKILL)
            program.until(lambda b=before: _replaced(state, b), "new writers")
            assert program.pids(state)["fetcher"] == before["fetcher"]
        assert running.wait() == 0, running.text
    for table in TABLES:
        sqlite, maria = (rows(url, table) for url in urls)
        assert sqlite == maria, table
        assert sqlite
    assert len(rows(urls[0], "intraday_stock_prices")) == 27 * 499 - ABSENT


def _poll_number(state: Path) -> int:
    return (program.status_of(state).get("poll") or {}).get("number", 0)


def _replaced(state: Path, before: dict[str, int]) -> bool:
    now = program.pids(state)
    writers = [role for role in before if role.startswith("writer")]
    return all(now.get(role, before[role]) != before[role] for role in writers)


def test_a_stopped_recording_goes_on_with_the_first_poll_that_is_not_journaled(tmp_path):
    state = tmp_path / "state"
    arguments = ["run", "--source", "recording:in_nifty50_5m_2026-06-18", "--state-dir", str(state), "--speed"]
    with program.Running(tmp_path, *arguments, "3000") as running:
        program.until(lambda: _poll_number(state) >= 10, "poll 10")
        running.terminate()
        assert running.wait() == 0, running.text
    taken = _poll_number(state)
    assert taken < 75
    done = program.run(tmp_path, *arguments, "max")
    assert done.returncode == 0, done.stderr
    stored = counted(f"sqlite:///{state}/breadth.db", ["poll_time", "advances"])
    assert len(stored) == len({row["poll_time"] for row in stored}) == 75
    again = program.run(tmp_path, *arguments, "max")
    assert again.returncode == 0
    assert "complete" in again.stdout


def test_a_recording_never_overwrites_a_live_day_and_a_live_day_replaces_a_recording(tmp_path):
    url = f"sqlite:///{tmp_path}/day.db"
    recording = ["--source", "recording:in_nifty50_5m_2026-06-18", "--speed", "max", "--db", url]
    universe = tmp_path / "mine.csv"
    universe.write_text("yahoo_symbol\nRELIANCE.NS\nTCS.NS\nABSENT.NS\n")
    indexed = ["--index", "INFY", "--state-dir", str(tmp_path / "a")]
    first = program.run(tmp_path, "run", *recording, "--universe", str(universe), *indexed)
    assert first.returncode == 0, first.stderr
    assert first.stderr.count("ABSENT.NS") == 1, "trouble that stays is told once, not at each of 75 polls"
    assert all(
        row["index_symbol"] == "INFY" and row["index_ltp"] for row in counted(url, ["index_symbol", "index_ltp"])
    )
    assert {row["source"] for row in counted(url, ["source"])} == {"recording:in_nifty50_5m_2026-06-18"}
    database = open_database(DatabaseUrl.parse(url), readonly=False)
    database.execute("UPDATE pipeline_session SET source = 'yahoo'", ())
    database.execute("UPDATE intraday_advance_decline SET source = 'yahoo', advances = 77", ())
    database.close()
    second = program.run(tmp_path, "run", *recording, "--universe", str(universe), "--state-dir", str(tmp_path / "b"))
    assert second.returncode == 0, second.stderr
    assert {row["advances"] for row in counted(url, ["advances"])} == {77}


def test_demo_runs_without_a_terminal_and_ends_with_a_summary(tmp_path):
    done = program.run(tmp_path, "demo", "--speed", "max")
    assert done.returncode == 0, done.stderr
    assert "27 polls planned, 27 taken" in done.stdout
    assert "breadth-pipeline show" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if "/" not in line) <= 80
    live = {"BREADTH_UNIVERSE": "sp500", "BREADTH_STATE_DIR": str(tmp_path / "live"), "MYSQL_DB": "live"}
    again = program.run(tmp_path, "demo", "--speed", "max", **live)
    assert "27 taken" in again.stdout, "the settings of live runs are not the demo's"
    assert not (tmp_path / "live").exists()


def contents(directory: Path) -> dict[str, bytes]:
    """{path: what it holds} of every file below, in the directories of demos and live runs alike."""
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def test_a_demo_removes_nothing_but_what_a_demo_made(tmp_path):
    day = ("--source", "recording:in_nifty50_5m_2026-06-18", "--speed", "max")
    once = (*day, "--polls", "1")
    (tmp_path / "demo.csv").write_text("symbol\nRELIANCE.NS\nTCS.NS\n")
    assert program.run(tmp_path, "run", *once, "--universe", "demo.csv").returncode == 0
    live = tmp_path / ".local" / "state" / "breadth-pipeline" / "demo"
    mine = tmp_path / "mine"
    (mine / "journals").mkdir(parents=True)
    for name in ("journals/2025.txt", "journal-2025.md", "breadth.db", "breadth.db.backup"):
        (mine / name).write_text(name)
    before = contents(live), contents(mine)
    refused = program.run(tmp_path, "demo", *day, "--state-dir", "mine")
    assert refused.returncode == 2
    assert "is not empty" in refused.stderr
    for _ in range(2):  # the second one clears the first one's
        assert program.run(tmp_path, "demo", *day).returncode == 0
    assert (contents(live), contents(mine)) == before
    theirs = tmp_path / "theirs"
    assert program.run(tmp_path, "demo", *day, "--state-dir", "theirs").returncode == 0
    (theirs / "breadth.db.backup").write_text("kept")
    assert program.run(tmp_path, "demo", *day, "--state-dir", "theirs").returncode == 0
    assert (theirs / "breadth.db.backup").read_text() == "kept"
    for file in theirs.glob("journal.*"):
        file.unlink()
    assert program.run(tmp_path, "run", *once, "--universe", "demo.csv", "--state-dir", "theirs").returncode == 0
    taken = program.run(tmp_path, "demo", *day, "--state-dir", "theirs")
    assert taken.returncode == 2
    assert "holds the journal of demo" in taken.stderr
    assert (theirs / "journal.sqlite3").exists()
