"""The journal's promises while nothing is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import AlreadyRunningError, ConfigError, JournalDamagedError, JournalError
from pipeline.journal import Journal, JournalReader
from pipeline.lock import InstanceLock, state_directory
from tests.unit.journals import DAY, STREAM, contents, record


def test_numbers_run_from_one_without_gaps_and_a_key_keeps_its_number(tmp_path):
    journal = Journal.open(tmp_path, STREAM)
    assert [journal.append(record(number)) for number in (5, 6, 5, 7, 6)] == [1, 2, 1, 3, 2]
    journal.close()
    journal = Journal.open(tmp_path, STREAM)
    assert journal.findings == ()
    assert [journal.append(record(number)) for number in (7, 8)] == [3, 4]
    journal.close()
    assert contents(tmp_path) == [record(number) for number in (5, 6, 7, 8)]


def test_keys_for_tells_days_and_sources_apart(tmp_path):
    journal = Journal.open(tmp_path, STREAM)
    for each in (record(1), record(2), record(1, day="2026-11-27"), record(3, source="recording:x")):
        journal.append(each)
    assert journal.keys_for("nifty50", DAY, "yahoo") == {record(1).key, record(2).key}
    assert journal.keys_for("nifty", DAY, "yahoo") == set()
    journal.close()


def test_a_reader_in_pace_with_the_writer_sees_each_record_once(tmp_path):
    journal = Journal.open(tmp_path, STREAM)
    reader = JournalReader(tmp_path)
    seen = []
    for number in range(60):
        journal.append(record(number))
        if number % 7 == 0:
            seen += reader.read(len(seen), max_records=5)
    while batch := reader.read(len(seen), max_records=5):
        seen += batch
    assert [entry.seq for entry in seen] == list(range(1, 61))
    assert reader.digest_at(0) == b""
    assert reader.digest_at(60) == seen[-1].digest
    assert reader.digest_at(61) is None
    assert reader.entry(17) == seen[16]
    assert reader.entry(61) is None
    reader.close()
    journal.close()


def test_a_read_is_bounded_by_bytes_but_always_moves_on(tmp_path):
    journal = Journal.open(tmp_path, STREAM)
    for number in range(5):
        journal.append(record(number, filler=os.urandom(2000).hex()))
    reader = JournalReader(tmp_path)
    assert [entry.seq for entry in reader.read(0, max_bytes=1)] == [1]
    size = len(reader.read(0)[0].payload)
    assert [entry.seq for entry in reader.read(1, max_bytes=3 * size)] in ([2, 3], [2, 3, 4])
    reader.close()
    journal.close()


def test_an_open_read_never_delays_an_append_or_its_checkpoint(tmp_path):
    journal = Journal.open(tmp_path, STREAM)
    filler = os.urandom(300_000).hex()
    journal.append(record(0, filler=filler))
    reader = JournalReader(tmp_path)
    held = reader._current()
    held.execute("BEGIN")
    held.execute("SELECT count(*) FROM record").fetchone()
    for number in range(1, 40):  # several checkpoints' worth
        journal.append(record(number, filler=filler))
    assert held.execute("SELECT count(*) FROM record").fetchone() == (1,)
    held.execute("COMMIT")
    assert reader.identity().last_seq == 40
    reader.close()
    journal.close()


def test_the_write_ahead_log_stays_small_whatever_the_records_and_the_readers(tmp_path, monkeypatch):
    limit = 128 * 1024
    monkeypatch.setattr("pipeline.journal.file.LOG_BYTES", limit, raising=False)
    log = tmp_path / "journal.sqlite3-wal"
    journal = Journal.open(tmp_path, STREAM)
    reader = JournalReader(tmp_path)
    for number in range(100):
        journal.append(record(number))
        assert log.stat().st_size < 2 * limit
    held = reader._current()
    held.execute("BEGIN")
    held.execute("SELECT count(*) FROM record").fetchone()
    for number in range(100, 200):
        journal.append(record(number))
    held.execute("COMMIT")
    for number in range(200, 210):
        journal.append(record(number))
    assert log.stat().st_size <= limit, "what a long read made grow is cut when it has ended"
    journal.close()
    assert log.stat().st_size == 0, "nor does a reader that is merely connected keep it"
    assert reader.identity().last_seq == 210
    reader.close()
    assert len(contents(tmp_path)) == 210


def test_rotation_begins_a_new_journal_with_the_records_of_the_old(tmp_path):
    journal = Journal.open(tmp_path, STREAM)
    for number in range(20):
        journal.append(record(number))
    reader = JournalReader(tmp_path)
    old = reader.identity()
    journal.rotate("a database is ahead of it")
    assert journal.append(record(20)) == 21
    new = reader.identity()
    assert new.journal_id == journal.journal_id != old.journal_id
    assert (new.first_seq, new.last_seq) == (1, 21)
    with pytest.raises(JournalError, match="was replaced"):
        reader.read(5, journal_id=old.journal_id)
    assert "a database is ahead of it" in journal.findings[-1]
    assert (tmp_path / f"journal-{old.journal_id}.damaged-1.sqlite3").exists()
    reader.close()
    journal.close()
    assert contents(tmp_path) == [record(number) for number in range(21)]


def test_pruning_keeps_the_young_the_unstored_and_the_last_day(tmp_path):
    now = datetime(2026, 11, 1, tzinfo=UTC)
    journal = Journal.open(tmp_path, STREAM, clock=lambda: now)
    for number in range(10):
        journal.append(record(number, day=f"{now:%Y-%m-%d}" if number < 8 else "2026-11-09"))
        now += timedelta(days=1)
    reader = JournalReader(tmp_path)
    tail = reader.read(5)
    digest = reader.digest_at(5)
    assert journal.prune(3, timedelta(days=2)) == 3
    assert journal.prune(10, timedelta(days=5)) == 2
    assert reader.identity().first_seq == 6
    assert reader.digest_at(5) == digest
    assert reader.digest_at(4) is None
    assert reader.read(0) == reader.read(5) == tail
    assert journal.prune(10, timedelta(0)) == 3
    journal.compact()
    journal.close()
    journal = Journal.open(tmp_path, STREAM)
    assert journal.findings == ()
    assert reader.identity().first_seq == 9
    assert journal.keys_for("nifty50", "2026-11-09", "yahoo") == {record(n, day="2026-11-09").key for n in (8, 9)}
    assert journal.append(record(10)) == 11
    journal.close()
    reader.close()


def test_a_journal_of_another_stream_or_a_newer_release_is_refused(tmp_path):
    journal = Journal.open(tmp_path, STREAM)
    journal.append(record(1))
    journal.close()
    with pytest.raises(ConfigError, match=r"is of stream nifty50:yahoo, not sp500"):
        Journal.open(tmp_path, "sp500")
    journal = Journal.open(tmp_path, STREAM)
    journal._connection.execute("UPDATE meta SET value = '99' WHERE name = 'format'")
    journal.close()
    with pytest.raises(ConfigError, match="format 99"):
        Journal.open(tmp_path, STREAM)


@pytest.mark.parametrize("name", ["journal.sqlite3", "journal.sqlite3-wal", "journal.mark", "journal.lock"])
def test_a_symbolic_link_is_refused_and_its_target_untouched(tmp_path, name):
    target = tmp_path / "target"
    target.write_text("precious")
    state = tmp_path / "state"
    state.mkdir()
    (state / name).symlink_to(target)
    with pytest.raises(ConfigError, match="symbolic link"):
        Journal.open(state, STREAM)
    assert target.read_text() == "precious"


def test_files_are_private(tmp_path):
    state = tmp_path / "state"
    before = os.umask(0)
    try:
        journal = Journal.open(state, STREAM)
        journal.append(record(1))
        modes = {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()}
        journal.close()
    finally:
        os.umask(before)
    assert state.stat().st_mode & 0o777 == 0o700
    assert set(modes.values()) == {0o600}
    assert "journal.sqlite3-wal" in modes


def test_a_missing_journal_is_named_to_its_readers(tmp_path):
    with pytest.raises(JournalError, match=r"journal\.sqlite3 is not there"):
        JournalReader(tmp_path).identity()


def test_a_reader_never_hands_out_a_record_that_is_not_what_was_written(tmp_path):
    journal = Journal.open(tmp_path, STREAM)
    for number in range(3):
        journal.append(record(number))
    journal._connection.execute("UPDATE record SET payload = CAST(payload || x'00' AS BLOB) WHERE seq = 2")
    reader = JournalReader(tmp_path)
    with pytest.raises(JournalDamagedError, match="record 2"):
        reader.read(0)
    reader.close()
    journal.close()


HOLDER = """
import sys
from pathlib import Path
from pipeline.journal import Journal
from pipeline.lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]) / "lock")
journal = Journal.open(Path(sys.argv[1]), "nifty50:yahoo")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_told_who_is_first_and_a_dead_one_holds_nothing(tmp_path):
    state = state_directory(tmp_path / "state")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(JournalError, match=f"process {holder.pid}, started 20"):
            Journal.open(state, STREAM, wait_s=0.2)
        with pytest.raises(AlreadyRunningError, match=f"process {holder.pid}, started 20") as caught:
            InstanceLock(state / "lock")
        assert caught.value.exit_code == 75

        def kill(_seconds: float) -> None:
            holder.kill()

        journal = Journal.open(state, STREAM, wait_s=30, sleep=kill)  # waits, and goes on when the holder is gone
    InstanceLock(state / "lock").close()
    assert journal.append(record(1)) == 1
    journal.close()


def test_a_state_directory_that_cannot_be_ours_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="choose another with --state-dir"):
        state_directory(tmp_path / "file")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    assert state_directory(shared).stat().st_mode & 0o777 == 0o700
    shared.chmod(0o777)
    (shared / "somebody's").write_text("")
    with pytest.raises(ConfigError, match="writable by others"):
        state_directory(shared)
    if os.geteuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        os.chown(foreign, 12345, 12345)
        with pytest.raises(ConfigError, match="belongs to user 12345"):
            state_directory(foreign)
