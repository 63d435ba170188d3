"""Which polls are due: starts, restarts, late polls, the close, recordings."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import agenda
from pipeline.model import Session
from pipeline.session import grid, local_text, utc_text

IST = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-26 {text}").replace(tzinfo=IST)


SESSION = Session(date(2026, 11, 26), at("09:15"), at("15:35"), IST)


def past(*texts: str) -> agenda.Past:
    """The session was begun, and these polls are in the journal."""
    return agenda.Past(frozenset(local_text(at(text)) for text in texts), begun=True)


def times(instants) -> list[str]:
    return [f"{instant:%H:%M}" for instant in instants]


def test_open_and_close_are_grid_points_whatever_the_interval():
    points = list(grid(SESSION.open, SESSION.close, 3600))
    assert times(points) == ["09:15", "10:15", "11:15", "12:15", "13:15", "14:15", "15:15", "15:35"]


def test_a_start_before_the_open_has_every_poll_due():
    found = agenda.live(SESSION, 3600, at("09:00"), at("09:00"), agenda.Past())
    assert len(found.due) == 8
    assert found.missed == ()


def test_a_start_in_mid_session_waits_for_the_next_point_and_says_what_it_missed():
    found = agenda.live(SESSION, 3600, at("11:20"), at("11:20"), agenda.Past())
    assert times(found.missed) == ["09:15", "10:15", "11:15"]
    assert times(found.due)[0] == "12:15"


def test_a_start_seconds_after_the_open_still_takes_the_open():
    assert times(agenda.live(SESSION, 300, at("09:15:05"), at("09:15:07"), agenda.Past()).due)[0] == "09:15"
    assert times(agenda.live(SESSION, 300, at("09:16:30"), at("09:16:31"), agenda.Past()).missed) == ["09:15"]


def test_half_an_interval_after_the_open_is_too_late_for_it_and_no_other_point_is_taken_late():
    minute = 60
    for begin, missed in (("09:15:25", []), ("09:15:35", ["09:15"])):
        assert times(agenda.live(SESSION, minute, at(begin), at(begin), agenda.Past()).missed) == missed
    found = agenda.live(SESSION, 3600, at("11:15:20"), at("11:15:20"), agenda.Past())
    assert times(found.missed) == ["09:15", "10:15", "11:15"]
    assert times(found.due)[0] == "12:15"


def test_a_restart_takes_the_present_point_late_and_never_one_that_is_journaled():
    found = agenda.live(SESSION, 3600, at("12:40"), at("12:40"), past("09:15", "10:15", "11:15"))
    assert times(found.due)[0] == "12:15"
    found = agenda.live(SESSION, 3600, at("12:40"), at("12:40"), past("09:15", "10:15", "11:15", "12:15"))
    assert times(found.due)[0] == "13:15"
    assert found.missed == ()


def test_polls_at_any_time_of_the_day_do_not_begin_the_session():
    other = agenda.Past(frozenset({local_text(at("11:03:20"))}), begun=False)
    found = agenda.live(SESSION, 3600, at("12:40"), at("12:40"), other)
    assert times(found.missed) == ["09:15", "10:15", "11:15", "12:15"]
    assert times(found.due)[0] == "13:15"


def test_a_new_incarnation_of_the_run_keeps_the_grid_of_its_begin():
    found = agenda.live(SESSION, 3600, at("09:00"), at("12:40"), past("09:15"))
    assert times(found.due)[:3] == ["10:15", "11:15", "12:15"]


def test_a_start_after_the_close_completes_a_session_that_was_begun():
    found = agenda.live(SESSION, 3600, at("16:00"), at("16:00"), past("09:15", "10:15"))
    assert times(found.due) == ["15:35"]
    assert times(found.missed) == ["11:15", "12:15", "13:15", "14:15", "15:15"]


def test_a_recording_never_misses_a_point():
    found = agenda.recording(SESSION, 3600, {local_text(at("10:15"))})
    assert times(found.due) == ["11:15", "12:15", "13:15", "14:15", "15:15", "15:35"]


def test_any_time_starts_at_the_whole_second_and_ends_before_midnight():
    day = Session(date(2026, 11, 26), at("00:00"), at("00:00") + timedelta(days=1), IST)
    begin = at("23:59:50.5")
    found = agenda.any_time(day, 3, begin, agenda.Past())
    assert [f"{point:%H:%M:%S}" for point in found.due] == ["23:59:50", "23:59:53", "23:59:56", "23:59:59"]


def test_any_time_goes_on_with_its_own_polls_and_leaves_a_second_to_the_run_that_polled_it():
    day = Session(date(2026, 11, 26), at("00:00"), at("00:00") + timedelta(days=1), IST)
    taken = frozenset({"2026-11-26 23:59:50"})
    own = agenda.any_time(day, 3, at("23:59:50.5"), agenda.Past(taken, own=taken))
    other = agenda.any_time(day, 3, at("23:59:50.5"), agenda.Past(taken))
    assert [f"{point:%S}" for point in own.due] == ["53", "56", "59"]
    assert [f"{point:%S}" for point in other.due] == ["51", "54", "57"]


def test_polls_limit_the_due_ones():
    whole = agenda.live(SESSION, 3600, at("09:00"), at("09:00"), agenda.Past())
    assert times(agenda.first_polls(whole, 2).due) == ["09:15", "10:15"]
    assert [agenda.first_polls(whole, polls).cut for polls in (7, 8, 9)] == [True, False, False]


def test_delayed_data_has_its_close_after_the_stated_delay_and_a_minute():
    assert f"{agenda.closing_time(SESSION.close, 900):%H:%M}" == "15:51"
    assert agenda.closing_time(SESSION.close, 0) == SESSION.close


@pytest.mark.parametrize(("day", "number"), [(date(2026, 3, 8), 139), (date(2026, 11, 1), 145)])
def test_the_day_the_clock_changes_has_no_poll_twice(day, number):
    start = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
    points = list(grid(start, start + timedelta(days=1), 600))
    texts = [local_text(point) for point in points]
    assert len(set(texts)) == len(texts) == number
    instants = [point.timestamp() for point in points]
    assert len(set(instants)) == len(instants)


@given(st.integers(1, 20000), st.integers(0, 23000), st.sets(st.integers(0, 200)))
def test_due_and_missed_and_known_are_the_whole_grid(interval_s, begin_s, known_numbers):
    points = list(grid(SESSION.open, SESSION.close, interval_s))
    known = {local_text(points[n]) for n in known_numbers if n < len(points)}
    begin = SESSION.open + timedelta(seconds=begin_s)
    found = agenda.live(SESSION, interval_s, begin, begin, agenda.Past(frozenset(known)))
    accounted = sorted([*found.due, *found.missed])
    assert [local_text(p) for p in points if local_text(p) not in known] == [local_text(p) for p in accounted]
    assert list(found.due) == sorted(found.due)


def test_a_naive_instant_has_no_utc_text():
    with pytest.raises(ValueError, match="no time zone"):
        utc_text(datetime(2026, 1, 1))
