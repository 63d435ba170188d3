"""Rows that cannot be stored: set aside with their reason, told of once, never in the way of the others."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from pipeline import dead_letters
from pipeline.model import Cursor
from pipeline.sinks import open_database
from pipeline.sinks.letters import PAYLOAD_LIMIT
from pipeline.tables import STOCK
from tests.contract.storage import (
    DAY,
    JOURNAL,
    MOMENT,
    STREAM,
    ask,
    contents,
    count,
    cursor_at,
    entries,
    logged_stock,
    poll_record,
    run,
    seeded_day,
    session_record,
    stock,
)

BAD = {
    "symbol too long": {"symbol": "S" * 33},
    "symbol ends with a blank": {"symbol": "S "},
    "not a number": {"ltp": float("nan")},
    "infinite": {"change_pct": float("inf")},
    "price out of range": {"prev_close": 1e9},
    "volume beyond 64 bits": {"volume": 2**63},
    "text for a number": {"day_high": "12.5"},
    "unknown status": {"status": "RISING"},
    "null key": {"symbol": None},
    "no such day": {"data_timestamp": "2026-02-30 10:00:00"},
    "fraction of a second": {"data_timestamp": "2026-11-26 10:00:00.5"},
}


def test_bad_rows_are_refused_the_same_way_everywhere_and_the_rest_is_stored(url, sink):
    rows = [stock("nifty50", MOMENT, f"G{number}.NS") for number in range(30)]
    bad = {3 + 2 * place: stock("nifty50", MOMENT, **change) for place, change in enumerate(BAD.values())}
    for place, row in bad.items():
        rows[place] = row
    rows.append(rows[0][:-1])
    batch = entries([session_record(), poll_record(1, stocks=rows)])
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert written.dead_letters == len(BAD) + 1
    assert count(url, STOCK.name) == 30 - len(BAD)
    letters = ask(url, "SELECT seq, table_name, row_no, reason FROM pipeline_dead_letter ORDER BY row_no")
    assert [(seq, table, place) for seq, table, place, _ in letters] == [(2, STOCK.name, p) for p in [*bad, 30]]
    for change, (_, _, _, reason) in zip(BAD.values(), letters, strict=False):
        assert f"{STOCK.name}.{next(iter(change))}: " in reason


def test_rows_of_any_size_are_set_aside_and_never_hold_up_the_rest(url, sink):
    rows = [stock("nifty50", MOMENT, "S" * 900_000 + str(number)) for number in range(40)]
    batch = entries([session_record(), poll_record(1, stocks=rows), poll_record(2)])
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert (written.dead_letters, count(url, "pipeline_dead_letter")) == (40, 40)
    assert count(url, STOCK.name) == 40


def test_a_refused_row_too_large_to_keep_is_kept_as_its_beginning(url, sink):
    symbol = "S" * (PAYLOAD_LIMIT + 1)
    batch = entries([session_record(), poll_record(1, stocks=[stock("nifty50", MOMENT, symbol)])])
    assert sink.write(STREAM, JOURNAL, Cursor(0), batch).dead_letters == 1
    ((payload,),) = ask(url, "SELECT payload FROM pipeline_dead_letter")
    assert len(payload) < PAYLOAD_LIMIT
    assert "SSSS" in json.loads(payload)["cut"]


REFUSING = {
    "sqlite": (
        "CREATE TRIGGER no_bad BEFORE INSERT ON intraday_stock_prices WHEN NEW.symbol LIKE 'BAD%' "
        "BEGIN SELECT RAISE(ABORT, 'this one never'); END"
    ),
    "mysql": (
        "CREATE TRIGGER no_bad BEFORE INSERT ON intraday_stock_prices FOR EACH ROW IF NEW.symbol LIKE 'BAD%' THEN "
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'this one never'; END IF"
    ),
}


def test_rows_that_only_the_database_refuses_are_isolated_by_bisection_and_can_be_retried(url, sink):
    run(url, REFUSING[url.dialect])
    rows = [stock("nifty50", MOMENT, f"G{number}.NS") for number in range(1600)]
    rows[13], rows[1599] = stock("nifty50", MOMENT, "BAD1.NS"), stock("nifty50", MOMENT, "BAD2.NS", day_low=None)
    batch = entries([session_record(), poll_record(1, stocks=rows), poll_record(2)])
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert written.dead_letters == 2
    assert count(url, STOCK.name) == 1598 + 40
    assert sink.locate(STREAM, JOURNAL) == cursor_at(batch)
    with closing(open_database(url, readonly=False)) as database:
        found = dead_letters.letters(database)
        assert [(letter.seq, letter.row_no, letter.row) for letter in found] == [
            (2, 13, rows[13]),
            (2, 1599, rows[1599]),
        ]
        assert all("this one never" in letter.reason for letter in found)
        assert not dead_letters.retry(database, found[0]).stored
        database.execute("DROP TRIGGER no_bad")
        assert dead_letters.retry(database, found[0]).stored
        dead_letters.drop(database, dead_letters.letters(database))
        assert dead_letters.counted(database) == 0
    assert count(url, STOCK.name, "symbol LIKE 'BAD%'") == 1


def letters_of(url) -> list[tuple[object, ...]]:
    return ask(url, "SELECT journal_id, seq, row_no FROM pipeline_dead_letter ORDER BY journal_id, seq, row_no")


def test_a_replaced_journal_takes_its_letters_along_and_no_row_is_told_of_twice(url, sink):
    run(url, REFUSING[url.dialect])
    first, second = (
        poll_record(minute, stocks=[stock("nifty50", f"{DAY} 10:0{minute}:00", name) for name in names])
        for minute, names in ((1, ("G.NS", "BAD1", "BAD2")), (2, ("BAD1",)))
    )
    assert sink.write(STREAM, "old", Cursor(0), entries([session_record(), first, second])).dead_letters == 3
    with closing(open_database(url, readonly=False)) as database:
        dead_letters.drop(database, dead_letters.letters(database)[:1])
    # the first record was lost, the second one is polled anew and has other values
    again = poll_record(1, stocks=[stock("nifty50", MOMENT, name, ltp=7.5) for name in ("BAD1", "BAD2", "BAD3")])
    written = sink.write(STREAM, "new", Cursor(0), entries([again]))
    assert (written.rows, written.dead_letters) == (5, 1)
    assert letters_of(url) == [("new", 1, 0), ("new", 1, 1), ("new", 1, 2), ("old", 3, 0)]
    with closing(open_database(url, readonly=False)) as database:
        found = dead_letters.letters(database)
        assert {(letter.row[3], letter.row[4]) for letter in found} == {("BAD2", 7.5), ("BAD3", 7.5), ("BAD1", 101.05)}
        assert dead_letters.counted(database) == 3  # the one that was given up stays so


def test_sending_a_refused_row_again_never_overwrites_one_that_is_there(url, sink):
    run(url, REFUSING[url.dialect])
    refused = [stock("nifty50", MOMENT, name) for name in ("BAD1", "BAD2")]
    sink.write(STREAM, "old", Cursor(0), entries([session_record(), poll_record(1, stocks=refused)]))
    with closing(open_database(url, readonly=False)) as database:
        database.execute("DROP TRIGGER no_bad")
        newer = [stock("nifty50", MOMENT, "BAD1", ltp=7.5), refused[1]]
        sink.write(STREAM, "new", Cursor(0), entries([poll_record(1, stocks=newer)]))
        kept, equal = (dead_letters.retry(database, letter) for letter in dead_letters.letters(database))
        assert (kept.stored, equal.stored) == (False, True)
        assert "another row with its key is stored" in kept.reason
        assert dead_letters.counted(database) == 1
    assert ask(url, "SELECT ltp FROM intraday_stock_prices WHERE symbol = 'BAD1'") == [(7.5,)]


@pytest.mark.parametrize("live", [session_record(), seeded_day(), logged_stock()], ids=["session", "seed", "api"])
def test_a_refused_row_of_a_recording_does_not_come_back_into_a_day_that_is_not_its_own_any_more(url, sink, live):
    run(url, REFUSING[url.dialect])
    played = "recording:day"
    refused = poll_record(1, source=played, stocks=[stock("nifty50", MOMENT, "BAD1")])
    sink.write(STREAM, "played", Cursor(0), entries([session_record(source=played), refused]))
    sink.write(STREAM, "live", Cursor(0), entries([live]))
    before = contents(url)
    with closing(open_database(url, readonly=False)) as database:
        database.execute("DROP TRIGGER no_bad")
        found = dead_letters.retry(database, dead_letters.letters(database)[0])
        assert (found.stored, dead_letters.counted(database)) == (False, 1)
    assert "not by a recording" in found.reason
    assert contents(url) == before


def test_rows_refused_while_the_next_day_is_looked_up_are_isolated_too(url, sink):
    run(url, REFUSING[url.dialect])
    rows = [stock("nifty50", MOMENT, f"G{number}.NS") for number in range(1600)]
    rows[1599] = stock("nifty50", MOMENT, "BAD.NS")
    batch = entries([session_record(), poll_record(1, stocks=rows), session_record(day="2026-11-27")])
    written = sink.write(STREAM, JOURNAL, Cursor(0), batch)
    assert (written.records, written.dead_letters, count(url, STOCK.name)) == (3, 1, 1599)
