"""What a run polls, and when: source, universe, calendar, session and pace put together. Layer 3.

Runs in the fetcher, which is the only process that evaluates the calendar (it imports pandas) and reports it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from pipeline import agenda, universes
from pipeline.calendars import Calendar, CalendarName
from pipeline.clock import Clock
from pipeline.config import Settings
from pipeline.model import Session, Universe
from pipeline.sources import Source

DEFAULT_INTERVAL_S = 300
LEAST_BUDGET_S = 1.0
RECORDING_BUDGET_S = 60.0
log = logging.getLogger(__name__)


class Pace(Protocol):
    def seconds_until(self, instant: datetime) -> float: ...

    def passed(self, following: datetime | None) -> bool:
        """Whether the next poll is due already, so that the present one is missed."""
        ...

    def budget_s(self, following: datetime | None, interval_s: int) -> float:
        """Seconds a fetch may take."""
        ...


class LivePace:
    """Instants are due by the wall clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def seconds_until(self, instant: datetime) -> float:
        return (instant - self._clock.now()).total_seconds()

    def passed(self, following: datetime | None) -> bool:
        return following is not None and self.seconds_until(following) <= 0

    def budget_s(self, following: datetime | None, interval_s: int) -> float:
        left = interval_s if following is None else self.seconds_until(following)
        return max(LEAST_BUDGET_S, min(left, interval_s) * 0.9)


class RecordingPace:
    """Instants are due `speed` times as fast as they were; none is ever missed. Speed None: at once.

    Polls that are in the journal already take no time: what a hole lacks is played, and then the rest.
    """

    def __init__(self, due: Sequence[datetime], interval_s: int, speed: float | None) -> None:
        self._speed = speed
        self._offsets_s: dict[datetime, float] = {}
        passed_s = 0.0
        for before, instant in zip((None, *due), due, strict=False):
            gap_s = interval_s if before is None else (instant - before).total_seconds()
            passed_s += min(gap_s, interval_s)
            self._offsets_s[instant] = passed_s
        self._start = time.monotonic()

    def seconds_until(self, instant: datetime) -> float:
        if self._speed is None:
            return 0.0
        return self._start + self._offsets_s[instant] / self._speed - time.monotonic()

    def passed(self, following: datetime | None) -> bool:
        return False

    def budget_s(self, following: datetime | None, interval_s: int) -> float:
        return RECORDING_BUDGET_S


@dataclass(slots=True)
class Market:
    """`session` None: closed, nothing to poll. `next_open`: when the market opens after that session, or, without one,
    the next time; as far as the calendar knows."""

    settings: Settings
    source: Source
    universe: Universe
    index: str | None
    begin: datetime
    calendar_name: str
    calendar: Calendar | None
    session: Session | None
    next_open: datetime | None
    interval_s: int
    pace: Pace = field(init=False)

    @property
    def live(self) -> bool:
        return self.source.live

    def agenda(self, past: agenda.Past, clock: Clock) -> agenda.Agenda:
        """The polls that this run still takes; sets the pace."""
        assert self.session is not None
        settings, session, interval_s = self.settings, self.session, self.interval_s
        polls = 1 if settings.once else settings.polls
        if not self.live:
            found = agenda.recording(session, interval_s, past.known)
        elif settings.any_time:
            found = agenda.any_time(session, interval_s, self.begin, past)
        else:
            found = agenda.live(session, interval_s, self.begin, clock.now(), past)
        if polls is not None:
            found = agenda.first_polls(found, max(0, polls - len(past.own)))
        self.pace = LivePace(clock) if self.live else RecordingPace(found.due, interval_s, settings.speed)
        return found

    def phase(self, now: datetime) -> str:
        if self.session is None:
            return "closed"
        if not self.live or self.settings.any_time:
            return "open"
        if now < self.session.open:
            return "waiting"
        return "open" if now <= self.session.close else "closed"

    def report(self, now: datetime) -> dict[str, Any]:
        """`market`, `interval_s` and `source` of the status; while a session is waited for it is the `next_open`."""
        session, phase = self.session, self.phase(now)
        next_open = session.open if session and phase == "waiting" else self.next_open
        timezone = session.timezone if session else self.calendar.timezone if self.calendar else None
        return {
            "market": {
                "calendar": self.calendar_name,
                "timezone": timezone.key if timezone else None,
                "phase": phase,
                "trade_date": session.trade_date.isoformat() if session else None,
                "session_open": session.open.isoformat() if session else None,
                "session_close": session.close.isoformat() if session else None,
                "next_open": next_open.isoformat() if next_open else None,
            },
            "interval_s": self.interval_s,
            "source": self.source.name,
        }

    def closed_line(self) -> str:
        """`NSE is closed; the next session opens Fri 2026-11-27 09:15 IST.`"""
        if self.next_open is None:
            return f"{self.calendar_name} is closed; the calendar knows no next session"
        return f"{self.calendar_name} is closed; the next session opens {self.next_open:%a %Y-%m-%d %H:%M %Z}"

    def holiday_hint(self) -> str:
        """The warning of a session in which nothing trades, with the line that would close the day."""
        assert self.session is not None
        day = self.session.trade_date
        line = self.calendar.holiday_line(day) if self.calendar else ""
        return (
            f"nothing has traded since the open: is {day} a holiday? If so, add the line {line!r} to the file of "
            "--calendar-file (its first line is date,open,close,kind)"
        )


def open_market(
    settings: Settings,
    source: Source,
    universe: Universe | None,
    begin: datetime,
    clock: Clock,
    unfinished: Callable[[str, Session, str], bool],
) -> Market:
    """The market of a run that began at `begin`. Raises UsageError or ConfigError for what can never work.

    `unfinished(universe, session, source)`: whether the journal has that session without its closing poll; such a
    session is completed by a start later on its day.
    """
    universe = universe or cast(Any, source).universe
    if not source.live:
        return _recorded(settings, source, universe, begin)
    name, doubts = (settings.calendar, ()) if settings.calendar else universes.default_calendar(universe)
    calendar = Calendar(cast(CalendarName, name), settings.calendar_file)
    now = clock.now()
    for warning in (*doubts, *calendar.warnings(now.astimezone(calendar.timezone).date())):
        log.warning("%s", warning)
    session = _session(settings, calendar, begin, lambda found: unfinished(universe.name, found, source.name))
    upcoming = calendar.next_session(max(now, session.open) if session else now)
    return Market(
        settings=settings,
        source=source,
        universe=universe,
        index=_index(settings, universe),
        begin=begin,
        calendar_name=calendar.name,
        calendar=calendar,
        session=session,
        next_open=upcoming.open if upcoming else None,
        interval_s=settings.interval_s or DEFAULT_INTERVAL_S,
    )


def _recorded(settings: Settings, source: Source, universe: Universe, begin: datetime) -> Market:
    recording = cast(Any, source)
    return Market(
        settings=settings,
        source=source,
        universe=universe,
        index=None if settings.index == "auto" else _index(settings, universe),
        begin=begin,
        calendar_name=recording.calendar,
        calendar=None,
        session=recording.session,
        next_open=None,
        interval_s=settings.interval_s or recording.interval_s,
    )


def _session(
    settings: Settings, calendar: Calendar, begin: datetime, unfinished: Callable[[Session], bool]
) -> Session | None:
    if settings.any_time:
        return calendar.whole_day(begin)
    current = calendar.current_session(begin)
    if current is not None:
        return current
    today = calendar.session_on(begin.astimezone(calendar.timezone).date())
    if today is not None and today.close < begin and unfinished(today):
        return today
    upcoming = calendar.next_session(begin)
    if upcoming is not None and upcoming.open - begin <= timedelta(seconds=settings.wait_s):
        return upcoming
    return None


def _index(settings: Settings, universe: Universe) -> str | None:
    if settings.index == "auto":
        return universe.index
    return None if settings.index == "none" else settings.index
