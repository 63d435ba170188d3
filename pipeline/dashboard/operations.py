"""The pipeline's own numbers, as the page shows them: the status file now, the history over a day. Dashboard process.

Reads files that the supervisor writes; a missing, old or torn one is an answer, not an error.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from pipeline import status as status_file
from pipeline.dashboard.columns import Columns, zone_of
from pipeline.errors import ConfigError

POINTS_DEFAULT, POINTS_MAX = 600, 2000
GAP_MIN_S = 20.0
DAY_S = 86_400.0
TAIL_BYTES = 64 * 1024
Sample = dict[str, Any]


class Status:
    """The newest status file, read again only when it changed."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.content: dict[str, Any] | None = None
        self.version = 0
        self._stamp: tuple[int, ...] | None = None
        self._fault = ""

    def refresh(self) -> bool:
        """Whether the file changed since the last call."""
        if self.directory is None:
            return False
        try:
            found = (self.directory / status_file.FILE).lstat()
            stamp: tuple[int, ...] | None = (found.st_mtime_ns, found.st_ino)
        except FileNotFoundError:
            stamp = None
        except OSError as error:  # a directory that this user may not enter
            stamp = (error.errno or 0,)
        if stamp == self._stamp:
            return False
        self._stamp, self.content, self._fault = stamp, None, ""
        try:
            self.content = status_file.read(self.directory)
        except ConfigError as error:
            self._fault = str(error)
        self.version += 1
        return True

    def age_s(self, now: datetime) -> float | None:
        if self.content is None:
            return None
        try:
            return max(0.0, status_file.age_s(self.content, now))
        except (KeyError, ValueError, TypeError):
            return None

    def running(self, now: datetime) -> bool | None:
        """None without a state directory."""
        if self.directory is None:
            return None
        age = self.age_s(now)
        fresh = age is not None and age <= status_file.FRESH_S
        return fresh and self.content is not None and self.content.get("state") != "stopped"

    def problem(self, now: datetime) -> str | None:
        if self.directory is None:
            return "no state directory was given: start the dashboard with --state-dir to see the pipeline"
        if self.content is None:
            return self._fault or f"{self.directory} holds no readable status: no pipeline has run there"
        age = self.age_s(now)
        if age is None:
            return f"the status in {self.directory} has no time"
        if self.content.get("state") == "stopped":
            return "the pipeline has stopped"
        if age > status_file.FRESH_S:
            return f"the status is {age:.0f} s old: the pipeline is not running"
        return None


def span(date: str | None, since: float | None, now: datetime) -> tuple[float, float]:
    """(start, end) in epoch seconds: the UTC day, else the last 24 hours; only what is later than `since`."""
    end = now.timestamp()
    start = end - DAY_S
    if date is not None:
        start = datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
        end = min(end, start + DAY_S)
    if since is not None:
        start = max(start, since + 1e-3)
    return start, max(start, end)


def history(directory: Path | None, start: float, end: float, points: int, timezone: str | None) -> dict[str, Any]:
    """The samples in [start, end] (epoch seconds), thinned to about `points`; see docs/api.md."""
    samples = list(_samples(directory, start, end))
    # Thinned by the time that has samples: the first minutes of a day are shown as they were.
    first = samples[0]["t"] if samples else start
    step = max((samples[-1]["t"] - first) / points, 1.0) if samples else 1.0
    groups = _groups(samples, first, step)
    writers = sorted({role for sample in samples for role in sample.get("rows", {})})
    processes = sorted({role for sample in samples for role in sample.get("cpu", {})})
    zone = zone_of(timezone)
    times = [None if group is None else group[-1]["t"] for group in groups]
    known = _fill(times)
    local = [datetime.fromtimestamp(t, zone) for t in known]
    return {
        "from": start,
        "to": end,
        "step_s": round(step, 3),
        "timezone": zone.key,
        "roles": [role.removeprefix("writer:") for role in writers],
        "t": known,
        "local_t": [at.hour * 3600 + at.minute * 60 + at.second for at in local],
        "trade_date": [at.date().isoformat() for at in local],
        "queue": _pick(groups, lambda sample: sample.get("queue"), max),
        "poll_ms": _pick(groups, lambda sample: sample.get("poll_ms"), max),
        "coverage": _pick(groups, lambda sample: sample.get("coverage"), min),
        "poll_time": [None if group is None else group[-1].get("poll_time") for group in groups],
        "databases": {role.removeprefix("writer:"): _database(groups, role) for role in writers},
        "processes": {
            role: {
                "cpu_pct": _pick(groups, _of("cpu", role), max),
                "rss_bytes": _pick(groups, _of("rss", role), max),
            }
            for role in processes
        },
    }


def _samples(directory: Path | None, start: float, end: float) -> Iterable[Sample]:
    if directory is None:
        return
    day = datetime.fromtimestamp(start, UTC)
    last = datetime.fromtimestamp(end, UTC).date()
    while day.date() <= last:
        for sample in _read(status_file.history_file(directory, day), start):
            if start <= _time_of(sample) <= end:
                yield sample
        day += timedelta(days=1)


def _read(path: Path, start: float) -> Iterable[Sample]:
    """The file's samples from `start` on, and some before; who asks for the newest reads only the file's end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        length = TAIL_BYTES
        while True:
            file.seek(max(0, size - length))
            # Where the reading begins inside a line, that line is left out.
            lines = file.read(min(size, length)).split(b"\n")[int(length < size) :]
            first = next(_decoded(lines), None)
            if length >= size or (first is not None and _time_of(first) < start):
                return list(_decoded(lines))
            length *= 8


def _decoded(lines: Iterable[bytes]) -> Iterator[Sample]:
    """The lines that are samples: a torn one is left out."""
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError):
            sample = msgspec.json.decode(line)
            if isinstance(sample, dict):
                yield sample


def _time_of(sample: Sample) -> float:
    t = sample.get("t")
    return float(t) if isinstance(t, int | float) else float("inf")


def _groups(samples: Sequence[Sample], start: float, step: float) -> list[list[Sample] | None]:
    """Samples by step, in order; None where the pipeline was away, so that a line breaks there."""
    groups: list[list[Sample] | None] = []
    place, before = -1, None
    for sample in samples:
        if before is not None and sample["t"] - before > max(3 * step, GAP_MIN_S):
            groups.append(None)
        at = int((sample["t"] - start) / step)
        if at == place and groups and groups[-1] is not None:
            groups[-1].append(sample)
        else:
            groups.append([sample])
        place, before = at, sample["t"]
    return groups


def _fill(times: Sequence[float | None]) -> list[float]:
    """A time for each break, one second after the point before it."""
    known: list[float] = []
    for t in times:
        known.append(known[-1] + 1 if t is None else t)
    return known


def _of(key: str, role: str) -> Callable[[Sample], Any]:
    return lambda sample: (sample.get(key) or {}).get(role)


def _pick(
    groups: Sequence[list[Sample] | None], value: Callable[[Sample], Any], choose: Callable[[list[Any]], Any]
) -> list[Any]:
    found = []
    for group in groups:
        values = [item for item in map(value, group or ()) if item is not None]
        found.append(choose(values) if values else None)
    return found


def _database(groups: Sequence[list[Sample] | None], role: str) -> Columns:
    return {
        "ahead": _pick(groups, _of("ahead", role), max),
        "lag_s": _pick(groups, _of("lag_s", role), max),
        "rows_per_s": _rates(groups, _of("rows", role)),
        "errors_per_s": _rates(groups, _of("errors", role)),
        "retries_per_s": _rates(groups, _of("retries", role)),
    }


def _rates(groups: Sequence[list[Sample] | None], value: Callable[[Sample], Any]) -> list[float | None]:
    """Per second, from a counter that starts again at 0 when its process does."""
    rates: list[float | None] = []
    before: tuple[float, float] | None = None
    for group in groups:
        counts = [(sample["t"], value(sample)) for sample in group or () if value(sample) is not None]
        if not counts:
            rates.append(None)
            before = None if group is None else before
            continue
        grown, since = 0.0, before[0] if before else counts[0][0]
        for t, count in counts:
            if before is not None:
                grown += count - before[1] if count >= before[1] else count
            before = (t, count)
        span = counts[-1][0] - since
        rates.append(round(grown / span, 4) if span > 0 else None)
    return rates
