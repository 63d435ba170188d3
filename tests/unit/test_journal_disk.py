"""A full disk and a failing one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import date, datetime

import pytest

from pipeline import frozen
from pipeline.api.seconds import Seconds
from pipeline.errors import ConfigError, JournalError, JournalFullError, UnfinishedError
from pipeline.journal import Journal, JournalReader, free_bytes
from pipeline.lock import InstanceLock, open_private
from tests.unit.journals import STREAM, contents, record


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 2 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "breadth-test", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill_up(place):
    """A file that leaves no free byte."""
    with (place / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(b"\0" * 4096):
                pass
        except OSError:
            return place / "ballast"


def use_up_inodes(place):
    """Files so many that no other one can be created."""
    subprocess.run(["mount", "-o", "remount,nr_inodes=60", str(place)], check=True)
    made = []
    try:
        while True:
            (place / f"ballast{len(made)}").touch()
            made.append(place / f"ballast{len(made)}")
    except OSError:
        return made


def test_a_full_disk_stops_appends_with_a_clear_error_and_they_resume(small_disk):
    state = small_disk / "state"
    journal = Journal.open(state, STREAM)
    stored = 0
    with pytest.raises(JournalFullError, match="no room on the disk"):  # noqa: PT012
        while True:
            journal.append(record(stored, filler=os.urandom(20_000).hex()))
            stored += 1
    ballast = fill_up(small_disk)
    assert free_bytes(small_disk) == 0
    for _ in range(3):
        with pytest.raises(JournalFullError):
            journal.append(record(stored, filler=os.urandom(20_000).hex()))
    assert journal.last_seq == stored > 3
    reader = JournalReader(state)
    assert reader.identity().last_seq == stored
    assert reader.entry(stored) is not None
    reader.close()
    ballast.unlink()
    small = stored
    with pytest.raises(JournalFullError):  # noqa: PT012
        while True:
            assert journal.append(record(small)) == small + 1
            small += 1
    journal.close()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    journal = Journal.open(state, STREAM)
    assert journal.findings == ()
    assert journal.append(record(small)) == small + 1
    journal.close()
    assert [each.key for each in contents(state)] == [record(number).key for number in range(small + 1)]


def test_an_append_resumes_in_the_same_object_when_the_disk_grows(small_disk):
    journal = Journal.open(small_disk / "state", STREAM)
    number = 0
    with pytest.raises(JournalFullError):  # noqa: PT012
        while True:
            journal.append(record(number, filler=os.urandom(20_000).hex()))
            number += 1
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    for more in range(number, number + 100):  # enough to move the write-ahead log into the file
        assert journal.append(record(more, filler=os.urandom(20_000).hex())) == more + 1
    journal.close()


def test_a_damaged_journal_on_a_full_disk_waits_for_room(small_disk):
    state = small_disk / "state"
    journal = Journal.open(state, STREAM)
    for number in range(20):
        journal.append(record(number, filler=os.urandom(5_000).hex()))
    journal.close()
    ballast = fill_up(small_disk)
    with (state / "journal.sqlite3").open("r+b") as handle:
        handle.seek(-4096 * 3, os.SEEK_END)
        handle.write(b"\xff" * 4096)
    with pytest.raises(JournalFullError):
        Journal.open(state, STREAM)
    ballast.unlink()
    journal = Journal.open(state, STREAM)
    assert "is replaced" in journal.findings[0]
    assert journal.last_seq >= 15
    journal.close()


def test_a_disk_without_inodes_is_a_full_one_to_everybody_who_creates_a_file(small_disk):
    state = small_disk / "state"
    journal = Journal.open(state, STREAM)
    journal.append(record(0))
    use_up_inodes(small_disk)
    with pytest.raises(JournalFullError, match="no room on the disk"):
        journal.rotate("the test wants it")
    assert journal.append(record(1)) == 2
    with pytest.raises(OSError, match="No space left"):
        frozen.keep(state, date(2026, 11, 26), {"S1.NS": 1_000_000})
    with pytest.raises(UnfinishedError, match="No space left"):
        InstanceLock(state / "lock")
    with pytest.raises(JournalFullError):
        Seconds(state).claim("nifty50", datetime(2026, 11, 26, 9, 15), None)
    journal.close()
    ballast = use_up_inodes(small_disk)  # also those of the log, which is gone now
    with pytest.raises(JournalFullError):
        Journal.open(state, STREAM)
    for name in ("journal.sqlite3", "journal.mark", "journal.lock"):
        (state / name).rename(small_disk / name)
        with pytest.raises(JournalFullError):
            Journal.open(state, STREAM)
        (small_disk / name).rename(state / name)
    for each in ballast:
        each.unlink()
    assert [each.key for each in contents(state)] == [record(0).key, record(1).key]


def test_a_file_that_only_its_owner_can_mend_is_told_as_such(tmp_path):
    for name, make in (("link", lambda path: path.symlink_to("nowhere")), ("directory", lambda path: path.mkdir())):
        make(tmp_path / name)
        with pytest.raises(ConfigError, match=name):
            open_private(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        open_private(tmp_path / "gone" / "file")


FAILING = """
import sys
from pathlib import Path
from pipeline.errors import JournalError
from pipeline.journal import Journal
from tests.unit.journals import STREAM, record

journal = Journal.open(Path(sys.argv[1]), STREAM)
journal.append(record(0))
print("ready", flush=True)
sys.stdin.readline()
number = 1
try:
    while number < 3000:
        journal.append(record(number, filler="x" * 3000))
        print(number, flush=True)
        number += 1
except JournalError as error:
    print("error", type(error).__name__, error, flush=True)
try:
    journal.append(record(number + 1))
    print("usable", flush=True)
except JournalError:
    print("unusable", flush=True)
"""


def _fiu(tmp_path):
    program = shutil.which("fiu-run")
    if program is None or shutil.which("fiu-ctrl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs fiu-run: install fiu-utils")
        pytest.skip("fiu-run is not here: install fiu-utils")
    return [program, "-x", "-f", str(tmp_path / "fiu")]


@pytest.mark.parametrize("point", ["posix/io/sync/fdatasync", "posix/io/rw/pwrite*"])
def test_an_io_error_fails_the_append_for_good_and_recovery_has_all_that_was_acknowledged(tmp_path, point):
    fiu = _fiu(tmp_path)
    state = tmp_path / "state"
    child = subprocess.Popen(
        [*fiu, sys.executable, "-c", FAILING, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == "ready\n"
        order = f"enable_random name={point},probability=0.2,failinfo=5"
        subprocess.run(["fiu-ctrl", "-f", str(tmp_path / "fiu"), "-c", order, str(child.pid)], check=True)
        out, _ = child.communicate("go\n", timeout=60)
    lines = out.splitlines()
    acknowledged = [int(line) for line in lines if line.isdigit()]
    assert lines[-2].startswith("error JournalError"), lines[-2:]
    assert lines[-1] == "unusable"
    journal = Journal.open(state, STREAM)
    keys = [each.key for each in contents(state)]
    assert keys[: len(acknowledged) + 1] == [record(number).key for number in range(len(acknowledged) + 1)]
    assert len(keys) <= len(acknowledged) + 2
    assert journal.append(record(5000)) == len(keys) + 1
    journal.close()
    assert issubclass(JournalFullError, JournalError)
