"""The dashboard's way to its databases."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date

import pytest

from pipeline.dashboard import gate as gates
from pipeline.dashboard.channel import Channel
from pipeline.dashboard.feed import Feed
from pipeline.dashboard.gate import Busy, Gate, Unreachable
from pipeline.dashboard.load import NotFound
from pipeline.dburl import DatabaseUrl
from pipeline.reader import Reader
from pipeline.sinks import open_database
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


def run(coroutine):
    """On a loop of its own in a thread of its own: where a browser is driven, this one has a loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def ask(gate: Gate, question):
    return run(gate.ask(question))


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


def test_an_answer_that_is_long_to_prepare_is_waited_for_and_so_are_the_questions_behind_it(day):
    def long(reader: Reader) -> int:
        found = len(reader.polls("u", DAY))
        time.sleep(1.3)
        return found

    async def three() -> list[int]:
        gate = Gate([day.url], timeout_s=0.6)
        return await asyncio.gather(*(gate.ask(long) for _ in range(3)))  # by two threads

    assert run(three()) == [1, 1, 1]


def test_an_answer_that_takes_too_long_to_prepare_is_busy_and_no_fault_of_the_database(day, monkeypatch):
    monkeypatch.setattr(gates, "PATIENCE_S", {"page": 0.2})
    with pytest.raises(Busy, match=r"not ready within 0\.2 s"):
        ask(Gate([day.url]), lambda reader: time.sleep(1))


def test_a_query_without_an_answer_makes_the_database_unreachable_to_all_who_wait(day):
    thawed = threading.Event()

    def frozen(url: DatabaseUrl):
        database = open_database(url, readonly=True)
        answer = database.query
        database.query = lambda *arguments: (thawed.wait(20), answer(*arguments))[1]
        return database

    async def three() -> list[object]:
        gate = Gate([day.url], opener=frozen, timeout_s=0.3)
        asked = (gate.ask(lambda reader: reader.polls("u", DAY)) for _ in range(3))
        return await asyncio.gather(*asked, return_exceptions=True)

    try:
        for problem in run(three()):
            assert isinstance(problem, Unreachable)
            assert "did not answer within 0.3 s" in str(problem)
    finally:
        thawed.set()


def test_a_hung_database_is_told_at_once_to_those_who_ask_later(day):
    thawed = threading.Event()

    def frozen(url: DatabaseUrl):
        thawed.wait(20)
        return open_database(url, readonly=True)

    gate = Gate([day.url], opener=frozen, timeout_s=0.2)
    try:
        for _ in range(gates.WAITING_MAX + 2):  # the first wait, and none of them stays in the lane
            with pytest.raises(Unreachable):
                ask(gate, lambda reader: reader.polls("u", DAY))
    finally:
        thawed.set()


def test_what_viewers_have_stays_while_an_answer_is_not_ready_and_that_is_told_once(caplog, monkeypatch):
    monkeypatch.setattr(Feed, "_refresh_states", lambda feed: None)

    class Slow:
        async def ask(self, question, lane):
            raise Busy("the answer was not ready within 10 s")

    feed = Feed(Slow(), None, None)
    shown, new = Channel("u", "u", None, state={}), Channel("v", "v", None)
    for _ in range(3):
        run(feed._look_at_database([shown]))
    assert feed.problem is None
    assert caplog.text.count("not ready within 10 s") == 1
    run(feed._look_at_database([shown, new]))
    assert feed.problem == "the answer was not ready within 10 s", "a viewer who has nothing yet is told why"
