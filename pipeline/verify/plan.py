"""A session's planned polls against those that the journal accounts for. Pure; the present instant is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline import agenda
from pipeline.model import Row, Session
from pipeline.session import local_text, session_grid
from pipeline.tables import SESSION
from pipeline.verify.report import Plan

RECORDED = "recording:"
CLOSE_GRACE = timedelta(minutes=30)
"""Delayed data: the closing poll is taken at close + stated delay + 1 minute."""
_FORM = "%Y-%m-%d %H:%M:%S"


def plan(source: str, session_row: Row | None, outcomes: Mapping[str, str], now: datetime) -> Plan:
    """`outcomes`: {poll time: outcome} of what the journal accounts for; `session_row`: of the last session record."""
    counts: dict[str, int] = {}
    for outcome in outcomes.values():
        counts[outcome] = counts.get(outcome, 0) + 1
    points = _points(source, session_row)
    if points is None:
        return Plan(source, None, counts, ())
    due, upcoming = _due(source, points, now)
    planned = set(map(local_text, points))
    missing = [text for text in map(local_text, due) if text not in outcomes]
    unplanned = sum(text not in planned for text in outcomes)
    return Plan(source, len(points), counts, missing, upcoming, unplanned)


def _points(source: str, row: Row | None) -> list[datetime] | None:
    """The grid; None when there is none to hold the journal against (no session, or polls at any time of the day)."""
    if row is None:
        return None
    facts = dict(zip(SESSION.column_names, row, strict=True))
    if not facts["session_open"] or not facts["session_close"] or not facts["interval_s"]:
        return None
    try:
        timezone = ZoneInfo(facts["timezone"])
    except (ZoneInfoNotFoundError, ValueError):
        return None
    opened, closed = (
        datetime.strptime(facts[name], _FORM).replace(tzinfo=timezone) for name in ("session_open", "session_close")
    )
    if closed - opened >= timedelta(hours=23):  # --any-time: the grid starts when the run does
        return None
    session = Session(date.fromisoformat(facts["trade_date"]), opened, closed, timezone)
    if source.startswith(RECORDED):
        return list(agenda.recording(session, facts["interval_s"], ()).due)
    return list(session_grid(session, facts["interval_s"]))


def _due(source: str, points: list[datetime], now: datetime) -> tuple[list[datetime], int]:
    """The points that must be accounted for by now, and how many are still to come. A recording's all are due."""
    if source.startswith(RECORDED):
        return points, 0
    due = [point for point, following in pairwise(points) if following <= now]
    if points and points[-1] + CLOSE_GRACE <= now:
        due.append(points[-1])
    return due, len(points) - len(due)
