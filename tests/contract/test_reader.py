"""The Reader answers the same over every database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from pipeline.dburl import DatabaseUrl
from pipeline.model import Outcome
from pipeline.reader import Reader
from pipeline.sinks import open_database
from tests.market_day import MarketDay, close_of, random_prices, session_of, universe_of

SYMBOLS = ["A.NS", "M&M.NS", "Z.NS"]
FRIDAY, MONDAY = "2026-11-20", "2026-11-23"


@pytest.fixture(params=["sqlite", pytest.param("mysql", marks=pytest.mark.mysql)])
def days(request: pytest.FixtureRequest, tmp_path) -> Iterator[tuple[Reader, MarketDay]]:
    """Friday with polls 0, 1 (failed), 2 and Monday with a failed poll only, and a reader of them."""
    if request.param == "sqlite":
        url = DatabaseUrl("sqlite", path=tmp_path / "breadth.db")
    else:
        name = request.getfixturevalue("mariadb_database")
        url = DatabaseUrl.parse(request.getfixturevalue("mariadb").url(name))
    friday = MarketDay(url, universe_of("u", SYMBOLS, index="^NSEI"), session_of(date(2026, 11, 20))).begin()
    fetched = datetime(2026, 11, 20, 4, 0, 0, 123_000, tzinfo=UTC)
    friday.poll(friday.at(0), random_prices(friday.universe, 1), fetched_at=fetched, index=24000.1)
    friday.fail(friday.at(1), "no network")
    friday.poll(friday.at(2), {"A.NS": close_of("A.NS") + 1, "Z.NS": close_of("Z.NS")}, fetched_at=fetched)
    monday = friday.on(session_of(date(2026, 11, 23)))
    monday.fail(monday.at(0), "late", Outcome.SKIPPED)
    database = open_database(url, readonly=True)
    yield Reader(database), friday
    database.close()
    friday.close()
    monday.close()


def test_days_and_universes_include_those_without_a_snapshot(days):
    reader, _ = days
    assert reader.universes() == [
        {"name": "u", "first_date": FRIDAY, "latest_date": MONDAY, "days": 2, "timezone": "Asia/Kolkata"}
    ]
    assert reader.dates("u") == [MONDAY, FRIDAY]
    assert reader.latest_date("u") == MONDAY
    assert (reader.dates("none"), reader.latest_date("none")) == ([], None)
    assert reader.neighbours("u", FRIDAY) == (None, MONDAY)
    assert reader.neighbours("u", MONDAY) == (FRIDAY, None)
    assert reader.latest("u")["trade_date"] == FRIDAY, "the newest day that has a snapshot"
    assert reader.latest("u", MONDAY) is None


def test_a_series_has_every_poll_and_gaps_where_one_failed(days):
    reader, _ = days
    rows = reader.series("u", FRIDAY)
    assert [row["poll_time"][11:] for row in rows] == ["09:15:00", "09:20:00", "09:25:00"]
    assert [row["outcome"] for row in rows] == ["taken", "failed", "partial"]
    assert [row["advances"] is None for row in rows] == [False, True, False]
    assert rows[1]["reason"] == "no network"
    assert rows[0]["index_ltp"] == 24000.1
    assert rows[0]["fetched_at"] == "2026-11-20 04:00:00.123"
    assert reader.series("u", FRIDAY, after=rows[1]["poll_time"]) == rows[2:]
    assert reader.poll_count("u", FRIDAY) == 3
    assert [row["outcome"] for row in reader.polls("u", FRIDAY)] == ["taken", "failed", "partial"]
    assert reader.last_poll("u", MONDAY)["outcome"] == "skipped"


def test_stocks_come_with_name_and_sector_and_only_when_they_have_a_price(days):
    reader, day = days
    stocks = reader.stocks("u", FRIDAY, f"{FRIDAY} 09:25:00")
    assert [(row["symbol"], row["status"], row["name"]) for row in stocks] == [
        ("A.NS", "ADVANCE", "A.NS Limited"),
        ("Z.NS", "UNCHANGED", "Z.NS Limited"),
    ]
    assert stocks[0]["ltp"] == pytest.approx(close_of("A.NS") + 1, abs=1e-9)
    assert isinstance(stocks[0]["ltp"], float)
    assert len(reader.stock_day("u", FRIDAY, "A.NS")) == 2
    assert len(reader.stock_day("u", FRIDAY, "M&M.NS")) == 1
    assert reader.stock_day("u", FRIDAY, "' OR 1=1 --") == []
    assert [row["sector"] for row in reader.sectors("u", FRIDAY, f"{FRIDAY} 09:15:00")] == [
        "Sector 0", "Sector 1", "Sector 2",
    ]  # fmt: skip
    assert reader.snapshot("u", FRIDAY, f"{FRIDAY} 09:24:59") is None
    before = reader.snapshot("u", FRIDAY, f"{FRIDAY} 09:24:59", or_before=True)
    assert before["poll_time"] == f"{FRIDAY} 09:15:00"
    assert reader.session("u", FRIDAY)["session_open"] == f"{FRIDAY} 09:15:00"
    assert day.universe.name == "u"


def test_a_transaction_for_reading_sees_one_state_of_the_database(days):
    reader, day = days
    database = reader._database
    database.begin_reading()
    before = reader.series("u", FRIDAY)
    day.poll(day.at(3), random_prices(day.universe, 2))
    assert reader.series("u", FRIDAY) == before
    database.rollback()
    assert len(reader.series("u", FRIDAY)) == 4


def test_the_token_and_the_check_sum_change_when_rows_do_and_only_then(days):
    reader, day = days
    token = reader.version_token("u", FRIDAY)
    sums = reader.day_sum("u", FRIDAY, f"{FRIDAY} 09:25:00")
    assert reader.version_token("u", FRIDAY) == token
    day.poll(day.at(3), random_prices(day.universe, 2))
    assert reader.version_token("u", FRIDAY) != token
    assert reader.day_sum("u", FRIDAY, f"{FRIDAY} 09:25:00") == sums, "what was there is as it was"
    day.poll(day.at(0), random_prices(day.universe, 3))
    assert reader.day_sum("u", FRIDAY, f"{FRIDAY} 09:25:00") != sums, "a poll in the middle was written again"
