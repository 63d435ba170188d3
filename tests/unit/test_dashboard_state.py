"""Which state the page shows, told from stored rows, the pipeline's status and the clock alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.dashboard import columns
from pipeline.dashboard.columns import Clock
from pipeline.dashboard.load import View
from pipeline.dashboard.state import Hours, Pipeline, in_session, pipeline_of, state

OPEN, CLOSE = "2026-11-26T09:15:00+05:30", "2026-11-26T15:30:00+05:30"
NOON = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)  # 12:00 in India
RUNNING, DOWN, UNKNOWN = Pipeline("running"), Pipeline("down"), Pipeline("unknown")
NEXT = Hours(next_open="2026-11-27T09:15:00+05:30")


def view(**changes: Any) -> View:
    """Noon of an ordinary day: the 11:55 poll, five minutes apart, fetched four minutes ago."""
    session = {
        "timezone": "Asia/Kolkata", "open": OPEN, "close": CLOSE, "open_t": 33300, "close_t": 55800, "interval_s": 300,
        "source": "yahoo", "recorded": False, "latest": True,
    }  # fmt: skip
    market = {
        "t": 42900, "data_time": "2026-11-26 11:54:58", "fetched_utc": "2026-11-26T06:26:00.000Z", "delay_s": None,
        "coverage": 1.0, "backfilled": False,
    }  # fmt: skip
    poll = {"poll_time": "2026-11-26 11:55:00", "outcome": "taken", "reason": None}
    for key, value in changes.items():
        next(part for part in (session, market, poll) if key in part)[key] = value
    return View("u", "2026-11-26", Clock("2026-11-26", "Asia/Kolkata"), session, market, None, None, None, poll)


@pytest.mark.parametrize(
    ("expected", "shown", "pipeline", "now"),
    [
        ("live", view(), RUNNING, NOON),
        ("live", view(), UNKNOWN, NOON),
        ("delayed", view(delay_s=900), RUNNING, NOON),
        ("partial", view(outcome="partial"), RUNNING, NOON),
        ("partial", view(outcome="failed", reason="no network"), RUNNING, NOON),
        ("partial", view(coverage=0.5), RUNNING, NOON),
        ("live", view(coverage=0.5, t=33600), RUNNING, NOON),
        ("stale", view(), RUNNING, NOON + timedelta(minutes=7)),
        ("stale", view(delay_s=900, coverage=0.5), RUNNING, NOON + timedelta(minutes=7)),
        ("pipeline_down", view(), DOWN, NOON),
        ("closed", view(), DOWN, NOON + timedelta(hours=5)),
        ("closed", view(), RUNNING, NOON + timedelta(hours=5)),
        ("closed", view(latest=False), RUNNING, NOON),
        ("closed", view(recorded=True), DOWN, NOON),
        ("live", view(recorded=True), Pipeline("running", {"trade_date": "2026-11-26"}), NOON + timedelta(days=900)),
        ("closed", view(recorded=True), Pipeline("running", {"trade_date": "2026-11-27"}), NOON),
        ("no_data", None, RUNNING, NOON),
    ],
)
def test_the_first_condition_that_holds_names_the_state(expected, shown, pipeline, now):
    found = state(shown, pipeline, NEXT, now)
    assert found["name"] == expected
    assert found["text"]


def test_the_state_that_the_docs_show_is_one_that_occurs():
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    example = page.partition("**state**")[2].partition("\n\n")[2].partition("\n\n")[0]
    shown = view(
        t=36600, poll_time="2026-11-26 10:10:00", data_time="2026-11-26 09:55:01", delay_s=900, coverage=0.998,
        fetched_utc="2026-11-26T04:40:01.200Z",
    )  # fmt: skip
    found = state(shown, RUNNING, Hours(), datetime(2026, 11, 26, 4, 41, tzinfo=UTC))
    assert json.loads(example) == found | {"since_utc": "2026-11-26T04:00:02.118Z"}


def test_a_stale_delayed_thin_snapshot_says_all_three():
    found = state(view(delay_s=900, coverage=0.5), RUNNING, NEXT, NOON + timedelta(minutes=7))
    assert found["flags"] == ["stale", "partial", "delayed"]
    assert found["stale_after_s"] == 630


@pytest.mark.parametrize(
    ("outcome", "reason", "flags", "text"),
    [
        ("failed", "no network", ["failed", "partial"], "The last poll failed: no network"),
        ("skipped", None, ["failed", "partial"], "The last poll was skipped"),
        ("partial", None, ["partial"], "Not all stocks answered: 98 % covered"),
    ],
)
def test_a_poll_that_brought_nothing_is_told_from_one_that_lacks_stocks(outcome, reason, flags, text):
    found = state(view(outcome=outcome, reason=reason, coverage=0.98), RUNNING, NEXT, NOON)
    assert (found["name"], found["flags"], found["text"]) == ("partial", flags, text)


def test_a_database_that_cannot_be_reached_comes_before_everything():
    found = state(view(), DOWN, NEXT, NOON, problem="mysql:db: connection refused")
    assert (found["name"], found["database"]) == ("database_unreachable", "unreachable")
    assert found["message"] == "mysql:db: connection refused"
    assert "pipeline_down" in found["flags"]


def test_the_day_is_open_until_its_closing_poll_had_its_delay():
    after_close = datetime(2026, 11, 26, 10, 10, tzinfo=UTC)  # 15:40
    waits = view(delay_s=900, t=55500, fetched_utc="2026-11-26T10:00:00.000Z")
    assert state(waits, RUNNING, NEXT, after_close)["market"] == "open"
    done = view(delay_s=900, t=55800, fetched_utc="2026-11-26T10:00:00.000Z")
    assert state(done, RUNNING, NEXT, after_close)["name"] == "closed"


def test_closed_says_when_the_next_session_is_and_never_an_instant_that_has_passed():
    evening = NOON + timedelta(hours=5)
    assert state(view(), UNKNOWN, NEXT, evening)["next_open"] == NEXT.next_open
    assert state(view(), UNKNOWN, NEXT, evening + timedelta(days=2))["next_open"] is None
    told = Pipeline("running", {"phase": "closed", "next_open": "2026-11-30T09:15:00+05:30"})
    assert state(view(), told, NEXT, evening)["next_open"] == "2026-11-30T09:15:00+05:30"


def test_a_session_that_nobody_fetches_is_pipeline_down_although_the_newest_day_is_yesterday():
    today = Hours("2026-11-27T09:15:00+05:30", "2026-11-27T15:30:00+05:30", "2026-11-30T09:15:00+05:30")
    noon = NOON + timedelta(days=1)
    assert state(view(), DOWN, today, noon)["name"] == "pipeline_down"
    assert state(view(), UNKNOWN, today, noon)["name"] == "closed"


WHOLE = {"open": None, "close": None, "open_t": None, "close_t": None}
TODAY = Hours(OPEN, CLOSE, NEXT.next_open)
ANY_TIME = Pipeline("running", {"phase": "open", "trade_date": "2026-11-26"})
NIGHT = datetime(2026, 11, 26, 16, 45, tzinfo=UTC)  # 22:15 in India
AT_NIGHT = WHOLE | {"t": 80100, "fetched_utc": "2026-11-26T16:44:30.000Z"}


@pytest.mark.parametrize(
    ("expected", "market", "shown", "pipeline", "now"),
    [
        ("live", "open", view(**AT_NIGHT), ANY_TIME, NIGHT),
        ("closed", "closed", view(**AT_NIGHT), DOWN, NIGHT),
        ("closed", "closed", view(**AT_NIGHT), UNKNOWN, NIGHT),
        ("closed", "closed", view(**AT_NIGHT), Pipeline("running", {"phase": "closed"}), NIGHT),
        ("live", "open", view(**WHOLE), UNKNOWN, NOON),
        ("pipeline_down", "open", view(**WHOLE), DOWN, NOON),
    ],
)
def test_a_day_that_was_polled_at_any_time_says_nothing_of_the_markets_hours(expected, market, shown, pipeline, now):
    found = state(shown, pipeline, Hours() if pipeline.market else TODAY, now)
    assert (found["name"], found["market"]) == (expected, market)
    assert found["next_close"] == (CLOSE if market == "open" and pipeline.market is None else None)
    assert not in_session(shown, now), "the calendar has to be asked"


@pytest.mark.parametrize(
    ("opens", "closes", "times"),
    [
        ("2026-11-26 00:00:00", "2026-11-27 00:00:00", (None, None, None, None)),
        ("2026-11-26 09:15:00", "2026-11-26 15:30:00", (OPEN, CLOSE, 33300, 55800)),
    ],
)
def test_a_session_from_midnight_to_midnight_has_no_times(opens, closes, times):
    row = {"session_open": opens, "session_close": closes, "interval_s": 300, "source": "yahoo"}
    found = columns.session(row, Clock("2026-11-26", "Asia/Kolkata"), None)
    assert tuple(found[name] for name in ("open", "close", "open_t", "close_t")) == times
    assert found["interval_s"] == 300


@pytest.mark.parametrize(
    ("status", "age", "has_directory", "expected"),
    [
        (None, None, False, "unknown"),
        (None, None, True, "down"),
        ({"universe": "u", "state": "healthy"}, 1.0, True, "running"),
        ({"universe": "u", "state": "healthy"}, 11.0, True, "down"),
        ({"universe": "u", "state": "stopped"}, 1.0, True, "down"),
        ({"universe": "other", "state": "healthy"}, 1.0, True, "unknown"),
    ],
)
def test_the_status_file_says_whether_this_universes_pipeline_runs(status, age, has_directory, expected):
    assert pipeline_of(status, age, "u", has_directory=has_directory).running == expected
