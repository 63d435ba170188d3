"""Health reports: the newest counts, a full pipe drops, the last words of a dead child are heard."""

from __future__ import annotations

import multiprocessing

import pytest

from pipeline.health import MAX_REPORT_BYTES, Reporter, receive


@pytest.fixture
def pipe():
    reader, writer = multiprocessing.Pipe(duplex=False)
    yield reader, writer
    reader.close()
    writer.close()


def test_the_newest_report_is_the_whole_state(pipe):
    reader, writer = pipe
    reporter = Reporter(writer)
    reporter.report(a=1)
    reporter.report(b=2)
    assert receive(reader) == {"a": 1, "b": 2}
    assert receive(reader) is None


def test_the_last_report_of_a_child_that_is_gone_is_heard(pipe):
    reader, writer = pipe
    Reporter(writer).report(last="words")
    writer.close()
    assert receive(reader) == {"last": "words"}
    with pytest.raises(EOFError):
        receive(reader)


def test_a_full_pipe_drops_reports_and_never_blocks(pipe):
    reader, writer = pipe
    reporter = Reporter(writer)
    for number in range(200):
        reporter.report(number=number, filling="x" * 3000)
    assert reporter.dropped > 100
    assert receive(reader)["number"] < 199
    reporter.report(number=1000)
    assert receive(reader)["number"] == 1000


def test_a_report_that_is_too_long_goes_without_its_sectors(pipe):
    reader, writer = pipe
    Reporter(writer).report(number=7, sectors={"s" * 50 + str(n): [1, 2] for n in range(100)})
    found = receive(reader)
    assert found == {"number": 7}
    assert MAX_REPORT_BYTES < 4096
