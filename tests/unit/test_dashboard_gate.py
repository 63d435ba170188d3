"""The dashboard's way to its databases."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import date

import pytest

from pipeline.dashboard.gate import Gate
from pipeline.dashboard.load import NotFound
from pipeline.dburl import DatabaseUrl
from pipeline.reader import Reader
from tests.market_day import MarketDay, random_prices, session_of, universe_of

DAY = "2026-11-20"


@pytest.fixture
def day(tmp_path):
    """A day with one poll."""
    url = DatabaseUrl("sqlite", path=tmp_path / "breadth.db")
    found = MarketDay(url, universe_of("u", ["A.NS", "B.NS"]), session_of(date.fromisoformat(DAY))).begin()
    found.poll(found.at(0), random_prices(found.universe, 1))
    yield found
    found.close()


def ask(gate: Gate, question):
    return asyncio.run(gate.ask(question))


def test_what_a_question_reads_is_of_one_moment(day):
    def torn(reader: Reader) -> tuple[int, list[str]]:
        polls = len(reader.polls("u", DAY))
        with closing(day.on(day.session)) as writer:  # which commits between two queries
            writer.poll(writer.at(polls), random_prices(writer.universe, 2))
        return polls, [row["outcome"] for row in reader.series("u", DAY)]

    def absent(reader: Reader) -> None:
        torn(reader)
        raise NotFound("unknown_symbol", "none")

    gate = Gate([day.url])
    assert ask(gate, torn) == (1, ["taken"])
    assert ask(gate, torn) == (2, ["taken"] * 2)
    for _ in range(3):  # on either connection
        with pytest.raises(NotFound):
            ask(gate, absent)
    assert ask(gate, torn) == (6, ["taken"] * 6), "the moment ends with the question, whatever its answer"
