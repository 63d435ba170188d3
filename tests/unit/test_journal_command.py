"""`journal info|check|export|prune` and `verify` at the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from pipeline import schema
from pipeline.cli.journal import journal as journal_command
from pipeline.cli.verify import verify
from pipeline.dburl import DatabaseUrl
from pipeline.errors import EXIT_OUTPUT, AlreadyRunningError, JournalError, UnfinishedError
from pipeline.journal import Journal, JournalReader
from pipeline.lock import InstanceLock
from tests.unit.days import journaled, whole_day
from tests.unit.test_verify import drained

OLD_DAY, DAY = "2025-11-26", "2025-11-27"


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state directory of two old days, stored in its default database."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("BREADTH_", "MYSQL_"))]:
        monkeypatch.delenv(name)
    now = datetime(2025, 11, 26, tzinfo=UTC)
    journal = Journal.open(tmp_path / "state", "nifty50", clock=lambda: now)
    journaled(journal, whole_day(OLD_DAY))
    now += timedelta(days=1)
    journaled(journal, whole_day(DAY))
    journal.close()
    url = DatabaseUrl("sqlite", path=tmp_path / "state" / "breadth.db")
    schema.ensure(url, create=True)
    drained(tmp_path / "state", url)
    return tmp_path / "state"


def ran(command, *arguments):
    return CliRunner().invoke(command, [*arguments])


def test_info_tells_numbers_days_and_sizes(state):
    result = ran(journal_command, "info", "--state-dir", str(state), "--json")
    facts = json.loads(result.output)
    assert (facts["stream"], facts["first_seq"], facts["last_seq"], facts["records"]) == ("nifty50", 1, 16, 16)
    assert facts["days"] == [{"universe": "nifty50", "trade_date": day, "records": 8} for day in (OLD_DAY, DAY)]
    assert facts["bytes"] > 4096
    assert f"{DAY} nifty50: 8 records" in ran(journal_command, "info", "--state-dir", str(state)).output


def test_check_is_quiet_about_a_sound_journal_and_names_damage(state):
    result = ran(journal_command, "check", "--state-dir", str(state))
    assert result.exit_code == 0, result.output
    assert "is sound: 16 records" in result.output
    journal = Journal.open(state, "nifty50")
    journal._connection.execute("UPDATE record SET digest = x'0102' WHERE seq = 9")
    journal.close()
    result = ran(journal_command, "check", "--state-dir", str(state))
    assert result.exit_code == 1
    assert "DAMAGED record 9 is not what was written" in result.output
    (state / "journal.sqlite3").write_bytes(b"")
    assert "is empty" in ran(journal_command, "check", "--state-dir", str(state)).output


def test_check_finds_a_record_filed_under_a_foreign_key(state):
    journal = Journal.open(state, "nifty50")
    journal._connection.execute("UPDATE record SET key = key || 'x' WHERE seq = 9")
    journal.close()
    result = ran(journal_command, "check", "--state-dir", str(state))
    assert result.exit_code == 1
    assert "record 9 is filed under" in result.output


def test_check_notices_records_that_the_mark_knew(state):
    journal = Journal.open(state, "nifty50")
    journal._mark.write(journal.journal_id, 20)
    journal.close()
    result = ran(journal_command, "check", "--state-dir", str(state))
    assert result.exit_code == 1
    assert "records 17 to 20 are gone" in result.output


def test_export_gives_a_line_a_record_and_filters_by_day(state):
    lines = ran(journal_command, "export", "--state-dir", str(state), "--date", DAY).output.splitlines()
    found = [json.loads(line) for line in lines]
    assert [each["seq"] for each in found] == list(range(9, 17))
    assert found[1]["tables"]["pipeline_poll"][0]["poll_time"] == f"{DAY} 09:15:00"
    assert [list(row.values()) for row in found[2]["tables"]["intraday_stock_prices"]] == [
        list(row) for row in whole_day(DAY)[2].tables["intraday_stock_prices"]
    ]
    assert len(ran(journal_command, "export", "--state-dir", str(state)).output.splitlines()) == 16


@pytest.mark.parametrize("empty_first", [False, True])
def test_prune_removes_what_every_database_has_and_nothing_when_one_cannot_tell(state, tmp_path, empty_first):
    other = tmp_path / "other.db"
    files = [other, state / "breadth.db"] if empty_first else [state / "breadth.db", other]
    both = [word for file in files for word in ("--db", f"sqlite:///{file}")]
    result = ran(journal_command, "prune", "--state-dir", str(state), *both)
    assert isinstance(result.exception, UnfinishedError)
    assert "nothing is pruned" in str(result.exception)
    schema.ensure(DatabaseUrl("sqlite", path=other), create=True)
    result = ran(journal_command, "prune", "--state-dir", str(state), *both)
    assert result.output.startswith("0 records removed; 16 kept (every database has those up to 0)")
    result = ran(journal_command, "prune", "--state-dir", str(state), "--keep", "99999d")
    assert result.output.startswith("0 records removed")
    result = ran(journal_command, "prune", "--state-dir", str(state))
    assert result.output.startswith("8 records removed; 8 kept")
    assert JournalReader(state).identity().first_seq == 9


def test_prune_of_a_copied_state_directory_removes_nothing_when_the_databases_have_other_records(state, tmp_path):
    """Both went on from the same records; the database follows the original only."""
    copy = tmp_path / "copy"
    shutil.copytree(state, copy)
    for directory, days in ((state, ["2025-11-28"]), (copy, ["2025-12-01", "2025-12-02"])):
        journal = Journal.open(directory, "nifty50")
        journaled(journal, [record for day in days for record in whole_day(day)])
        journal.close()
    database = f"sqlite:///{state}/breadth.db"
    drained(state, DatabaseUrl("sqlite", path=state / "breadth.db"))
    result = ran(journal_command, "prune", "--state-dir", str(copy), "--db", database, "--keep", "1s")
    assert isinstance(result.exception, UnfinishedError), result.output
    assert "record 24" in str(result.exception)
    assert JournalReader(copy).identity().first_seq == 1
    assert ran(journal_command, "prune", "--state-dir", str(state), "--db", database, "--keep", "1s").exit_code == 0


def test_prune_refuses_beside_a_running_pipeline_and_without_a_journal(state, tmp_path):
    with InstanceLock(state / "lock"):
        result = ran(journal_command, "prune", "--state-dir", str(state))
    assert isinstance(result.exception, AlreadyRunningError)
    result = ran(journal_command, "prune", "--state-dir", str(tmp_path / "nowhere"))
    assert isinstance(result.exception, JournalError)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "command", [("journal", "export"), ("journal", "info", "--json"), ("verify",), ("dead-letter", "list"), ("config",)]
)
def test_an_answer_that_cannot_be_written_is_one_line_and_a_code(state, command):
    words = [sys.executable, "-m", "pipeline", *command, "--state-dir", str(state)]

    def ended(**streams) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, check=False, text=True, timeout=60, **{"stderr": subprocess.PIPE, **streams})

    with open("/dev/full", "w") as full:
        done = ended(stdout=full)
        assert done.returncode == EXIT_OUTPUT
        assert done.stderr == "breadth-pipeline: what there is to say cannot be written: No space left on device\n"
        assert ended(stdout=full, stderr=full).returncode == EXIT_OUTPUT
    reading, writing = os.pipe()
    os.close(reading)
    done = ended(stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_error_that_cannot_be_told_keeps_its_code(state):
    words = [sys.executable, "-m", "pipeline", "journal", "info", "--state-dir"]
    with open("/dev/full", "w") as full:
        for more, code in ((["/nowhere"], 69), (["/nowhere", "--nonsense"], 2)):
            assert subprocess.run([*words, *more], check=False, stderr=full, timeout=60).returncode == code


def test_verify_exits_0_only_when_all_agree(state):
    result = ran(verify, "--state-dir", str(state))
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "all agree"
    url = DatabaseUrl("sqlite", path=state / "breadth.db")
    drop = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('DELETE FROM pipeline_member'); c.commit()"
    subprocess.run([sys.executable, "-c", drop, str(url.path)], check=True)
    result = ran(verify, "--state-dir", str(state), "--date", DAY)
    assert result.exit_code == 1
    assert "MISSING: 6 rows" in result.output
    assert OLD_DAY not in result.output
    report = json.loads(ran(verify, "--state-dir", str(state), "--json").output)
    assert report["agrees"] is False
    assert [day["databases"][0]["counts"] for day in report["days"]] == [{"missing": 6}, {"missing": 6}]
