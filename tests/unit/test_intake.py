"""The fetcher's way into the journal on a full disk."""

from __future__ import annotations

import queue
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.clock import SystemClock
from pipeline.errors import JournalFullError
from pipeline.intake import Intake
from pipeline.journal import Journal
from tests.unit.days import opening, poll, session
from tests.unit.journals import STREAM, contents, record


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


def test_beyond_what_memory_holds_polls_are_told_as_failed_and_the_session_stays_whole(intake, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise JournalFullError("no room on the disk")

    day = [opening(), poll(0), poll(1)]
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        patch.setattr("pipeline.intake.MAX_WAITING_ROWS", day[0].row_count + day[2].row_count + 1)
        for each in day:
            assert not intake.append(each)
    assert intake.append(poll(2))
    found = contents(tmp_path / "state")
    assert [each.tables for each in (found[0], found[2])] == [day[0].tables, day[2].tables]
    assert list(found[1].tables) == ["pipeline_poll"]
    assert found[1].tables["pipeline_poll"][0][3] == "failed"


def test_a_session_is_journaled_once_and_again_when_another_came_between(intake, tmp_path):
    first = opening()
    other = replace(first, key=first.key.replace("session:", "session:2"), tables={})
    for each in (first, first, other, other, first, first, other, first):
        intake.append_session(each)
    found = contents(tmp_path / "state")
    assert [each.tables for each in found] == [first.tables, {}, first.tables, {}, first.tables]
    past = intake.past("nifty50", session(), "yahoo", datetime.now(UTC), lambda _: None)
    assert past.begun
    assert not past.known
