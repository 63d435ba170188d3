"""What meets on one day: a regular session, polls at any time, restarts, a pruned journal, another interval."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline import schema
from pipeline.dburl import DatabaseUrl
from pipeline.drain import Drain
from pipeline.journal import Journal, JournalReader
from pipeline.model import Answer, Session
from pipeline.session import local_text, session_grid
from pipeline.sinks import open_sink
from pipeline.verify import reconcile
from pipeline.verify.report import Plan
from pipeline.wire import decode
from tests.harness import clocked
from tests.harness.clocked import play

ZONE = ZoneInfo("Asia/Kolkata")
OPEN = datetime(2026, 11, 26, 9, 15, tzinfo=ZONE)
SESSION = Session(date(2026, 11, 26), OPEN, OPEN + timedelta(hours=2), ZONE)
MIDNIGHT = datetime.combine(SESSION.trade_date, time(), ZONE)
WHOLE_DAY = Session(SESSION.trade_date, MIDNIGHT, MIDNIGHT + timedelta(days=1), ZONE)
GRID = [local_text(point) for point in session_grid(SESSION, 300)]
BEFORE = OPEN - timedelta(seconds=30)
IN_SESSION = OPEN + timedelta(minutes=47)


def sessions(directory) -> list[tuple]:
    """(open, close, interval) of the day's session records, in the journal's order: the last one holds."""
    with contextlib.closing(JournalReader(directory)) as reader:
        records = [decode(entry.payload) for entry in reader.entries()]
    return [row[3:6] for record in records for row in record.tables.get("pipeline_session", ())]


def once(directory, at: datetime) -> None:
    play(directory, WHOLE_DAY, 300, at, any_time=True, once=True)


def test_a_poll_at_any_time_before_the_first_regular_start_begins_no_session(tmp_path):
    once(tmp_path, OPEN + timedelta(minutes=41, seconds=3))
    _, outcomes = play(tmp_path, SESSION, 300, IN_SESSION)
    assert [outcomes[text] for text in GRID[:11]] == ["skipped"] * 10 + ["taken"]
    assert outcomes.pop(local_text(OPEN + timedelta(minutes=41, seconds=3))) == "taken"
    assert list(outcomes) == GRID


@pytest.mark.parametrize("first", [True, False])
def test_a_regular_session_is_the_days_whatever_is_polled_at_any_time(tmp_path, first):
    at = OPEN + timedelta(minutes=41, seconds=3)
    if first:
        once(tmp_path, at)
    play(tmp_path, SESSION, 300, BEFORE, limit=400)
    once(tmp_path, at + timedelta(seconds=30))
    play(tmp_path, SESSION, 300, IN_SESSION)
    found = sessions(tmp_path)
    assert len(found) == 1 + first
    assert found[-1] == (local_text(SESSION.open), local_text(SESSION.close), 300)


def test_the_interval_of_the_last_start_holds_and_a_restart_alone_adds_no_session(tmp_path):
    for interval_s, minute in ((300, 0), (600, 26), (600, 40), (300, 60)):
        play(tmp_path, SESSION, interval_s, OPEN + timedelta(minutes=minute), limit=900)
    assert [row[2] for row in sessions(tmp_path)] == [300, 600, 300]


def test_a_restart_after_a_prune_knows_every_poll_of_the_day(tmp_path):
    play(tmp_path, SESSION, 300, BEFORE, limit=2700)
    journal = Journal.open(tmp_path, "clocked", clock=lambda: OPEN + timedelta(days=30))
    assert journal.prune(journal.last_seq, timedelta(0)) == 0
    journal.close()
    balance, outcomes = play(tmp_path, SESSION, 300, IN_SESSION)
    assert balance.clean, balance
    assert outcomes == dict.fromkeys(GRID, "taken")


def test_a_run_of_some_polls_that_starts_again_takes_only_what_is_left_of_them(tmp_path):
    play(tmp_path, SESSION, 300, BEFORE, limit=700, polls=5)
    _, outcomes = play(tmp_path, SESSION, 300, BEFORE, polls=5)
    assert list(outcomes) == GRID[:5]
    _, outcomes = play(tmp_path, SESSION, 300, IN_SESSION, polls=2)
    assert list(outcomes) == GRID[:11]
    assert [text for text in GRID[5:11] if outcomes[text] == "taken"] == GRID[9:11]


@pytest.mark.parametrize(("lost", "outcome"), [((), "taken"), ((1,), "taken"), ((0, 1), "failed")])
def test_what_was_fetched_at_the_close_stays_when_the_source_is_gone_a_delay_later(
    tmp_path, monkeypatch, lost, outcome
):
    """`lost`: which of the two fetches of the closing poll are not answered."""
    fetch = clocked._Source.fetch
    closing: list[int] = []

    def delayed(source, symbols, index, instant, deadline):
        answer = fetch(source, symbols, index, instant, deadline)
        if instant != SESSION.close:
            return answer
        closing.append(len(closing))
        if closing[-1] in lost:
            return Answer({}, missing=frozenset(symbols), reason="no network")
        return replace(answer, quotes={name: replace(each, delay_s=60) for name, each in answer.quotes.items()})

    monkeypatch.setattr(clocked._Source, "fetch", delayed)
    _, outcomes = play(tmp_path, SESSION, 300, BEFORE)
    assert outcomes[GRID[-1]] == outcome
    assert len(closing) == (1 if 0 in lost else 2)


@pytest.mark.parametrize("answered", [True, False])
def test_only_answers_without_a_trade_make_a_holiday_likely(tmp_path, monkeypatch, caplog, answered):
    fetch = clocked._Source.fetch

    def quiet(source, symbols, index, instant, deadline):
        if not answered:
            return Answer({}, missing=frozenset(symbols), reason="no network")
        answer = fetch(source, symbols, index, instant, deadline)
        old = int(OPEN.timestamp()) - 5 * 86400
        return replace(answer, quotes={name: replace(each, trade_time=old) for name, each in answer.quotes.items()})

    monkeypatch.setattr(clocked._Source, "fetch", quiet)
    monkeypatch.setattr("pipeline.market.Market.holiday_hint", lambda market: "holiday?")
    play(tmp_path, SESSION, 300, BEFORE)
    assert caplog.text.count("holiday?") == answered


def verified(directory: Path, now: datetime) -> Plan:
    (day,) = reconcile(directory, [], now).days
    (plan,) = day.plans
    return plan


def test_a_restart_with_another_interval_accounts_for_what_the_former_one_still_planned(tmp_path):
    play(tmp_path, SESSION, 300, OPEN, polls=5)
    restart = OPEN + timedelta(minutes=91)
    _, outcomes = play(tmp_path, SESSION, 1800, restart)
    taken = [*GRID[:5], local_text(OPEN + timedelta(minutes=90)), GRID[-1]]
    passed = [text for text in GRID[5:] if text <= local_text(restart)]
    assert outcomes == dict.fromkeys(passed, "skipped") | dict.fromkeys(taken, "taken")
    plan = verified(tmp_path, SESSION.close + timedelta(days=1))
    assert (plan.planned, plan.unplanned, list(plan.missing)) == (len(outcomes), 0, [])


@pytest.mark.parametrize("ahead", ["any time", "regular"])
def test_polls_of_a_clock_that_was_ahead_lengthen_no_former_plan(tmp_path, ahead):
    """The clock is an hour ahead at the first start, and right from then on; the interval changes twice."""
    if ahead == "any time":
        once(tmp_path, OPEN + timedelta(minutes=62, seconds=30))
    else:
        play(tmp_path, SESSION, 300, OPEN + timedelta(minutes=60), limit=1500)
    play(tmp_path, SESSION, 60, OPEN + timedelta(minutes=5), polls=4)
    play(tmp_path, SESSION, 300, OPEN + timedelta(minutes=11))
    plan = verified(tmp_path, OPEN + timedelta(days=1))
    assert (list(plan.missing), plan.unplanned) == ([], 1 if ahead == "any time" else 0)


def test_what_was_pruned_of_a_day_begun_at_any_time_is_no_row_too_many(tmp_path):
    at = OPEN + timedelta(minutes=41, seconds=3)
    once(tmp_path, at)
    play(tmp_path, SESSION, 300, IN_SESSION)
    later = timedelta(days=1)
    play(tmp_path, Session(SESSION.trade_date + later, OPEN + later, SESSION.close + later, ZONE), 300, OPEN + later)
    url = DatabaseUrl("sqlite", path=tmp_path / "breadth.db")
    schema.ensure(url, create=True)
    drain = Drain(JournalReader(tmp_path), open_sink(url))
    while drain.step():
        pass
    drain.close()
    with contextlib.closing(
        Journal.open(tmp_path, "clocked", clock=lambda: at + timedelta(minutes=3, days=7))
    ) as journal:
        assert journal.prune(journal.last_seq, timedelta(days=7)) == 2  # the session and the poll, not what was skipped
    report = reconcile(tmp_path, [url], OPEN + timedelta(days=2))
    assert report.agrees, report.as_json()


def test_polls_at_any_time_leave_what_the_day_lacks_as_it_is(tmp_path):
    play(tmp_path, SESSION, 300, OPEN, polls=5)
    night = OPEN.replace(hour=20)
    once(tmp_path, night)
    plan = verified(tmp_path, night)
    assert (plan.planned, plan.unplanned) == (len(GRID), 1)
    assert list(plan.missing) == GRID[5:]


def test_a_day_of_polls_at_any_time_alone_has_no_plan_to_be_held_against(tmp_path):
    once(tmp_path, IN_SESSION)
    plan = verified(tmp_path, IN_SESSION)
    assert (plan.planned, plan.outcomes, plan.agrees) == (None, {"taken": 1}, True)
