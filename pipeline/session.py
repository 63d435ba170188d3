"""The poll grid of a session: which instants are polls, which one is next. Layer 1, pure.

A poll belongs to its planned instant, not to the moment of the answer; restart, replay and backfill therefore write
the same keys. Open and close are always grid points.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pipeline.model import Session


def grid(start: datetime, end: datetime, interval_s: int) -> Iterator[datetime]:
    """Instants from `start` every `interval_s` seconds, and `end` itself, ascending, each local time once.

    Steps are real time, not wall time: in spring no point lies in the hour that does not exist, in autumn the hour
    that comes twice is polled the first time only, because local time is part of a poll's key.
    """
    zone, step = start.tzinfo, timedelta(seconds=interval_s)
    instant, last = start.astimezone(UTC), end.astimezone(UTC)
    while instant < last:
        local = instant.astimezone(zone)
        if not local.fold:
            yield local
        instant += step
    yield end


def session_grid(session: Session, interval_s: int) -> Iterator[datetime]:
    return grid(session.open, session.close, interval_s)


def local_text(instant: datetime) -> str:
    """`2026-11-26 09:20:00`: the instant's own wall clock, as the tables keep it."""
    return instant.strftime("%Y-%m-%d %H:%M:%S")


def utc_text(instant: datetime) -> str:
    """`2026-11-26 03:50:00.123`, UTC with milliseconds, as `fetched_at` keeps it. Raises ValueError when naive."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone")
    utc = instant.astimezone(UTC)
    return utc.strftime("%Y-%m-%d %H:%M:%S.") + f"{utc.microsecond // 1000:03d}"
