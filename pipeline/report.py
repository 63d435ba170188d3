"""The status of a run, put together from what the children reported. Layer 3, pure apart from psutil's readings.

The shape is documented in docs/operations.md; `status`, progress, dashboard and metrics all read it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import psutil

from pipeline.process import Child

VERSION = 1
UNREACHED = ("retrying", "refused", "schema", "journal-behind")
"""States of a database whose cursor may not have been read yet."""
_MARKET = ("calendar", "timezone", "phase", "trade_date", "session_open", "session_close", "next_open")


class Meter:
    """CPU and memory of processes by pid, sampled by psutil. `cpu_pct`: of one core, since the last sample."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}

    def sample(self, pid: int | None) -> tuple[float | None, int | None]:
        if pid is None:
            return None, None
        try:
            process = self._processes.setdefault(pid, psutil.Process(pid))
            with process.oneshot():
                return round(process.cpu_percent(), 1), int(process.memory_info().rss)
        except (psutil.Error, OSError):  # gone, or no descriptor is left to look with
            self._processes.pop(pid, None)
            return None, None


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def process_row(meter: Meter, role: str, pid: int | None, state: str, beat: float, since: str, restarts: int) -> Any:
    """`beat`: time.monotonic() of the last report."""
    cpu_pct, rss_bytes = meter.sample(pid)
    return {
        "role": role,
        "pid": pid,
        "state": state,
        "heartbeat_age_s": round(max(0.0, time.monotonic() - beat), 1),
        "cpu_pct": cpu_pct,
        "rss_bytes": rss_bytes,
        "restarts": restarts,
        "since": since,
    }


def database_row(child: Child, url: str, journal: dict[str, Any]) -> dict[str, Any]:
    """A writer's database; `ahead` counts the journal's records that it lacks: all, while it was not reached."""
    state = child.state
    cursor = state.get("cursor")
    ahead = state.get("ahead")
    same_journal = state.get("journal_id") == journal.get("id")
    if cursor is not None and same_journal and journal.get("last_seq") is not None:
        ahead = max(0, journal["last_seq"] - cursor)
    elif cursor is None and state.get("database") in UNREACHED:
        ahead = journal.get("last_seq")
    return {
        "role": child.role,
        "url": url,
        "state": state.get("database", "starting"),
        "message": state.get("message") or None,
        "cursor": cursor,
        "ahead": ahead,
        "records_written": child.total("records_written"),
        "rows_written": child.total("rows_written"),
        "errors": child.total("errors"),
        "retries": child.total("retries"),
        "dead_letters": child.total("dead_letters"),
        "superseded": child.total("superseded"),
        "lag_s": state.get("lag_s"),
    }


def market_part(fetcher: dict[str, Any]) -> dict[str, Any]:
    market = fetcher.get("market") or {}
    return {name: market.get(name) for name in _MARKET}


def overall(phase: str, processes: Iterable[dict[str, Any]], databases: Iterable[dict[str, Any]], unstored: int) -> str:
    """starting, healthy, degraded, draining or stopped."""
    if phase in ("draining", "stopped"):
        return phase
    if unstored or any(row["state"] in ("degraded", "restarting", "stopped") for row in processes):
        return "degraded"
    states = {row["state"] for row in databases}
    if states - {"ok", "starting"}:
        return "degraded"
    return "starting" if "starting" in states else "healthy"


def history_sample(status: dict[str, Any]) -> dict[str, Any]:
    """A line of the day's history."""
    databases, poll = status["databases"], status.get("poll") or {}
    return {
        "t": round(time.time(), 1),
        "queue": status["queue"]["depth"],
        "ahead": {row["role"]: row["ahead"] for row in databases},
        "rows": {row["role"]: row["rows_written"] for row in databases},
        "errors": {row["role"]: row["errors"] for row in databases},
        "retries": {row["role"]: row["retries"] for row in databases},
        "lag_s": {row["role"]: row["lag_s"] for row in databases},
        "poll_ms": poll.get("duration_ms"),
        "coverage": poll.get("coverage"),
        "poll_time": poll.get("poll_time"),
        "cpu": {row["role"]: row["cpu_pct"] for row in status["processes"]},
        "rss": {row["role"]: row["rss_bytes"] for row in status["processes"]},
    }
