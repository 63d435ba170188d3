"""What the supervisor says to the fetcher, from what its children report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.fleet import Fleet
from pipeline.logs import Warnings
from pipeline.process import Child
from pipeline.supervisor import Supervisor

JOURNAL = {"id": "j1", "last_seq": 12}


class Told(Child):
    """One that reported `state`; `said`: the words it got."""

    def __init__(self, role: str, **state: Any) -> None:
        super().__init__(role, "module:function", None, log_level="info", queue_size=1)
        self.state = state
        self.said: list[str] = []

    def say(self, word: str) -> None:
        self.said.append(word)


@pytest.fixture
def serve() -> Iterator[Callable[..., list[str]]]:
    """Lets a supervisor with these writers look once; gives the words that the fetcher got."""
    made: list[Supervisor] = []

    def look(*writers: Told) -> list[str]:
        fetcher = Told("fetcher", journal=JOURNAL)
        fleet = Fleet("stream", fetcher, list(writers), None, 60.0)
        made.append(Supervisor(Settings(), fleet, Warnings(), SystemClock(), lambda _: None))
        made[-1]._serve()
        return fetcher.said

    yield look
    for each in made:
        os.close(each._wake_r)
        os.close(each._wake_w)


@pytest.mark.parametrize("cursors", [(5, 9), (9, 5)])
def test_only_what_every_database_has_may_be_pruned(serve, cursors):
    assert "prune j1 5" in serve(*(Told("writer", journal_id="j1", cursor=cursor) for cursor in cursors))


@pytest.mark.parametrize("other", [{}, {"journal_id": "j1"}, {"journal_id": "j0", "cursor": 9}])
def test_nothing_is_pruned_while_a_database_has_not_told_what_it_has_of_this_journal(serve, other):
    said = serve(Told("writer", journal_id="j1", cursor=5), Told("writer", **other))
    assert not [word for word in said if word.startswith("prune")]


def test_a_database_that_is_ahead_of_the_journal_asks_for_a_new_one(serve):
    assert "rotate j1" in serve(Told("writer", database="journal-behind", journal_id="j1"))
