"""The writer process: when it may end."""

from __future__ import annotations

import queue
from contextlib import closing
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any, cast

from pipeline.dburl import DatabaseUrl
from pipeline.drain import Drain
from pipeline.journal import Journal
from pipeline.sinks import open_database
from pipeline.writer import WritePlan, Writer
from tests.unit.journals import STREAM, record


def test_the_last_record_is_stored_though_the_word_to_finish_comes_while_the_writer_looks(tmp_path, monkeypatch):
    """The database hung while the writer looked: the fetcher took its last poll and ended, and `finish` was said."""
    journal = Journal.open(tmp_path / "state", STREAM)
    journal.append(record(1))
    words, word = Pipe(duplex=False)
    step = Drain.step

    def late_step(drain: Drain) -> int:
        moved = step(drain)
        if moved == 0 and journal.last_seq == 1:
            journal.append(record(2))
            word.send_bytes(b"finish")
        return moved

    monkeypatch.setattr(Drain, "step", late_step)
    url = DatabaseUrl("sqlite", path=tmp_path / "breadth.db")
    ends = SimpleNamespace(role="writer:test", control=words, hints=queue.Queue())
    reporter = SimpleNamespace(allow=lambda seconds: None, report=lambda **changes: None)
    Writer(WritePlan(url, tmp_path / "state", create=True), cast(Any, ends), cast(Any, reporter)).run()
    journal.close()
    with closing(open_database(url, readonly=True)) as database:
        assert database.query("SELECT seq FROM pipeline_cursor") == [(2,)]
