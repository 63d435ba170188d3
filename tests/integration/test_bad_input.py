"""Bad input at the command line: one clear line that names the thing and the value, and the documented exit code."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests import program

LONG = "A" * 200


@pytest.fixture
def home(tmp_path) -> Path:
    (tmp_path / "empty.csv").write_text("symbol\n")
    (tmp_path / "nocolumn.csv").write_text("name,sector\nA,B\n")
    (tmp_path / "long.csv").write_text(f"symbol\nTCS.NS\n{LONG}\n")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00symbol")
    (tmp_path / "bad.toml").write_text("interval = \n")
    (tmp_path / "calendar.csv").write_text("date,open,close,kind\n2026-13-01,,,holiday\n")
    (tmp_path / "bars.prev_close.csv").write_text("symbol,prev_close\nTCS,100\n")
    (tmp_path / "bars.csv").write_text("symbol,timestamp,open,high,low,volume\nTCS,2026-06-18T09:15:00+05:30,1,1,1,1\n")
    (tmp_path / "token").write_text("x")
    return tmp_path


CASES = [
    (["run", "--universe", "nifty51"], 2, "nifty51"),
    (["run", "--universe", "missing.csv"], 2, "missing.csv"),
    (["run", "--universe", "empty.csv"], 2, "empty.csv"),
    (["run", "--universe", "nocolumn.csv"], 2, "nocolumn.csv"),
    (["run", "--universe", "long.csv"], 2, "line 3"),
    (["run", "--universe", "binary.csv"], 2, "binary.csv"),
    (["run", "--universe", "a;b.csv"], 2, "a;b"),
    (["run", "--config", "bad.toml"], 2, "bad.toml"),
    (["run", "--config", "none.toml"], 2, "none.toml"),
    (["run", "--interval", "5x"], 2, "5x"),
    (["run", "--speed", "4"], 2, "--speed"),
    (["run", "--db", "postgres://h/d"], 2, "postgres"),
    (["run", "--db", "sqlite:///a.db", "--db", "sqlite:///a.db"], 2, "a.db"),
    (["run", "--calendar-file", "calendar.csv"], 78, "2026-13-01"),
    (["run", "--source", "reuters"], 2, "reuters"),
    (["run", "--index", "A,B"], 2, "A,B"),
    (["run", "--keep", "999999999d"], 2, "--keep"),
    (["run", "--any-time", "--yahoo-url", "http://localhost:abc"], 78, "http://localhost:abc"),
    (["run", "--source", "recording:bars.csv"], 2, "close"),
    (["run", "--dashboard", "0.0.0.0:8321"], 78, "--token-file"),
    (["run", "--dashboard", "0.0.0.0:8321", "--token-file", "token"], 78, "token"),
    (["run", "--nonsense"], 2, "--nonsense"),
    (["runn"], 2, "runn"),
    (["show"], 1, "breadth.db"),
    (["history", "--date", "yesterday"], 2, "yesterday"),
    (["verify", "--date", "2026-99-99"], 2, "2026-99-99"),
    (["universe", "show", "nifty51"], 2, "nifty51"),
]


@pytest.mark.parametrize(("arguments", "code", "named"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_a_mistake_is_one_line_with_its_exit_code(home, arguments, code, named):
    done = program.run(home, *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if " INFO " not in line and " WARNING " not in line]
    told = [line for line in lines if line.startswith(("breadth-pipeline:", "Error:"))]
    assert len(told) == 1, done.stderr
    assert named in told[0]


def test_a_state_directory_that_is_a_file_or_foreign_is_refused(home):
    (home / "state").write_text("")
    done = program.run(home, "run", "--state-dir", "state")
    assert done.returncode == 78
    assert "state" in done.stderr
    assert "--state-dir" in done.stderr


def test_a_dotenv_that_others_can_read_is_refused_before_anything_starts(home):
    (home / ".env").write_text("MYSQL_PASSWORD=hush\n")
    (home / ".env").chmod(0o640)
    done = program.run(home, "run")
    assert done.returncode == 78
    assert "chmod 600" in done.stderr
    assert "hush" not in done.stderr


@pytest.mark.mysql
def test_a_wrong_password_ends_a_run_before_its_first_poll_and_shows_no_password(home, mariadb, mariadb_database):
    url = f"mysql://nobody@{mariadb.host}:{mariadb.port}/{mariadb_database}"
    done = program.run(
        home, "run", "--any-time", "--db", url, "--state-dir", "s", "--drain", "3s", MYSQL_PASSWORD="wr0ngpass"
    )
    assert done.returncode == 78, done.stderr
    assert "nobody" in done.stderr
    assert "wr0ngpass" not in done.stderr + done.stdout + (home / "s" / "status.json").read_text()


def test_an_unreachable_database_stops_nothing_and_its_records_wait(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"mysql://u@127.0.0.1:{taken.getsockname()[1]}/d"
        run = ["run", "--source", "recording:in_nifty50_5m_2026-06-18", "--speed", "max", "--state-dir", "s"]
        done = program.run(home, *run, "--db", url, "--db", "sqlite:///a.db", "--drain", "4s", MYSQL_PASSWORD="secret")
    assert done.returncode == 69, done.stderr
    assert done.stderr.count("Can't connect") == 1
    assert "the next start writes them" in done.stderr
    status = program.status_of(home / "s")
    assert [row["ahead"] for row in status["databases"]] == [76, 0]
    info = program.run(home, "journal", "info", "--state-dir", "s")
    assert info.returncode == 0, info.stderr
    assert "76" in info.stdout


def test_a_source_that_cannot_be_opened_leaves_the_state_directory_to_the_corrected_command(home):
    run = ["run", "--speed", "max", "--polls", "1", "--state-dir", "s", "--source"]
    assert program.run(home, *run, "recording:bars.csv").returncode == 2
    done = program.run(home, *run, "recording:in_nifty50_5m_2026-06-18")
    assert done.returncode == 0, done.stderr


def test_a_database_file_that_cannot_be_made_is_said_in_one_line(home):
    done = program.run(
        home, "run", "--any-time", "--db", "sqlite:///empty.csv/a.db", "--state-dir", "s", "--drain", "2s"
    )
    assert done.returncode == 78, done.stderr
    assert "empty.csv/a.db" in done.stderr
    assert "Traceback" not in done.stderr
