"""A watched day as all its viewers share it, and the look that finds what changed. Dashboard process."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pipeline.dashboard import columns, load
from pipeline.dashboard.frames import Frame
from pipeline.dashboard.load import View
from pipeline.reader import Reader


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the day's series stands: how many polls, its check sum, the last poll, and its revision."""

    count: int = 0
    rev: int = 0
    sums: tuple[Any, ...] = ()
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


def look(reader: Reader, universe: str, date: str | None, token: tuple[Any, ...] | None, mark: Mark) -> Loaded | None:
    """What changed since `token`; None when nothing did. Runs in the gate's thread."""
    day = date or reader.latest_date(universe)
    found = (day, *reader.version_token(universe, day)) if day else (None,)
    if found == token:
        return None
    if day is None:
        return Loaded(found, None, Mark(), {}, {})
    view = load.view(reader, universe, day)
    if token is None or token[0] != day:
        mark = Mark()
    grows = mark.count > 0 and reader.day_sum(universe, day, mark.last) == mark.sums
    rows = reader.series(universe, day, after=mark.last if grows else "")
    last = rows[-1]["poll_time"] if rows else mark.last
    sums = reader.day_sum(universe, day, last)
    if grows:
        new = Mark(mark.count + len(rows), mark.rev, sums, last)
    else:
        new = Mark(len(rows), mark.rev + 1 if mark.count else 0, sums, last)
    fresh = rows if grows else []
    return Loaded(found, view, new, *columns.points(fresh, view.clock, view.session["interval_s"]))
