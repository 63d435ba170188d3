"""What the viewer has to know about a day: live, delayed, stale, closed, … (docs/api.md, *state*). Pure.

The name is the first condition that holds; the flags are all of them. Times of the exchange come from the stored
session, the phase of the market from the pipeline's status where one runs, else from the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.dashboard.columns import iso_utc
from pipeline.dashboard.load import View
from pipeline.status import FRESH_S

STALE_SLACK_S = 30
DELAYED_FROM_S = 60
PARTIAL_BELOW = 0.8
PARTIAL_AFTER_S = 1800
CLOSE_GRACE_S = 120
UNSCHEDULED_LIVE_S = 900
"""Without a stored session (the Python API's rows): data younger than this counts as an open market."""

TEXTS = {
    "database_unreachable": "The database cannot be reached",
    "no_data": "No data yet",
    "closed": "Market closed",
    "pipeline_down": "The pipeline is not running",
    "stale": "No new data",
    "partial": "Not all stocks answered",
    "delayed": "Delayed",
    "live": "Live",
}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the status file says about this universe's pipeline. `market`: its calendar's answer, when it is fresh."""

    running: str  # "running", "down" or "unknown"
    market: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Hours:
    """The exchange's present or next session as the calendar knows it (ISO with offset)."""

    open: str | None = None
    close: str | None = None
    next_open: str | None = None


def pipeline_of(
    status: Mapping[str, Any] | None, age_s: float | None, universe: str, *, has_directory: bool
) -> Pipeline:
    if not has_directory:
        return Pipeline("unknown")
    if status is None:
        return Pipeline("down")
    if status.get("universe") != universe:
        return Pipeline("unknown")
    if age_s is None or age_s > FRESH_S or status.get("state") == "stopped":
        return Pipeline("down")
    market = status.get("market")
    return Pipeline("running", market if isinstance(market, Mapping) else None)


def state(
    view: View | None,
    pipeline: Pipeline,
    hours: Hours,
    now: datetime,
    *,
    changed: datetime | None = None,
    problem: str | None = None,
) -> dict[str, Any]:
    """The state object but for `since_utc`. `changed`: when a recorded day last moved. `problem`: the database's."""
    phase = _phase(view, pipeline, hours, now)
    flags = _flags(view, pipeline, phase, now, changed)
    if problem is not None:
        flags.insert(0, "database_unreachable")
    names = ("database_unreachable", "no_data", "closed", "pipeline_down", "stale", "partial", "delayed")
    name = next((name for name in names if name in flags), "live")
    market = view.market if view else None
    last = view.last_poll if view else None
    return {
        "name": name,
        "flags": flags,
        "text": _text(name, view, pipeline, market, last),
        "server_time_utc": iso_utc(now),
        "timezone": view.clock.zone.key if view else (pipeline.market or {}).get("timezone"),
        "market": phase,
        "pipeline": pipeline.running,
        "next_open": _future(_next_open(view, pipeline, hours, now), now),
        "next_close": _future(_close(view, pipeline, hours) if phase == "open" else None, now),
        "last_poll": None if view is None or last is None else _last_poll(view, last),
        "data_t": market["t"] if market else None,
        "data_time": market["data_time"] if market else None,
        "fetched_utc": market["fetched_utc"] if market else None,
        "stale_after_s": stale_after_s(view),
        "delay_s": market["delay_s"] if market else None,
        "coverage": market["coverage"] if market else None,
        "database": "ok" if problem is None else "unreachable",
        "message": problem,
    }


def stale_after_s(view: View | None) -> int | None:
    """Two intervals and half a minute: one missed poll is not yet stale."""
    interval = view.session["interval_s"] if view else None
    return None if interval is None else 2 * interval + STALE_SLACK_S


def _phase(view: View | None, pipeline: Pipeline, hours: Hours, now: datetime) -> str:
    """open, waiting or closed: of the exchange now, or of the recording that plays."""
    if view is not None and view.session["recorded"]:
        return "open" if _plays(view, pipeline) else "closed"
    if pipeline.market is not None and pipeline.market.get("phase") in ("open", "waiting", "closed"):
        return str(pipeline.market["phase"])
    for opens, closes in _known_hours(view, hours):
        if opens <= now <= closes + _grace(view):
            return "open"
        if now < opens and opens - now < timedelta(hours=1):
            return "waiting"
    if view is not None and _unscheduled(view) and _age_s(view, now) < UNSCHEDULED_LIVE_S:
        return "open"
    return "closed"


def _known_hours(view: View | None, hours: Hours) -> list[tuple[datetime, datetime]]:
    pairs = [(view.session["open"], view.session["close"])] if view is not None and view.session["latest"] else []
    pairs.append((hours.open, hours.close))
    return [(datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in pairs if a and b]


def _grace(view: View | None) -> timedelta:
    """The closing poll is taken after the close and the stated delay; until then the day is not over."""
    market = view.market if view else None
    if view is None or market is None or market["t"] == view.session["close_t"]:
        return timedelta()
    return timedelta(seconds=(market["delay_s"] or 0) + CLOSE_GRACE_S)


def _plays(view: View, pipeline: Pipeline) -> bool:
    """Whether a pipeline runs this recorded day just now."""
    if pipeline.running != "running":
        return False
    playing = (pipeline.market or {}).get("trade_date")
    return playing is None or playing == view.trade_date


def _flags(view: View | None, pipeline: Pipeline, phase: str, now: datetime, changed: datetime | None) -> list[str]:
    down = pipeline.running == "down" and phase == "open"
    if view is None or (view.market is None and view.last_poll is None):
        return ["no_data", "pipeline_down"] if down else ["no_data"]
    return _day_flags(view, pipeline, phase, now, changed, down) + _data_flags(view)


def _day_flags(
    view: View, pipeline: Pipeline, phase: str, now: datetime, changed: datetime | None, down: bool
) -> list[str]:
    if phase != "open" or not view.session["latest"] or not _is_today(view, pipeline, now):
        # With today's session on, nobody fetching it, and yesterday the newest day, "closed" would be a lie.
        return ["pipeline_down"] if down and view.session["latest"] else ["closed"]
    limit = stale_after_s(view)
    stale = limit is not None and _age_s(view, now, changed) > limit
    return ["pipeline_down"] * down + ["stale"] * stale


def _data_flags(view: View) -> list[str]:
    market, last = view.market, view.last_poll
    outcome = last["outcome"] if last is not None else None
    failed = outcome in ("failed", "skipped")
    delayed = market is not None and (market["delay_s"] or 0) >= DELAYED_FROM_S
    conditions = {
        "failed": failed,
        "partial": failed or outcome == "partial" or _thin(view),
        "delayed": delayed,
        "backfilled": market is not None and market["backfilled"],
        "recorded": view.session["recorded"],
    }
    return [flag for flag, holds in conditions.items() if holds]


def _is_today(view: View, pipeline: Pipeline, now: datetime) -> bool:
    """Whether the day shown is the one that runs."""
    if view.session["recorded"]:
        return _plays(view, pipeline)
    return now.astimezone(view.clock.zone).date().isoformat() <= view.trade_date or in_session(view, now)


def in_session(view: View, now: datetime) -> bool:
    """Whether the day shown has its session just now, as far as its own rows tell."""
    if _unscheduled(view):
        return _age_s(view, now) < UNSCHEDULED_LIVE_S
    opens, closes = view.session["open"], view.session["close"]
    if not opens or not closes:
        return False
    return datetime.fromisoformat(opens) <= now <= datetime.fromisoformat(closes) + _grace(view)


def _unscheduled(view: View) -> bool:
    """Whether the day has no stored session; one of a whole day has an interval and no hours."""
    return view.session["interval_s"] is None


def _thin(view: View) -> bool:
    """Coverage below 0.8, once the first half hour (in which issues open one by one) has passed."""
    market = view.market
    if market is None or market["coverage"] is None or market["coverage"] >= PARTIAL_BELOW:
        return False
    return bool(market["t"] >= (view.session["open_t"] or 0) + PARTIAL_AFTER_S)


def _age_s(view: View, now: datetime, changed: datetime | None = None) -> float:
    """Of the newest snapshot: since its fetch, for a recording since its row arrived; endless without any."""
    if view.session["recorded"]:
        return 0.0 if changed is None else (now - changed).total_seconds()
    text = view.market["fetched_utc"] if view.market else None
    if text is None:
        opens = view.session["open"]
        return (now - datetime.fromisoformat(opens)).total_seconds() if opens else float("inf")
    return (now - datetime.fromisoformat(text)).total_seconds()


def _next_open(view: View | None, pipeline: Pipeline, hours: Hours, now: datetime) -> str | None:
    if pipeline.market is not None and pipeline.market.get("next_open"):
        return str(pipeline.market["next_open"])
    if view is not None and view.session["open"] and datetime.fromisoformat(view.session["open"]) > now:
        return str(view.session["open"])
    return hours.next_open


def _close(view: View | None, pipeline: Pipeline, hours: Hours) -> str | None:
    if view is not None and view.session["latest"] and not view.session["recorded"] and view.session["close"]:
        return str(view.session["close"])
    return hours.close


def _future(text: str | None, now: datetime) -> str | None:
    return text if text is not None and datetime.fromisoformat(text) > now else None


def _last_poll(view: View, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"t": view.clock.seconds(row["poll_time"])} | {key: row[key] for key in ("poll_time", "outcome", "reason")}


def _text(
    name: str,
    view: View | None,
    pipeline: Pipeline,
    market: Mapping[str, Any] | None,
    last: Mapping[str, Any] | None,
) -> str:
    text = TEXTS[name]
    if name == "delayed" and market:
        return f"{text} {round(market['delay_s'] / 60)} min by the source"
    if name == "partial" and last is not None and last["outcome"] in ("failed", "skipped"):
        reason = f": {last['reason']}" if last["reason"] else ""
        return f"The last poll {'failed' if last['outcome'] == 'failed' else 'was skipped'}{reason}"
    if name == "partial" and market and market["coverage"] is not None:
        return f"{text}: {100 * market['coverage']:.0f} % covered"
    if name == "closed" and view is not None:
        return f"{text}: recorded day" if view.session["recorded"] else text
    if name == "live" and view is not None and view.session["recorded"]:
        return f"{text}: a recorded day is played"
    return text
