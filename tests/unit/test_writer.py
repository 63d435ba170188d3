"""The writer process: when it may end, when it tries again."""

from __future__ import annotations

import queue
from contextlib import closing
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline import drain as drains
from pipeline import schema
from pipeline.dburl import DatabaseUrl
from pipeline.drain import Drain
from pipeline.errors import SinkRefused
from pipeline.journal import Journal, JournalReader
from pipeline.sinks import open_database, open_sink
from pipeline.writer import Backoff, WritePlan, Writer
from tests.unit.journals import STREAM, record


@pytest.fixture
def journal(tmp_path):
    with closing(Journal.open(tmp_path / "state", STREAM)) as opened:
        opened.append(record(1))
        yield opened


@pytest.fixture
def url(tmp_path):
    return DatabaseUrl("sqlite", path=tmp_path / "breadth.db")


def write(journal, url, control, report=lambda **changes: None):
    """Runs a writer until it ends."""
    ends = SimpleNamespace(role="writer:test", control=control, hints=queue.Queue())
    reporter = SimpleNamespace(allow=lambda seconds: None, report=report)
    Writer(WritePlan(url, journal.directory, create=True), cast(Any, ends), cast(Any, reporter)).run()


def cursors(url):
    with closing(open_database(url, readonly=True)) as database:
        return [seq for (seq,) in database.query("SELECT seq FROM pipeline_cursor")]


def test_the_last_record_is_stored_though_the_word_to_finish_comes_while_the_writer_looks(journal, url, monkeypatch):
    """The database hung while the writer looked: the fetcher took its last poll and ended, and `finish` was said."""
    words, word = Pipe(duplex=False)
    step = Drain.step

    def late_step(drain: Drain, *, last: bool = False) -> int:
        moved = step(drain, last=last)
        if moved == 0 and journal.last_seq == 1:
            journal.append(record(2))
            word.send_bytes(b"finish")
        return moved

    monkeypatch.setattr(Drain, "step", late_step)
    write(journal, url, words)
    assert cursors(url) == [2]


def test_a_journal_that_ends_before_what_was_taken_is_not_the_end(journal, url):
    """The writer sees an old state of the journal's files; it says so, and looks again."""
    words, word = Pipe(duplex=False)
    word.send_bytes(f"finish {journal.journal_id} 2".encode())
    said = []

    def report(**changes: Any) -> None:
        if changes["database"] == "retrying":
            said.append(changes["message"])
            journal.append(record(2))

    write(journal, url, words, report)
    assert "ends at record 1 here, 2 were taken" in said[0]
    assert cursors(url) == [2]


def test_a_database_with_nothing_to_do_is_asked_from_time_to_time_what_it_has(journal, url, monkeypatch):
    schema.ensure(url, create=True)
    with closing(Drain(JournalReader(journal.directory), open_sink(url))) as drain:
        assert (drain.step(), drain.step()) == (1, 0)
        with closing(open_database(url, readonly=False)) as database:
            database.execute("DELETE FROM pipeline_cursor")
        assert drain.step() == 0
        monkeypatch.setattr(drains, "ASK_AGAIN_S", 0.0)
        assert drain.step() == 1


class Enough(Exception):
    """The test has seen what it wanted."""


def test_a_database_that_refuses_is_asked_again_after_a_minute(journal, url, monkeypatch):
    def refuse(url: DatabaseUrl, create: bool) -> None:
        raise SinkRefused("access denied")

    def poll(wait_s: float = 0.0) -> bool:
        if wait_s:
            waits.append(wait_s)
            raise Enough
        return False

    waits: list[float] = []
    monkeypatch.setattr(schema, "ensure", refuse)
    with pytest.raises(Enough):
        write(journal, url, SimpleNamespace(poll=poll))
    assert waits == [60.0]


def test_a_lost_connection_is_tried_again_after_a_time_that_doubles_up_to_thirty_seconds():
    backoff = Backoff(cast(Any, SimpleNamespace(uniform=lambda least, most: most)))
    assert [backoff.next_s() for _ in range(9)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    backoff.reset()
    assert backoff.next_s() == 0.25
