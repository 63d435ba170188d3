"""A watched day as all its viewers share it, and the look that finds what changed. Dashboard process."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pipeline.dashboard import columns, load
from pipeline.dashboard.frames import Frame
from pipeline.dashboard.load import View
from pipeline.dashboard.revisions import Revisions
from pipeline.reader import Reader, Row


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the day's series stands: how many polls, its revision, and the last poll."""

    count: int = 0
    rev: int = 0
    last: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a look at a changed channel brought back."""

    token: tuple[Any, ...]
    view: View | None
    mark: Mark
    points: columns.Columns
    reasons: dict[str, str]


@dataclass(eq=False)
class Channel:
    """One watched day. `frame` led from `seq - 1` to `seq`."""

    watch: str
    universe: str | None
    date: str | None
    seq: int = 0
    view: View | None = None
    mark: Mark = field(default_factory=Mark)
    token: tuple[Any, ...] | None = None
    state: dict[str, Any] | None = None
    frame: Frame | None = None
    full: Frame | None = None
    changed: datetime | None = None
    since: datetime | None = None
    looked: float = 0.0
    published: float = 0.0
    watched: float = 0.0
    viewers: int = 0


def split_watch(watch: str) -> tuple[str | None, str | None]:
    """`nifty50@2026-11-25` → universe and date; "" is the default universe. Raises ValueError for a bad date."""
    universe, _, day = watch.partition("@")
    return universe or None, day_of(day)


def day_of(text: str) -> str | None:
    """A date as `YYYY-MM-DD`; None, the newest, for "" and `latest`. Raises ValueError, for 30 February too."""
    if text in ("", "latest"):
        return None
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError(f"{text!r} is not YYYY-MM-DD")  # but some other form of ISO 8601
    return text


def look(
    reader: Reader,
    revisions: Revisions,
    universe: str,
    date: str | None,
    token: tuple[Any, ...] | None,
    mark: Mark,
) -> Loaded | None:
    """What changed since `token`; None when nothing did. Runs in the gate's thread, at one moment of the database."""
    day = date or reader.latest_date(universe)
    found = (day, *reader.version_token(universe, day)) if day else (None,)
    # Another reader may have found a new revision first.
    if found == token and (day is None or revisions.number(universe, day) == mark.rev):
        return None
    if day is None:
        return Loaded(found, None, Mark(), {}, {})
    revision = revisions.of(reader, universe, day)
    view = load.view(reader, universe, day)
    rows: list[Row] = []
    if mark.count and revision.number == mark.rev:
        rows = reader.series(universe, day, after=mark.last)
        count = mark.count + len(rows)
    else:
        count = reader.poll_count(universe, day)
    new = Mark(count, revision.number, revision.last)
    return Loaded(found, view, new, *columns.points(rows, view.clock, view.session["interval_s"]))
