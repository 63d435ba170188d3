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

OPEN_GRACE_S = 60
CLOSE_MARGIN_S = 60
"""Added to the delay that the source states before the closing poll is taken."""


@dataclass(frozen=True, slots=True)
class Agenda:
    """`due`: polls to take, ascending; `missed`: grid points that passed before this run; `planned`: the whole grid."""

    planned: int
    due: tuple[datetime, ...]
    missed: tuple[datetime, ...]


def live(session: Session, interval_s: int, begin: datetime, now: datetime, known: Collection[str]) -> Agenda:
    """The agenda of a live session for a run that began at `begin`; `known`: poll times (local text) in the journal."""
    points = list(session_grid(session, interval_s))
    grace = timedelta(seconds=min(OPEN_GRACE_S, interval_s / 2))
    due: list[datetime] = []
    missed: list[datetime] = []
    for point, following in zip(points, [*points[1:], None], strict=True):
        if local_text(point) in known:
            continue
        at_open = point == session.open and begin - point <= grace
        present = bool(known) and (following is None or now < following)
        (due if point >= begin or at_open or present else missed).append(point)
    return Agenda(len(points), tuple(due), tuple(missed))


def any_time(session: Session, interval_s: int, begin: datetime, polls: int | None, known: Collection[str]) -> Agenda:
    """From the whole second of `begin` to the end of the exchange's day, whether or not its market is open."""
    start = begin.astimezone(session.timezone).replace(microsecond=0)
    points = [point for point in grid(start, session.close, interval_s) if point < session.close]
    points = points[:polls]
    return Agenda(len(points), tuple(point for point in points if local_text(point) not in known), ())


def recording(session: Session, interval_s: int, known: Collection[str]) -> Agenda:
    """Every grid point from one interval after the recording's start; none is ever missed."""
    step = timedelta(seconds=interval_s)
    start = min(session.open + step, session.close)
    points = list(grid(start, session.close, interval_s))
    return Agenda(len(points), tuple(point for point in points if local_text(point) not in known), ())


def first_polls(agenda: Agenda, polls: int | None) -> Agenda:
    """The agenda cut to its first `polls` due polls."""
    if polls is None or polls >= len(agenda.due):
        return agenda
    return Agenda(polls, agenda.due[:polls], agenda.missed)


def closing_time(close: datetime, delay_s: int) -> datetime:
    """When the closing poll is taken: delayed data has the close only after the stated delay and a minute."""
    return close + timedelta(seconds=delay_s + CLOSE_MARGIN_S) if delay_s else close


def following(points: Sequence[datetime], index: int) -> datetime | None:
    return points[index + 1] if index + 1 < len(points) else None
