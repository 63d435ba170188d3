"""When the polls of a recording are due."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline.market import RecordingPace

START = datetime(2023, 4, 5, 9, 30, tzinfo=ZoneInfo("Asia/Kolkata"))
POINTS = [START + timedelta(minutes=15 * number) for number in range(20)]


def test_a_hole_in_a_recorded_day_is_played_and_then_the_rest_without_waiting_for_what_is_there():
    due = [POINTS[2], POINTS[3], *POINTS[15:]]
    pace = RecordingPace(due, 900, speed=1.0)
    waits = [round(pace.seconds_until(point) / 900, 2) for point in due]
    assert waits == [1, 2, 3, 4, 5, 6, 7]
    assert not pace.passed(POINTS[15])


def test_at_full_speed_every_poll_is_due_at_once():
    assert {RecordingPace(POINTS, 900, speed=None).seconds_until(point) for point in POINTS} == {0.0}
