"""Damage is found, named, and never passed on; what can be read goes on in a new journal."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import wire
from pipeline.errors import JournalDamagedError, JournalError
from pipeline.journal import Journal, JournalReader, repair
from pipeline.journal import file as files
from tests.unit.journals import STREAM, contents, record

COUNT = 60
PAGE_BYTES = 4096


def filled(directory: Path, *, checkpointed: bool) -> tuple[Journal, str]:
    """An open journal of COUNT records; `checkpointed`: all but the last few are in the main file."""
    journal = Journal.open(directory, STREAM)
    noise = random.Random(7)
    for number in range(COUNT):
        journal.append(record(number, filler=noise.randbytes(400).hex()))
        if checkpointed and number == COUNT - 10:
            journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return journal, journal.journal_id


def as_a_kill_leaves_it(journal: Journal, target: Path) -> Path:
    """A copy of the directory of an open journal: its write-ahead log is still there."""
    shutil.copytree(journal.directory, target)
    return target


def keys(directory: Path) -> list[str]:
    return [each.key for each in contents(directory)]


ALL_KEYS = [record(number).key for number in range(COUNT)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """{checkpointed: directory of a killed, sound journal}"""
    found = {}
    for checkpointed in (False, True):
        base = tmp_path_factory.mktemp("sound")
        journal, _ = filled(base / "live", checkpointed=checkpointed)
        found[checkpointed] = as_a_kill_leaves_it(journal, base / "killed")
        journal.close()
    return found


@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_killed_journal_is_sound_and_goes_on(tmp_path, sound, checkpointed):
    state = shutil.copytree(sound[checkpointed], tmp_path / "state")
    journal = Journal.open(state, STREAM)
    assert journal.findings == ()
    assert journal.append(record(COUNT)) == COUNT + 1
    journal.close()
    assert keys(state) == [*ALL_KEYS, record(COUNT).key]


@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_deleted_write_ahead_log_is_noticed(tmp_path, sound, checkpointed):
    state = shutil.copytree(sound[checkpointed], tmp_path / "state")
    (state / "journal.sqlite3-wal").unlink()
    journal = Journal.open(state, STREAM)
    kept = COUNT - 9 if checkpointed else 0
    assert f"records {kept + 1} to {COUNT} are gone" in journal.findings[0]
    assert (journal.identity.first_seq, journal.last_seq) == (1, kept)
    assert journal.append(record(COUNT - 1)) == kept + 1
    journal.close()
    assert keys(state) == [*ALL_KEYS[:kept], ALL_KEYS[-1]]
    reopened = Journal.open(state, STREAM)
    assert reopened.findings == ()
    reopened.close()


SIDES = ("journal.sqlite3-shm", "journal.sqlite3-wal", "journal.sqlite3")


def test_files_deleted_since_the_last_append_are_noticed_when_the_journal_is_closed(tmp_path):
    for number in range(1, len(SIDES) + 1):
        state = tmp_path / str(number)
        journal, _ = filled(state, checkpointed=True)
        for name in SIDES[-number:]:
            (state / name).unlink()
        journal.close()
        assert "deleted or replaced while it was open" in journal.findings[0]
        assert journal.last_seq == COUNT
        assert keys(state) == ALL_KEYS


@pytest.mark.parametrize("garbage", [b"", b"not a database, by no means\n" * 500])
def test_a_replacement_that_cannot_be_read_is_kept_aside_and_the_journal_that_is_there_is_used(
    tmp_path, sound, garbage
):
    state = shutil.copytree(sound[True], tmp_path / "state")
    (state / repair.NEXT).write_bytes(garbage)
    journal = Journal.open(state, STREAM)
    (aside,) = state.glob("journal-*.damaged-1.sqlite3")
    assert aside.read_bytes() == garbage
    (finding,) = journal.findings
    assert repair.NEXT in finding
    assert aside.name in finding
    assert journal.append(record(COUNT)) == COUNT + 1
    journal.close()


def test_files_deleted_under_a_running_writer_cost_no_record(tmp_path):
    for name in SIDES:
        state = tmp_path / name
        journal, old_id = filled(state, checkpointed=True)
        (state / name).unlink()
        assert journal.append(record(COUNT)) == COUNT + 1
        assert journal.journal_id != old_id
        assert "deleted or replaced while it was open" in journal.findings[0]
        journal.close()
        assert keys(state) == [*ALL_KEYS, record(COUNT).key]


def test_an_older_copy_put_back_is_noticed(tmp_path):
    journal, first_id = filled(tmp_path / "state", checkpointed=True)
    older = as_a_kill_leaves_it(journal, tmp_path / "older")
    journal.append(record(COUNT))
    journal.close()
    for name in ("journal.sqlite3", "journal.sqlite3-wal"):
        shutil.copy(older / name, tmp_path / "state" / name)
    journal = Journal.open(tmp_path / "state", STREAM)
    assert f"records {COUNT + 1} to {COUNT + 1} are gone" in journal.findings[0]
    assert journal.journal_id != first_id
    second_id = journal.journal_id
    journal.close()
    for name in ("journal.sqlite3", "journal.sqlite3-wal"):  # now one from before the rotation
        shutil.copy(older / name, tmp_path / "state" / name)
    journal = Journal.open(tmp_path / "state", STREAM)
    assert f"not the journal that was written last ({second_id})" in journal.findings[0]
    journal.close()
    assert keys(tmp_path / "state") == ALL_KEYS


def test_a_deleted_journal_and_a_deleted_mark_are_said(tmp_path, sound):
    state = shutil.copytree(sound[True], tmp_path / "state")
    (state / "journal.mark").unlink()
    journal = Journal.open(state, STREAM)
    assert "journal.mark is missing" in journal.findings[0]
    assert journal.last_seq == COUNT
    journal.close()
    (state / "journal.sqlite3").unlink()
    journal = Journal.open(state, STREAM)
    assert f"is gone with its {COUNT} records" in journal.findings[0]
    assert journal.append(record(0)) == 1
    journal.close()


@pytest.mark.parametrize("garbage", [b"", b"not a database, by no means\n" * 500])
def test_garbage_is_kept_aside_and_replaced(tmp_path, sound, garbage):
    state = shutil.copytree(sound[True], tmp_path / "state")
    (state / "journal.sqlite3").write_bytes(garbage)
    journal = Journal.open(state, STREAM)
    assert len(journal.findings) == 1
    (aside,) = state.glob("journal-*.damaged-1.sqlite3")
    assert aside.name in journal.findings[0]
    assert aside.read_bytes() == garbage
    found = keys(state)  # what the write-ahead log alone still gives, if anything
    assert set(found) < set(ALL_KEYS)
    assert journal.append(record(COUNT)) == len(found) + 1
    journal.close()


def _truncate(path: Path, noise: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: noise.randrange(len(data))])


def _flip(path: Path, noise: random.Random) -> None:
    data = bytearray(path.read_bytes())
    start = noise.randrange(len(data))
    for place in range(start, min(start + noise.choice((1, 1, 30, 5000)), len(data))):
        data[place] ^= noise.randrange(1, 256)
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [_truncate, _flip])
@pytest.mark.parametrize("name", ["journal.sqlite3", "journal.sqlite3-wal"])
def test_whatever_is_torn_no_loss_is_silent_and_no_wrong_byte_is_passed_on(tmp_path, sound, harm, name):
    originals = {each.key: each for each in contents(shutil.copytree(sound[True], tmp_path / "original"))}
    noise = random.Random(f"{harm.__name__} {name}")
    carried = 0
    for trial in range(15):
        state = shutil.copytree(sound[True], tmp_path / f"state{trial}")
        harm(state / name, noise)
        journal = Journal.open(state, STREAM)
        found = contents(state)
        assert all(originals[each.key] == each for each in found)
        assert len(found) == COUNT or journal.findings, f"trial {trial} lost records in silence"
        assert [ALL_KEYS.index(each.key) for each in found] == sorted(ALL_KEYS.index(each.key) for each in found)
        assert journal.append(record(COUNT)) == len(found) + 1
        carried += len(found)
        journal.close()
    assert carried > COUNT  # the readable part is used, not thrown away


def test_records_behind_a_destroyed_page_are_carried_over_too(tmp_path, sound):
    state = shutil.copytree(sound[True], tmp_path / "state")
    connection = files.connect(state / "journal.sqlite3", readonly=False)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = connection.execute(
        "SELECT pageno FROM dbstat WHERE name = 'record' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 3"
    ).fetchone()
    connection.close()
    with (state / "journal.sqlite3").open("r+b") as handle:
        handle.seek((page - 1) * PAGE_BYTES)
        handle.write(b"\xff" * PAGE_BYTES)
    journal = Journal.open(state, STREAM)
    assert len(journal.findings) == 1
    journal.close()
    found = keys(state)
    assert found[:2] == ALL_KEYS[:2]
    assert found[-20:] == ALL_KEYS[-20:]
    assert COUNT - 15 < len(found) < COUNT


def test_damage_that_a_reader_finds_under_a_running_writer_ends_with_its_rotation(tmp_path):
    journal, old_id = filled(tmp_path, checkpointed=True)
    journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    harm = (
        "import sys; h = open(sys.argv[1], 'r+b'); data = h.read(); place = data.index(bytes.fromhex(sys.argv[2])); "
        "h.seek(place); h.write(b'damage')"
    )
    (payload,) = journal._connection.execute("SELECT payload FROM record WHERE seq = 20").fetchone()
    subprocess.run([sys.executable, "-c", harm, str(journal.path), payload[:300].hex()], check=True)
    reader = JournalReader(tmp_path)
    with pytest.raises(JournalDamagedError):
        list(reader.entries())
    journal.rotate("a writer found it damaged")
    assert journal.journal_id != old_id
    found = [wire.decode(entry.payload).key for entry in reader.entries()]
    assert set(ALL_KEYS) - set(found) <= {ALL_KEYS[19]}
    assert journal.append(record(COUNT)) == len(found) + 1
    reader.close()
    journal.close()


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("step", range(6))
def test_a_replacement_that_a_crash_interrupts_is_finished_by_the_next_open(tmp_path, sound, step, monkeypatch):
    state = shutil.copytree(sound[True], tmp_path / "state")
    (state / "journal.sqlite3-wal").unlink()
    steps = iter(range(100))

    def crashing(method):
        def call(*arguments, **named):
            if next(steps) == step:
                raise Interrupted
            return method(*arguments, **named)

        return call

    with monkeypatch.context() as patched:
        for owner, name in ((Path, "replace"), (Path, "unlink"), (repair.Mark, "write"), (files, "sync_directory")):
            patched.setattr(owner, name, crashing(getattr(owner, name)))
        with pytest.raises((Interrupted, JournalError)):
            Journal.open(state, STREAM)
    journal = Journal.open(state, STREAM)
    assert journal.append(record(COUNT)) == COUNT - 8
    assert journal.findings
    journal.close()
    assert keys(state) == [*ALL_KEYS[: COUNT - 9], record(COUNT).key]
    assert len(list(state.glob("journal-*.damaged-*.sqlite3"))) == 1
    assert not list(state.glob("journal.next*")) + list(state.glob("journal.building*"))
