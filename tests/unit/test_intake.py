"""The fetcher's way into the journal on a full disk."""

from __future__ import annotations

import queue

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import JournalFullError
from pipeline.intake import Intake
from pipeline.journal import Journal
from tests.unit.journals import STREAM, record


@pytest.fixture
def intake(tmp_path):
    found = Intake(tmp_path / "state", STREAM, SystemClock(), queue.Queue(10))
    yield found
    found.close()


def test_a_journal_deleted_under_the_run_is_told_at_the_next_poll(intake, tmp_path, caplog):
    intake.append(record(1))
    for file in (tmp_path / "state").glob("journal.sqlite3*"):
        file.unlink()
    assert intake.append(record(2))
    assert "its files were deleted or replaced while it was open" in caplog.text


def test_words_of_the_supervisor_do_not_end_the_fetcher_while_its_disk_is_full(intake, monkeypatch, caplog):
    def full(*_: object) -> None:
        raise JournalFullError("no room on the disk")

    intake.append(record(1))
    journal_id = intake.report()["journal"]["id"]
    with monkeypatch.context() as patch:
        for name in ("append", "prune", "rotate"):
            patch.setattr(Journal, name, full)
        assert not intake.append(record(2))
        assert not intake.append(record(4))
        intake.prune(journal_id, 1, 0)
        intake.rotate(journal_id)
    assert intake.waiting == 2
    assert intake.append(record(3))
    assert intake.report()["journal"]["last_seq"] == 4
    assert caplog.text.count("polls wait in memory") == caplog.text.count("there is room again") == 1
