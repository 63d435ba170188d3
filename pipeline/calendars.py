"""Trading days and hours of an exchange: exchange_calendars, corrected by dated data of our own. Layer 2.

The fetcher asks it, and `schedule` does; pandas and exchange_calendars are imported on the first question only.
For a date the first of these that says something holds: the user's file, `data/calendar/<exchange>.csv` (special
sessions, holidays), exchange_calendars; outside its range every weekday is taken as a session, and `warnings` says so.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TextIO
from zoneinfo import ZoneInfo

from pipeline.errors import ConfigError
from pipeline.model import Session

CalendarName = Literal["NSE", "NYSE"]
HOLIDAY = "holiday"
_COLUMNS = ("date", "open", "close", "kind")
_DAY = timedelta(days=1)
_AHEAD = timedelta(days=31)
"""How long before its end a calendar is said to end: time for a new release, or for the user's file."""
_FARTHEST = timedelta(days=60)  # no exchange rests longer; a search stops there


@dataclass(frozen=True, slots=True)
class Hours:
    """Open and close by the exchange's wall clock."""

    open: time
    close: time


@dataclass(frozen=True, slots=True)
class Exchange:
    """`base`: module and class of exchange_calendars. `first`, `last`: the range asked of it. `checked_from`: from here
    its days are known to be the actual ones."""

    timezone: ZoneInfo
    base: tuple[str, str]
    first: date
    last: date
    checked_from: date
    usual: Hours
    own_hours: bool


EXCHANGES = {
    "NSE": Exchange(
        timezone=ZoneInfo("Asia/Kolkata"),
        base=("exchange_calendars.exchange_calendar_xbom", "XBOMExchangeCalendar"),  # has no XNSE; same holidays
        first=date(2010, 10, 18),
        last=date(2030, 12, 31),
        checked_from=date(2019, 10, 1),
        usual=Hours(time(9, 15), time(15, 30)),
        own_hours=True,
    ),
    "NYSE": Exchange(
        timezone=ZoneInfo("America/New_York"),
        base=("exchange_calendars.exchange_calendar_xnys", "XNYSExchangeCalendar"),
        first=date(2010, 1, 1),
        last=date(2030, 12, 31),
        checked_from=date(2010, 1, 1),
        usual=Hours(time(9, 30), time(16, 0)),
        own_hours=False,
    ),
}


class Calendar:
    """The sessions of an exchange. All answers are by its own time zone; instants asked with must be aware."""

    def __init__(self, name: str, user_file: Path | None = None) -> None:
        """Raises ConfigError, naming file and line, for a user file that cannot be read."""
        if name not in EXCHANGES:
            raise ConfigError(f"calendar {name!r} is unknown: use one of {', '.join(EXCHANGES)}")
        self.name = name
        self._exchange = EXCHANGES[name]
        self._user = _read_user_file(user_file) if user_file else {}
        self._user_file = user_file

    @property
    def timezone(self) -> ZoneInfo:
        return self._exchange.timezone

    def session_on(self, day: date) -> Session | None:
        """The session of a date, or None when the exchange is closed."""
        hours = self._hours_on(day)
        if hours is None:
            return None
        opened, closed = (datetime.combine(day, at, self.timezone) for at in (hours.open, hours.close))
        return Session(day, opened, closed, self.timezone)

    def current_session(self, now: datetime) -> Session | None:
        """The session that is open at `now`: open <= now <= close."""
        session = self.session_on(now.astimezone(self.timezone).date())
        return session if session and session.open <= now <= session.close else None

    def next_session(self, after: datetime) -> Session | None:
        """The first session that opens after `after`; None when there is none within 60 days."""
        start = after.astimezone(self.timezone).date()
        sessions = (self.session_on(start + n * _DAY) for n in range(_FARTHEST.days))
        return next((session for session in sessions if session and session.open > after), None)

    def whole_day(self, now: datetime) -> Session:
        """The exchange's present day, midnight to midnight, as a session (`--any-time`)."""
        day = now.astimezone(self.timezone).date()
        opened, closed = (datetime.combine(at, time(), self.timezone) for at in (day, day + _DAY))
        return Session(day, opened, closed, self.timezone)

    def warnings(self, day: date) -> tuple[str, ...]:
        """What is doubtful about the answer for `day`: at most one line, with the remedy."""
        if day in self._user or day in self._own:
            return ()
        first, last = self._known_range
        remedy = (
            f"add its holidays and special sessions to {self._user_file or 'a calendar file'} ({','.join(_COLUMNS)})"
        )
        if not first <= day <= last:
            return (
                f"the {self.name} calendar knows the days from {first} to {last}: {day} is beyond it, every weekday is "
                f"taken as a session; {remedy}",
            )
        if (left := (last - day).days) < _AHEAD.days and last >= max(self._user, default=last):
            return (
                f"the {self.name} calendar ends with {last}, in {left} days: after it every weekday is taken as a "
                f"session; {remedy}",
            )
        if day < self._exchange.checked_from:
            return (
                f"the {self.name} calendar is checked against actual trading days from {self._exchange.checked_from}: "
                f"special sessions before it, as on {day}, may be missing; {remedy}",
            )
        return ()

    def holiday_line(self, day: date) -> str:
        """The line that closes `day` in a calendar file."""
        return f"{day.isoformat()},,,{HOLIDAY}"

    def _hours_on(self, day: date) -> Hours | None:
        for dated in (self._user, self._own):
            if day in dated:
                return dated[day]
        first, last = self._known_range
        if not first <= day <= last:
            return self._usual_hours(day) if day.weekday() < 5 else None
        stamp = day.isoformat()
        if not self._base.is_session(stamp):
            return None
        if self._exchange.own_hours:
            return self._usual_hours(day)
        opened, closed = (
            at.to_pydatetime().astimezone(self.timezone).time()
            for at in (self._base.session_open(stamp), self._base.session_close(stamp))
        )
        return Hours(opened, closed)

    def _usual_hours(self, day: date) -> Hours:
        applicable = [hours for since, hours in self._own_hours if since <= day]
        return applicable[-1] if applicable else self._exchange.usual

    @cached_property
    def _own(self) -> dict[date, Hours | None]:
        with _data(f"{self.name.lower()}.csv") as stream:
            return dict(_read_days(stream, f"data/calendar/{self.name.lower()}.csv"))

    @cached_property
    def _own_hours(self) -> list[tuple[date, Hours]]:
        if not self._exchange.own_hours:
            return []
        with _data(f"{self.name.lower()}_hours.csv") as stream:
            return [
                (date.fromisoformat(row["from"]), Hours(_clock(row["open"]), _clock(row["close"])))
                for row in csv.DictReader(stream)
            ]

    @cached_property
    def _base(self) -> Any:
        """The calendar of exchange_calendars, as far as it knows and we ask: it raises outside its range."""
        module, class_name = self._exchange.base
        base_class = getattr(import_module(module), class_name)
        bound = base_class.bound_max()
        last = self._exchange.last if bound is None else min(self._exchange.last, bound.date())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what exchange_calendars asks of pandas is not the user's affair
            return base_class(start=self._exchange.first.isoformat(), end=last.isoformat())

    @cached_property
    def _known_range(self) -> tuple[date, date]:
        return self._base.first_session.date(), self._base.last_session.date()


def _data(name: str) -> TextIO:
    return (Path(__file__).parent / "data" / "calendar" / name).open(encoding="utf-8", newline="")


def _read_user_file(path: Path) -> dict[date, Hours | None]:
    """{date: hours, or None for a holiday} of a CSV `date,open,close,kind`; other columns are ignored."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return dict(_read_days(stream, str(path)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"calendar file {path} cannot be read: {error}") from error


def _read_days(stream: TextIO, name: str) -> Iterator[tuple[date, Hours | None]]:
    reader = csv.DictReader(stream)
    reader.fieldnames = [column.strip().lower() for column in reader.fieldnames or ()]
    missing = [column for column in _COLUMNS if column not in reader.fieldnames]
    if missing:
        raise ConfigError(
            f"calendar file {name} line 1: no column {missing[0]!r}; the columns are {','.join(_COLUMNS)}"
        )
    seen: dict[date, int] = {}
    for row in reader:
        where = f"calendar file {name} line {reader.line_num}"
        try:
            day, hours = _read_day({column: (row[column] or "").strip() for column in _COLUMNS})
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error
        if day in seen:
            raise ConfigError(f"{where}: {day} is given in line {seen[day]} already; keep one of them")
        seen[day] = reader.line_num
        yield day, hours


def _read_day(row: dict[str, str]) -> tuple[date, Hours | None]:
    """A row's date and hours. Raises ValueError with the value and what is wanted."""
    try:
        day = date.fromisoformat(row["date"])
    except ValueError:
        raise ValueError(f"date {row['date']!r} is not a date like 2026-11-08") from None
    if row["kind"].lower() == HOLIDAY:
        return day, None
    hours = Hours(_clock(row["open"]), _clock(row["close"]))
    if hours.open >= hours.close:
        raise ValueError(f"open {row['open']} is not before close {row['close']}")
    return day, hours


def _clock(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()
    except ValueError:
        raise ValueError(f"time {text!r} is not a time like 09:15 (only kind {HOLIDAY!r} needs none)") from None
