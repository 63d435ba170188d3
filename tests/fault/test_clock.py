"""The wall clock is turned under a live session: no poll twice, none unaccounted for, no hang."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.journal import JournalReader
from pipeline.model import Session
from pipeline.session import local_text, session_grid
from pipeline.wire import decode
from tests.harness import clocked
from tests.harness.clocked import play

ZONE = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")
OPEN = datetime(2026, 11, 26, 9, 15, tzinfo=ZONE)
SESSION = Session(date(2026, 11, 26), OPEN, OPEN + timedelta(hours=2), ZONE)
INTERVAL_S = 300
GRID = [local_text(point) for point in session_grid(SESSION, INTERVAL_S)]


@pytest.mark.parametrize("back", [timedelta(seconds=1), timedelta(minutes=7), timedelta(hours=3)])
@pytest.mark.parametrize("at_s", [0, 299, 3600])
def test_a_clock_set_back_doubles_no_poll_and_hangs_nothing(tmp_path, back, at_s):
    turns = [(OPEN + timedelta(seconds=at_s), -back)]
    balance, outcomes = play(tmp_path, SESSION, INTERVAL_S, OPEN - timedelta(seconds=30), turns)
    assert balance.clean, balance
    assert outcomes == dict.fromkeys(GRID, "taken")


def test_a_clock_set_forward_skips_what_passed_and_says_so_once(tmp_path, caplog):
    turns = [(OPEN + timedelta(minutes=20, seconds=10), timedelta(minutes=31))]
    balance, outcomes = play(tmp_path, SESSION, INTERVAL_S, OPEN, turns)
    assert balance.clean, balance
    assert list(outcomes) == GRID
    skipped = [text for text, outcome in outcomes.items() if outcome == "skipped"]
    assert skipped == GRID[5:10], "the points from 09:40 to 10:00 passed; 10:05 is taken until 10:10"
    assert set(outcomes.values()) == {"taken", "skipped"}
    (told,) = [message for message in caplog.messages if "skipped" in message]
    assert told == f"5 polls skipped ({GRID[5]} to {GRID[9]}): its time passed before it could be taken"


@pytest.mark.parametrize("day", [date(2026, 3, 8), date(2026, 11, 1)])
def test_a_whole_day_on_which_the_clock_changes_has_each_local_time_once(tmp_path, day):
    start = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
    session = Session(day, start, start + timedelta(days=1), NEW_YORK)
    balance, outcomes = play(tmp_path, session, 600, start - timedelta(seconds=5))
    assert set(outcomes.values()) == {"taken"}
    assert len(outcomes) == (139 if day.month == 3 else 145)
    if day.month == 11:
        assert balance.clean, balance


def test_a_restart_with_the_clock_set_back_takes_no_poll_again(tmp_path):
    half = OPEN + timedelta(hours=1)
    session = Session(SESSION.trade_date, OPEN, half, ZONE)
    play(tmp_path, session, INTERVAL_S, OPEN)
    balance, outcomes = play(tmp_path, SESSION, INTERVAL_S, half - timedelta(minutes=40))
    assert balance.clean, balance
    assert outcomes == dict.fromkeys(GRID, "taken")


def test_every_fetch_may_take_its_whole_time_that_of_the_delayed_close_too(tmp_path, monkeypatch):
    """A fetcher that is silent for longer than it announced is killed; the closing poll is taken again, later."""
    announced: list[float] = []
    fetches: list[tuple[float, float]] = []
    fetch = clocked._Source.fetch

    def delayed(source, symbols, index, instant, deadline):
        fetches.append((announced[-1], deadline - time.monotonic()))
        answer = fetch(source, symbols, index, instant, deadline)
        delay_s = 900 if instant == SESSION.close else None
        return replace(answer, quotes={name: replace(quote, delay_s=delay_s) for name, quote in answer.quotes.items()})

    monkeypatch.setattr(clocked._Reports, "allow", lambda reports, seconds: announced.append(seconds))
    monkeypatch.setattr(clocked._Source, "fetch", delayed)
    play(tmp_path, SESSION, INTERVAL_S, OPEN)
    assert len(fetches) == len(GRID) + 1
    assert all(silence > budget for silence, budget in fetches), fetches[-1]


def test_what_passed_is_journaled_before_a_delayed_close_is_waited_for(tmp_path, monkeypatch):
    fetch = clocked._Source.fetch

    def delayed(source, symbols, index, instant, deadline):
        answer = fetch(source, symbols, index, instant, deadline)
        return replace(answer, quotes={name: replace(quote, delay_s=900) for name, quote in answer.quotes.items()})

    monkeypatch.setattr(clocked._Source, "fetch", delayed)
    asleep = [(OPEN + timedelta(minutes=20, seconds=10), SESSION.close - OPEN - timedelta(minutes=19))]
    play(tmp_path, SESSION, INTERVAL_S, OPEN, asleep, limit=1500)  # is told to stop while it waits
    with closing(JournalReader(tmp_path)) as reader:
        polled = [
            row[2:4] for entry in reader.entries() for row in decode(entry.payload).tables.get("pipeline_poll", ())
        ]
    assert polled == [(text, "taken" if text in GRID[:5] else "skipped") for text in GRID[:-1]]
