"""A session's planned polls against those that the journal accounts for. Pure; the present instant is an argument."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from pipeline import agenda
from pipeline.model import Session
from pipeline.session import local_text, session_grid
from pipeline.verify.report import Plan

RECORDED = "recording:"
CLOSE_GRACE = timedelta(minutes=30)
"""Delayed data: the closing poll is taken at close + stated delay + 1 minute."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A session's record; `polled`: the poll times that were journaled from then until the next one's."""

    session: Session
    interval_s: int
    polled: Collection[str] = ()


def plan(source: str, sessions: Sequence[Planned], outcomes: Mapping[str, str], now: datetime) -> Plan:
    """`outcomes`: {poll time: outcome} of what the journal accounts for; `sessions`: of its records, oldest first."""
    counts: dict[str, int] = {}
    for outcome in outcomes.values():
        counts[outcome] = counts.get(outcome, 0) + 1
    points = _points(source, sessions)
    if not points:
        return Plan(source, None, counts, ())
    due = _due(source, points, now)
    planned = set(map(local_text, points))
    missing = [text for text in map(local_text, due) if text not in outcomes]
    unplanned = sum(text not in planned for text in outcomes)
    upcoming = len(planned.difference(outcomes, missing))
    return Plan(source, len(points), counts, missing, upcoming, unplanned)


def _points(source: str, sessions: Sequence[Planned]) -> list[datetime]:
    """The grids, ascending; none where the polls were at any time of a day: that grid starts when the run does.

    Of a live day each session's holds as far as polls were journaled when the next one began: a start accounts for what
    the plan before its own still had. A recording's last one says what it plays.
    """
    regular = [each for each in sessions if not each.session.whole_day]
    if source.startswith(RECORDED):
        return [point for each in regular[-1:] for point in agenda.recording(each.session, each.interval_s, ()).due]
    if not regular:
        return []
    points = set(session_grid(regular[-1].session, regular[-1].interval_s))
    for each in regular[:-1]:
        grid = {local_text(point): point for point in session_grid(each.session, each.interval_s)}
        reached = max(grid.keys() & set(each.polled), default="")
        points.update(point for text, point in grid.items() if text <= reached)
    return sorted(points)


def _due(source: str, points: list[datetime], now: datetime) -> list[datetime]:
    """The points that must be accounted for by now. A recording's all are."""
    if source.startswith(RECORDED):
        return points
    due = [point for point, following in pairwise(points) if following <= now]
    if points[-1] + CLOSE_GRACE <= now:
        due.append(points[-1])
    return due
