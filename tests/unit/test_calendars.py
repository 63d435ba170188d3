"""Trading days and hours: against the days NSE traded, on the days that are special, beyond what is known."""

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from pipeline.calendars import Calendar
from pipeline.errors import ConfigError

NSE, NYSE = Calendar("NSE"), Calendar("NYSE")
TRADED = Path(__file__).parents[1] / "data" / "nse_trading_days.txt"


def actual_days():
    for line in TRADED.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            month, *days = line.split()
            yield from (date.fromisoformat(f"{month}-{day}") for day in days)


def hours(calendar, day):
    session = calendar.session_on(date.fromisoformat(day))
    return session and (f"{session.open:%H:%M}", f"{session.close:%H:%M}")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def user_calendar(tmp_path, text, name="NSE"):
    path = tmp_path / "days.csv"
    path.write_text(text, encoding="utf-8")
    return Calendar(name, path)


def test_nse_sessions_are_the_days_it_traded_from_2019_to_2026():
    actual = list(actual_days())
    span = (actual[-1] - actual[0]).days + 1
    ours = [day for n in range(span) if NSE.session_on(day := actual[0] + timedelta(days=n))]
    assert ours == actual


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-06-18", ("09:15", "15:30")),
        ("2026-07-31", ("09:15", "15:30")),
        ("2026-08-03", ("09:15", "15:35")),  # the closing auction session
        ("2026-02-01", ("09:15", "15:30")),  # a Sunday: budget
        ("2024-03-02", ("09:15", "12:30")),  # a Saturday: drill
        ("2022-10-24", ("18:15", "19:15")),  # Muhurat
        ("2025-10-21", ("13:45", "14:45")),  # Muhurat, by day
        ("2026-11-24", None),
        ("2026-11-28", None),
    ],
)
def test_nse_hours(day, expected):
    assert hours(NSE, day) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-11-25", ("09:30", "16:00")),
        ("2026-11-26", None),  # Thanksgiving
        ("2026-11-27", ("09:30", "13:00")),
        ("2026-07-03", None),
        ("2025-01-09", None),  # day of mourning
    ],
)
def test_nyse_hours_with_early_closes(day, expected):
    assert hours(NYSE, day) == expected


def test_new_york_opens_by_its_own_clock_on_both_sides_of_the_change_of_clocks():
    opens = [NYSE.session_on(date(2026, 3, day)).open.astimezone(UTC).time() for day in (6, 9)]
    assert opens == [time(14, 30), time(13, 30)]


def test_the_next_session_opens_strictly_later():
    friday_open = utc("2026-06-19 03:45")
    assert NSE.next_session(friday_open - timedelta(seconds=1)).open == friday_open
    assert NSE.next_session(friday_open).trade_date == date(2026, 6, 22)
    assert NSE.next_session(utc("2026-06-25 12:00")).trade_date == date(2026, 6, 29)  # a holiday and a weekend between
    assert NYSE.next_session(utc("2026-11-26 02:00")).trade_date == date(2026, 11, 27)  # 25 November, evening


@pytest.mark.parametrize(
    ("now", "is_open"),
    [("03:44:59", False), ("03:45:00", True), ("10:00:00", True), ("10:00:01", False)],
)
def test_a_session_is_current_from_open_to_close_inclusive(now, is_open):
    session = NSE.current_session(utc(f"2026-06-18 {now}"))
    assert (session is not None) is is_open


def test_any_time_is_the_exchanges_own_day_even_when_it_has_23_hours():
    session = NYSE.whole_day(utc("2026-03-08 12:00"))
    assert session.trade_date == date(2026, 3, 8)
    assert session.close.timestamp() - session.open.timestamp() == 23 * 3600
    assert NSE.whole_day(utc("2026-06-18 20:00")).trade_date == date(2026, 6, 19)


def test_beyond_what_it_knows_a_weekday_is_a_session_and_a_warning():
    assert NSE.warnings(date(2026, 11, 30)) == ()
    assert "ends with 2026-12-31, in 30 days" in NSE.warnings(date(2026, 12, 1))[0]
    assert "ends with 2030-12-31, in 0 days" in NYSE.warnings(date(2030, 12, 31))[0]
    for day in (date(2031, 3, 3), date(2009, 3, 2)):
        (warning,) = NSE.warnings(day)
        assert str(day) in warning
        assert "date,open,close,kind" in warning
        assert NSE.session_on(day)
        assert NSE.session_on(day - timedelta(days=1)) is None
    assert "checked" in NSE.warnings(date(2015, 6, 1))[0]
    assert NYSE.warnings(date(2035, 1, 3))
    assert NYSE.next_session(utc("2035-01-03 12:00")).trade_date == date(2035, 1, 3)


def test_a_users_file_adds_sessions_and_closes_days(tmp_path):
    lines = [
        "Date,Open,Close,Kind,Note",
        "2026-06-20,10:00,11:00,drill,x",
        "2026-06-22,,,holiday,y",
        "2031-03-03,,,Holiday",
    ]
    calendar = user_calendar(tmp_path, "\ufeff" + "\n".join(lines))
    assert hours(calendar, "2026-06-20") == ("10:00", "11:00")
    assert calendar.next_session(utc("2026-06-20 12:00")).trade_date == date(2026, 6, 23)
    assert calendar.session_on(date(2031, 3, 3)) is None
    assert calendar.warnings(date(2031, 3, 3)) == ()
    assert "days.csv" in calendar.warnings(date(2031, 3, 4))[0]
    assert calendar.warnings(date(2026, 12, 1)) == (), "the user knows what comes after"


def test_the_line_it_offers_closes_the_day(tmp_path):
    day = date(2026, 6, 22)
    assert NSE.session_on(day)
    assert user_calendar(tmp_path, f"date,open,close,kind\n{NSE.holiday_line(day)}\n").session_on(day) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"days\.csv line 1: no column 'date'"),
        ("date,open,close\n", r"line 1: no column 'kind'"),
        ("date,open,close,kind\n2026-13-01,,,holiday\n", r"line 2: date '2026-13-01' is not a date"),
        ("date,open,close,kind\n\n2026-06-20,9am,11:00,drill\n", r"line 3: time '9am' is not a time"),
        ("date,open,close,kind\n2026-06-20\n", r"line 2: time '' is not a time"),
        ("date,open,close,kind\n2026-06-20,11:00,10:00,x\n", r"line 2: open 11:00 is not before close 10:00"),
        (
            "date,open,close,kind\n2026-06-20,,,holiday\n2026-06-20,,,holiday\n",
            r"line 3: 2026-06-20 is given in line 2",
        ),
        ('date,open,close,kind\n2026-06-20,\x00,,holi"day\n', r"days\.csv"),
    ],
)
def test_a_users_file_that_cannot_be_read_names_its_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as error:
        user_calendar(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_users_file_that_is_missing_or_no_text_is_one_line(tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("absent.csv", "binary.csv", "."):
        with pytest.raises(ConfigError, match="cannot be read"):
            Calendar("NSE", tmp_path / name)


def test_an_unknown_calendar_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="'LSE' is unknown: use one of NSE, NYSE"):
        Calendar("LSE")


def test_a_calendar_imports_pandas_only_when_it_is_asked_for_a_day():
    code = "import sys, pipeline.calendars as c; c.Calendar('NSE'); print({'pandas', 'numpy'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "set()"
