"""Whose rows stand where two sources fill one day or one poll: live over recorded, taken over skipped, newest list."""

from __future__ import annotations

import pytest

from pipeline.model import Cursor
from tests.contract.storage import (
    DAY,
    JOURNAL,
    MOMENT,
    STREAM,
    ask,
    contents,
    cursor_at,
    entries,
    logged_stock,
    poll_record,
    seeded_day,
    session_record,
    stock,
    unpolled,
)


def test_recording_never_overwrites_a_live_day_and_a_live_session_removes_a_recorded_one(url, sink):
    played = "recording:day"
    recorded = entries([session_record(source=played), poll_record(1, source=played), poll_record(3, source=played)])
    sink.write(STREAM, "played", Cursor(0), recorded)
    other_day = entries([session_record(source=played, day="2026-11-25")], cursor_at(recorded))
    sink.write(STREAM, "played", cursor_at(recorded), other_day)

    live = entries([session_record(), poll_record(1, stocks=[stock("nifty50", MOMENT, "LIVE.NS")])])
    sink.write(STREAM, "live", Cursor(0), live)
    assert ask(url, "SELECT symbol FROM intraday_stock_prices") == [("LIVE.NS",)]
    assert ask(url, "SELECT source, trade_date FROM pipeline_session ORDER BY trade_date") == [
        (played, "2026-11-25"),
        ("yahoo", DAY),
    ]
    before = contents(url)
    again = entries([session_record(source=played), poll_record(1, source=played)], cursor_at(other_day))
    written = sink.write(STREAM, "played", cursor_at(other_day), again)
    assert (written.superseded, written.records, written.rows) == (2, 0, 0)
    assert contents(url) == before
    assert sink.locate(STREAM, "played") == cursor_at(again)


def test_a_poll_that_was_not_taken_never_overwrites_one_that_was(url, sink):
    """After damage a restart skips what the lost part of the journal, stored long ago, had taken."""
    taken = entries([session_record(), poll_record(1)])
    sink.write(STREAM, "lost", Cursor(0), taken)
    before = contents(url)
    moments = (MOMENT, MOMENT, f"{DAY} 10:02:00")
    again = [
        unpolled(moment, outcome) for moment, outcome in zip(moments, ("skipped", "failed", "skipped"), strict=True)
    ]
    written = sink.write(STREAM, "new", Cursor(0), entries([*again[:2], session_record()]))
    assert (written.superseded, written.records) == (2, 1)
    assert contents(url) == before
    # within one transaction too; and what is taken later than it was skipped counts
    batch = entries([poll_record(3), unpolled(f"{DAY} 10:03:00", "skipped"), again[2], poll_record(2)])
    written = sink.write(STREAM, "third", Cursor(0), batch)
    assert (written.superseded, written.records) == (1, 3)
    assert ask(url, "SELECT outcome FROM pipeline_poll ORDER BY poll_time") == [("taken",)] * 3


@pytest.mark.parametrize("live", [seeded_day, logged_stock])
def test_recording_never_overwrites_live_rows_of_a_day_without_a_session(url, sink, live):
    sink.write(STREAM, "live", Cursor(0), entries([live()]))
    before = contents(url)
    played = "recording:day"
    batch = entries([session_record(source=played), poll_record(1, source=played), poll_record(2, source=played)])
    first = sink.write(STREAM, "played", Cursor(0), batch[:2])
    second = sink.write(STREAM, "played", cursor_at(batch[:2]), batch[2:])
    assert (first.superseded, second.superseded) == (2, 1)
    assert contents(url) == before


def test_live_rows_of_a_day_that_a_recording_is_filling_stand_from_then_on(url, sink):
    played = "recording:day"
    batch = entries([session_record(source=played), poll_record(1, source=played), poll_record(2, source=played)])
    sink.write(STREAM, "played", Cursor(0), batch[:2])
    sink.write(STREAM, "live", Cursor(0), entries([logged_stock()]))
    assert sink.write(STREAM, "played", cursor_at(batch[:2]), batch[2:]).superseded == 1
    assert ask(url, "SELECT symbol FROM intraday_stock_prices") == [("LIVE.NS",)]


def _members(url):
    return [symbol for (symbol,) in ask(url, "SELECT symbol FROM pipeline_member ORDER BY symbol")]


@pytest.mark.parametrize("at_once", [True, False], ids=["in one transaction", "in two"])
def test_members_of_a_day_are_those_of_its_newest_session_record(url, sink, at_once):
    def listed(*symbols, day=DAY):
        return session_record(day=day, symbols=symbols)

    batch = entries(
        [
            listed("Y.NS", day="2026-11-25"),
            listed("A.NS", "B.NS", "C.NS", "D.NS"),
            poll_record(1),
            listed("E.NS", "C.NS"),
            poll_record(2),
        ]
    )
    for part in [batch] if at_once else [batch[:3], batch[3:]]:
        sink.write(STREAM, JOURNAL, sink.locate(STREAM, JOURNAL), part)
    assert _members(url) == ["C.NS", "E.NS", "Y.NS"], "and another day's are its own"
    before = contents(url)
    for part in (batch[:3], batch[3:]):  # all of it once more, under a new journal: the older list comes first again
        sink.write(STREAM, "journal-2", sink.locate(STREAM, "journal-2"), part)
    assert contents(url) == before
