"""Which polls of a session are still to be taken, and when. Layer 1, pure.

A poll that is in the journal is never taken again. A grid point that passed is missed, except: the open, just after it
(cron starts at the open, a process needs seconds); the present point of a session that was begun before (a restart);
the close of such a session, at any later time of the day.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.model import Session
from pipeline.session import grid, local_text, session_grid

NOT_RUNNING, TOO_LATE = "the pipeline was not running", "its time passed before it could be taken"
"""Why a poll is skipped."""
OPEN_GRACE_S = 60
CLOSE_MARGIN_S = 60
"""Added to the delay that the source states before the closing poll is taken."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the journal knows of a session when a fetcher begins, poll times as local text.

    `known`: polls accounted for, also by runs at any time of the day; `own`: those that this run took, or was too late
    for; `begun`: whether this very session was begun; `plan`: the day's regular session and interval in seconds as the
    last run before this one had them.
    """

    known: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    begun: bool = False
    plan: tuple[Session, int] | None = None


@dataclass(frozen=True, slots=True)
class Agenda:
    """`due`: polls to take, ascending; `missed`: grid points that passed before this run; `cut`: more were due."""

    due: tuple[datetime, ...]
    missed: tuple[datetime, ...]
    cut: bool = False


def live(session: Session, interval_s: int, begin: datetime, now: datetime, past: Past) -> Agenda:
    """The agenda of a live session for a run that began at `begin`."""
    points = list(session_grid(session, interval_s))
    grace = timedelta(seconds=min(OPEN_GRACE_S, interval_s / 2))
    due: list[datetime] = []
    missed: list[datetime] = []
    for point, following in zip(points, [*points[1:], None], strict=True):
        if local_text(point) in past.known:
            continue
        at_open = point == session.open and begin - point <= grace
        present = past.begun and (following is None or now < following)
        (due if point >= begin or at_open or present else missed).append(point)
    return Agenda(tuple(due), tuple(missed))


def abandoned(session: Session, interval_s: int, now: datetime, past: Past) -> list[datetime]:
    """Polls of the day's former plan (other hours, another interval) that passed and that nobody accounts for."""
    if past.plan is None or past.plan == (session, interval_s):
        return []
    return [point for point in session_grid(*past.plan) if point <= now and local_text(point) not in past.known]


def skipped_line(instants: Sequence[datetime], reason: str) -> str:
    """What is said of polls that nobody takes, one or many, ascending."""
    first, last = local_text(instants[0]), local_text(instants[-1])
    if len(instants) == 1:
        return f"poll {first} skipped: {reason}"
    return f"{len(instants)} polls skipped ({first} to {last}): {reason}"


def any_time(session: Session, interval_s: int, begin: datetime, past: Past) -> Agenda:
    """From the whole second of `begin` to the end of the exchange's day, whether or not its market is open.

    A second that another run has polled is left to it.
    """
    start = begin.astimezone(session.timezone).replace(microsecond=0)
    while local_text(start) in past.known and local_text(start) not in past.own:
        start += timedelta(seconds=1)
    points = grid(start, session.close, interval_s)
    due = (point for point in points if point < session.close and local_text(point) not in past.known)
    return Agenda(tuple(due), ())


def recording(session: Session, interval_s: int, known: Collection[str]) -> Agenda:
    """Every grid point from one interval after the recording's start; none is ever missed."""
    step = timedelta(seconds=interval_s)
    start = min(session.open + step, session.close)
    points = grid(start, session.close, interval_s)
    return Agenda(tuple(point for point in points if local_text(point) not in known), ())


def first_polls(agenda: Agenda, polls: int) -> Agenda:
    """The agenda cut to its first `polls` due polls."""
    return Agenda(agenda.due[:polls], agenda.missed, len(agenda.due) > polls)


def closing_time(close: datetime, delay_s: int) -> datetime:
    """When the closing poll is taken: delayed data has the close only after the stated delay and a minute."""
    return close + timedelta(seconds=delay_s + CLOSE_MARGIN_S) if delay_s else close


def following(points: Sequence[datetime], index: int) -> datetime | None:
    return points[index + 1] if index + 1 < len(points) else None
