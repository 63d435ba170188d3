"""A poll as rows: in the order of the tables, with what the source said and no more."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from pipeline import wire
from pipeline.day_records import frozen_references
from pipeline.model import Answer, Member, Outcome, Universe
from pipeline.records import poll_key, poll_record, session_record, unpolled_record
from pipeline.tables import POLL, SECTOR, SNAPSHOT, STOCK, TABLES
from tests.unit.breadth_cases import SESSION, at, count, market, quote

INSTANT = datetime(2026, 6, 18, 4, 0, tzinfo=UTC)  # 09:30 in Mumbai
FETCHED = datetime(2026, 6, 18, 4, 0, 1, 234_567, tzinfo=UTC)


def make(*quotes, missing=(), stocks=True, index=None, index_quote=None, **answer):
    universe, by_symbol = market(*quotes, missing=missing)
    return poll_record(
        universe=universe,
        session=SESSION,
        instant=INSTANT,
        source="yahoo",
        answer=Answer(by_symbol, missing=frozenset(missing), index=index_quote, **answer),
        snapshot=count(*quotes, missing=missing),
        fetched_at=FETCHED,
        index=index,
        stocks=stocks,
    )


def rows(record, table):
    """The rows of a table as dicts by column; each row has every column."""
    return [dict(zip(table.column_names, row, strict=True)) for row in record.tables.get(table.name, [])]


def test_a_poll_is_stored_under_its_planned_exchange_local_instant():
    record = make(quote("A"), quote("B", price=990_000), requests=3, duration_s=0.2504)
    key = {"universe": "test", "trade_date": "2026-06-18", "poll_time": "2026-06-18 09:30:00"}
    assert record.key == "test|2026-06-18|2026-06-18 09:30:00|yahoo"
    assert record.key == poll_key("test", date(2026, 6, 18), "2026-06-18 09:30:00", "yahoo")
    assert rows(record, POLL) == [key | {"outcome": "taken", "reason": None, "duration_ms": 250, "requests": 3}]
    for table in (SNAPSHOT, SECTOR, STOCK):
        assert rows(record, table)
        assert all(row | key == row for row in rows(record, table))
    assert wire.decode(wire.encode(record)) == record


def test_a_snapshot_names_its_index_delay_newest_trade_and_source():
    quotes = (
        quote("A", delay_s=900, trade_time=at("09:29")),
        quote("B", delay_s=60, trade_time=at("09:30") + 7),
    )
    index = quote("^NSEI", price=250_001_000, prev_close=249_990_000)
    (snapshot,) = rows(make(*quotes, index="^NSEI", index_quote=index), SNAPSHOT)
    assert (snapshot["delay_s"], snapshot["data_time"]) == (900, "2026-06-18 09:30:07")
    assert (snapshot["source"], snapshot["fetched_at"]) == ("yahoo", "2026-06-18 04:00:01.234")
    assert (snapshot["index_symbol"], snapshot["index_ltp"], snapshot["index_prev_close"]) == ("^NSEI", 25000.1, 24999)
    assert snapshot["universe_size"] == 2

    (snapshot,) = rows(make(quote("A"), index="^NSEI"), SNAPSHOT)
    assert (snapshot["index_symbol"], snapshot["index_ltp"], snapshot["index_prev_close"]) == ("^NSEI", None, None)


def test_a_stock_row_is_written_for_every_member_that_has_a_price():
    record = make(
        quote("UP", price=1_001_500, day_open=1_000_500, day_high=1_002_000, day_low=999_000),
        quote("FLAT", price=1_000_000, volume=None),
        quote("OLD", trade_time=at("2026-06-17 15:29")),
        quote("NEW", prev_close=None),
        quote("NONE", price=None),
        missing=["GONE"],
    )
    by_symbol = {row["symbol"]: row for row in rows(record, STOCK)}
    assert {symbol: row["status"] for symbol, row in by_symbol.items()} == {
        "UP": "ADVANCE",
        "FLAT": "UNCHANGED",
        "OLD": "NOT_TRADED",
        "NEW": "NO_REFERENCE",
    }
    up = by_symbol["UP"]
    assert (up["ltp"], up["prev_close"], up["change_amt"], up["change_pct"]) == (100.15, 100.0, 0.15, 0.15)
    assert (up["day_open"], up["day_high"], up["day_low"], up["volume"]) == (100.05, 100.2, 99.9, 100)
    assert up["data_timestamp"] == "2026-06-18 10:00:00"
    assert (by_symbol["FLAT"]["change_amt"], by_symbol["FLAT"]["change_pct"], by_symbol["FLAT"]["volume"]) == (
        0,
        0,
        None,
    )
    assert by_symbol["OLD"]["data_timestamp"] == "2026-06-17 15:29:00"
    assert (by_symbol["NEW"]["prev_close"], by_symbol["NEW"]["change_amt"], by_symbol["NEW"]["change_pct"]) == (
        None,
    ) * 3


def test_stock_rows_recount_the_snapshot():
    record = make(*(quote(f"S{n}", price=1_000_000 + (n % 3 - 1) * 500) for n in range(20)))
    (snapshot,) = rows(record, SNAPSHOT)
    statuses = [row["status"] for row in rows(record, STOCK)]
    for column, status in (("advances", "ADVANCE"), ("declines", "DECLINE"), ("unchanged", "UNCHANGED")):
        assert snapshot[column] == statuses.count(status) > 0


def test_stocks_can_be_left_out():
    record = make(quote("A"), stocks=False)
    assert set(record.tables) == {POLL.name, SNAPSHOT.name, SECTOR.name}


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        ({}, "taken", None),
        ({"reason": "the index was not answered"}, "taken", "the index was not answered"),
        ({"missing": ["X"]}, "partial", "1 of 2 symbols missing: X"),
        ({"missing": ["X", "Y", "Z", "W"]}, "partial", "4 of 5 symbols missing: W, X, Y, …"),
        ({"bad": {"B": "currency EUR"}}, "partial", "1 of 2 bad: B (currency EUR)"),
        ({"missing": ["X"], "reason": "rate\n limit " + "x" * 300}, "partial", ("rate limit " + "x" * 300)[:255]),
    ],
)
def test_an_answer_that_is_not_whole_makes_the_poll_partial(answer, outcome, reason):
    (poll,) = rows(make(quote("A"), **answer), POLL)
    assert (poll["outcome"], poll["reason"]) == (outcome, reason)


@pytest.mark.parametrize("quotes", [(), (quote("A", price=None), quote("B", price=None))])
def test_an_answer_without_a_price_is_a_failed_poll_and_no_snapshot(quotes):
    record = make(*quotes, missing=["X"], reason="no network", requests=2)
    assert set(record.tables) == {POLL.name}
    (poll,) = rows(record, POLL)
    assert (poll["outcome"], poll["reason"], poll["requests"]) == ("failed", "no network", 2)


def test_a_skipped_poll_is_a_row_with_its_reason():
    universe, _ = market(quote("A"))
    record = unpolled_record(
        universe=universe,
        session=SESSION,
        instant=INSTANT,
        source="yahoo",
        outcome=Outcome.SKIPPED,
        reason="the grid point\npassed",
    )
    assert record.key == make(quote("A")).key
    (poll,) = rows(record, POLL)
    assert (poll["outcome"], poll["reason"], poll["duration_ms"]) == ("skipped", "the grid point passed", 0)


def test_a_session_names_its_members_and_a_changed_universe_is_another_record():
    members = (Member("A", "n" * 200, "s" * 99), Member("B", "Bajaj \udcff Ltd", ""))
    universe = Universe("test", members)

    def of(universe):
        return session_record(universe=universe, session=SESSION, interval_s=300, source="yahoo")

    record = of(universe)
    assert record.tables["pipeline_session"] == [
        ("test", "2026-06-18", "Asia/Kolkata", "2026-06-18 09:15:00", "2026-06-18 15:30:00", 300, "yahoo")
    ]
    assert [row[2:] for row in record.tables["pipeline_member"]] == [
        ("A", "n" * 128, "s" * 64),
        ("B", "Bajaj ? Ltd", "Unknown"),
    ]
    assert record.key.startswith("test|2026-06-18|session:")
    assert of(universe).key == record.key != of(replace(universe, members=members[:1])).key
    assert wire.decode(wire.encode(record)) == record
    assert set(record.tables) <= set(TABLES)


def test_references_are_restored_from_the_rows_of_the_sessions_date():
    record = make(
        quote("A", prev_close=1_234_567),
        quote("B", trade_time=at("2026-06-17 15:29")),
        quote("C", trade_time=None),
        quote("D", prev_close=None),
    )
    assert frozen_references(record) == (date(2026, 6, 18), {"A": 1_234_567})
    assert frozen_references(make(quote("A"), stocks=False)) == (date(2026, 6, 18), {})


def test_a_trade_time_beyond_any_calendar_has_no_text():
    (stock,) = rows(make(quote("A", trade_time=10**18)), STOCK)
    assert (stock["data_timestamp"], stock["status"]) == (None, "NOT_TRADED")
