"""One revision for a day, whatever moments its readers see."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import date

import pytest

from pipeline.dashboard.revisions import Revisions
from pipeline.dburl import DatabaseUrl
from pipeline.reader import Reader
from pipeline.sinks import open_database
from tests.market_day import MarketDay, random_prices, session_of, universe_of

DAY = "2026-11-20"


@pytest.fixture
def day(tmp_path):
    url = DatabaseUrl("sqlite", path=tmp_path / "breadth.db")
    found = MarketDay(url, universe_of("u", ["A.NS", "B.NS"]), session_of(date.fromisoformat(DAY))).begin()
    poll(found, 0)
    yield found
    found.close()


@pytest.fixture
def reader_now(day):
    """Makes a reader of the present moment; of that moment it stays."""
    with ExitStack() as opened:

        def now() -> Reader:
            database = opened.enter_context(closing(open_database(day.url, readonly=True)))
            database.begin_reading()
            found = Reader(database)
            found.universes()  # the first question is what fixes SQLite's moment
            return found

        yield now


def poll(day: MarketDay, number: int) -> None:
    day.poll(day.at(number), random_prices(day.universe, number))


def test_a_reader_of_an_older_moment_sees_the_same_revision_and_ends_none(day, reader_now):
    revisions = Revisions()
    first = revisions.of(reader_now(), "u", DAY)
    older = reader_now()
    poll(day, 1)
    newer = revisions.of(reader_now(), "u", DAY)
    late = revisions.of(older, "u", DAY)
    assert (late.number, late.last) == (first.number, first.last)
    poll(day, 2)
    newest = revisions.of(reader_now(), "u", DAY)
    assert first.number == newer.number == newest.number == revisions.number("u", DAY)


def test_an_older_moment_that_nobody_saw_is_a_revision_of_its_own_and_ends_none(day, reader_now):
    revisions = Revisions()
    older = reader_now()
    poll(day, 1)
    newer = revisions.of(reader_now(), "u", DAY)
    assert revisions.of(older, "u", DAY).number != newer.number
    assert revisions.of(reader_now(), "u", DAY).number == newer.number


def test_an_older_moment_has_the_revision_that_it_had_however_often_others_asked_since(day, reader_now):
    revisions = Revisions()
    first = revisions.of(reader_now(), "u", DAY)
    older = reader_now()
    poll(day, 1)
    for _ in range(40):
        revisions.of(reader_now(), "u", DAY)
    assert revisions.of(older, "u", DAY) == first


def test_the_moment_before_the_first_poll_has_revision_0(day, reader_now):
    revisions = Revisions()
    remove(day, 0)
    older = reader_now()
    poll(day, 0)
    assert revisions.of(reader_now(), "u", DAY).number
    assert revisions.of(older, "u", DAY).number == 0


def test_an_older_moment_with_a_poll_that_is_gone_never_has_the_number_of_what_is_left(day, reader_now):
    revisions = Revisions()
    poll(day, 1)
    both = revisions.of(reader_now(), "u", DAY)
    older = reader_now()
    remove(day, 1)
    left = revisions.of(reader_now(), "u", DAY)
    assert revisions.of(older, "u", DAY) == both
    assert left.number == revisions.number("u", DAY) != both.number


def remove(day: MarketDay, number: int) -> None:
    with closing(open_database(day.url, readonly=False)) as database:
        for table in ("pipeline_poll", "intraday_advance_decline"):
            assert database.execute(f"DELETE FROM {table} WHERE poll_time LIKE ?", (f"%{day.at(number):%H:%M:%S}",))


def test_a_day_that_lost_its_last_poll_is_another_revision(day, reader_now):
    poll(day, 1)
    revisions = Revisions()
    before = revisions.of(reader_now(), "u", DAY)
    remove(day, 1)
    after = revisions.of(reader_now(), "u", DAY)
    assert after.number not in (0, before.number)
    assert revisions.of(reader_now(), "u", DAY).number == after.number
