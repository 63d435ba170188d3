"""`/metrics`: the market, the pipeline and this server for Prometheus. Dashboard process.

Base units, prefix `breadth_`, no label per symbol. Values are read at the scrape from what the feed holds; what is
undefined is left out, never 0. Counters of the pipeline start again at 0 when its process does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from pipeline.model import is_whole_day

if TYPE_CHECKING:
    from pipeline.dashboard.feed import Feed

Rows = list[tuple[str, Mapping[str, Any]]]
STATES = ("starting", "healthy", "degraded", "draining", "stopped")
OUTCOMES = ("taken", "partial", "failed", "skipped")
_ISSUES = ("advances", "declines", "unchanged", "not_traded", "no_reference", "no_quote")
_MARKET = (
    ("coverage", "breadth_market_coverage_ratio", "Issues traded over the universe's size", 1.0),
    ("adv_decl_ratio", "breadth_market_advance_decline_ratio", "Advances over declines", 1.0),
    ("up_volume_pct", "breadth_market_up_volume_ratio", "Up volume over up and down volume", 0.01),
    ("trin", "breadth_market_trin_ratio", "Arms index", 1.0),
    ("index_ltp", "breadth_market_index_price", "Last price of the universe's index, in its currency", 1.0),
    ("delay_s", "breadth_market_delay_seconds", "Largest delay the source states", 1.0),
)
_PROCESS = (
    ("cpu_pct", "breadth_process_cpu_ratio", "Share of one core", 0.01),
    ("rss_bytes", "breadth_process_resident_memory_bytes", "Resident memory", 1.0),
)
_DATABASE = (
    ("ahead", "breadth_database_backlog_records", "Journal records that this database does not have yet"),
    ("lag_s", "breadth_database_lag_seconds", "From the newest quotes' arrival to their commit in the database"),
    ("cursor", "breadth_database_cursor_records", "Last journal record stored"),
)
_DATABASE_COUNTS = (
    ("records_written", "breadth_database_records_written", "Journal records stored"),
    ("rows_written", "breadth_database_rows_written", "Rows stored"),
    ("errors", "breadth_database_errors", "Batches that failed"),
    ("retries", "breadth_database_retries", "Batches tried again"),
    ("dead_letters", "breadth_database_dead_letters", "Rows that the database refused for good"),
)


class Metrics(Collector):
    """Collects at the scrape, into a registry of its own."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self, accept: str) -> tuple[bytes, str]:
        """(body, content type) in the format that the scraper asks for."""
        encoder, kind = choose_encoder(accept)
        return encoder(self._registry), kind

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        yield from self._server()
        yield from self._market()
        status = self._feed.status
        now = self._feed.now()
        running = status.running(now)
        if running is not None:
            yield _gauge("breadth_pipeline_up", "Whether a pipeline runs in the state directory", float(running))
        age = status.age_s(now)
        if status.content is not None and age is not None:
            yield _gauge("breadth_pipeline_status_age_seconds", "Age of the pipeline's status", age)
            yield from pipeline_metrics(status.content, now, age, running=bool(running))

    def _server(self) -> Iterable[Metric]:
        feed = self._feed
        yield _gauge("breadth_dashboard_viewers", "Open streams", float(len(feed.wakes)))
        yield _gauge("breadth_dashboard_channels", "Watched days that are kept up to date", float(len(feed.channels)))
        yield _gauge("breadth_dashboard_database_up", "Whether the database can be read", float(feed.problem is None))
        yield _counter("breadth_dashboard_looks", "Looks at the database", float(feed.looks))
        yield _counter("breadth_dashboard_changes", "Changes found in the database", float(feed.changes_seen))

    def _market(self) -> Iterable[Metric]:
        channels = {}
        for channel in self._feed.channels:
            if channel.universe and channel.date is None and channel.view is not None and channel.view.market:
                channels[channel.universe] = channel.view
        views = sorted(channels.items())
        issues = GaugeMetricFamily("breadth_market_issues", "Issues by state", labels=["universe", "state"])
        polled = GaugeMetricFamily(
            "breadth_market_poll_timestamp_seconds", "Planned instant of the newest snapshot", labels=["universe"]
        )
        fetched = GaugeMetricFamily(
            "breadth_market_fetch_timestamp_seconds", "When the newest snapshot was fetched", labels=["universe"]
        )
        for universe, view in views:
            market: dict[str, Any] = view.market or {}
            for name in _ISSUES:
                if market[name] is not None:
                    issues.add_metric([universe, name], market[name])
            polled.add_metric([universe], view.clock.epoch(market["t"]))
            if market["fetched_utc"]:
                fetched.add_metric([universe], datetime.fromisoformat(market["fetched_utc"]).timestamp())
        yield from (issues, polled, fetched)
        for key, name, help_text, factor in _MARKET:
            family = GaugeMetricFamily(name, help_text, labels=["universe"])
            for universe, view in views:
                value = (view.market or {}).get(key)
                if value is not None:
                    family.add_metric([universe], value * factor)
            yield family


def pipeline_metrics(status: Mapping[str, Any], now: datetime, age_s: float, *, running: bool) -> Iterable[Metric]:
    """The status file as metrics; a field that is missing or null has no sample. `age_s`: of the file.

    What the file says of a pipeline that does not run any more is only its last word: then nothing is up or open.
    """
    universe = str(status.get("universe") or "")
    states = GaugeMetricFamily(
        "breadth_pipeline_state", "1 for the pipeline's state; none when it died", labels=["universe", "state"]
    )
    for state in STATES:
        told = status.get("state") == state and (running or state == "stopped")
        states.add_metric([universe, state], float(told))
    yield states
    opened = GaugeMetricFamily(
        "breadth_market_open", "Whether the running pipeline's session is on, by its hours", labels=["universe"]
    )
    if running:
        opened.add_metric([universe], float(_in_session(status.get("market"), now)))
    yield opened
    polls = CounterMetricFamily("breadth_polls", "Polls by outcome", labels=["universe", "outcome"])
    for outcome in OUTCOMES:
        value = _value(status.get("polls"), outcome)
        if value is not None:
            polls.add_metric([universe, outcome], value)
    yield polls
    for part, key, name, help_text, factor in (
        ("poll", "duration_ms", "breadth_poll_duration_seconds", "How long the newest poll took", 0.001),
        ("poll", "coverage", "breadth_poll_coverage_ratio", "Coverage of the newest poll", 1.0),
        ("queue", "depth", "breadth_queue_depth_messages", "Hints in the queue to the writers", 1.0),
        ("journal", "last_seq", "breadth_journal_last_sequence", "Number of the newest journal record", 1.0),
        ("journal", "bytes", "breadth_journal_size_bytes", "Size of the journal", 1.0),
        ("journal", "free_bytes", "breadth_journal_free_bytes", "Free room on the journal's disk", 1.0),
    ):
        value = _value(status.get(part), key)
        if value is not None:
            yield _gauge(name, help_text, value * factor)
    interval = _value(status, "interval_s")
    if interval is not None:
        yield _gauge("breadth_poll_interval_seconds", "Planned time between polls", interval)
    dropped = _value(status.get("queue"), "dropped")
    if dropped is not None:
        yield _counter("breadth_queue_dropped_messages", "Hints that found the queue full (no data is lost)", dropped)
    yield from _processes(_rows(status.get("processes")), age_s, running)
    databases = [(role.removeprefix("writer:"), row) for role, row in _rows(status.get("databases"))]
    yield from _databases(databases, running)


def _in_session(market: Any, now: datetime) -> bool:
    """Between open and close; never for a recorded day, a day polled at any time, or the wait for the closing poll."""
    found = market if isinstance(market, Mapping) else {}
    if not found.get("session_open") or not found.get("session_close"):
        return False
    opens, closes = (datetime.fromisoformat(found[key]) for key in ("session_open", "session_close"))
    return opens <= now <= closes and not is_whole_day(opens, closes)


def _processes(rows: Rows, age_s: float, running: bool) -> Iterable[Metric]:
    up = GaugeMetricFamily("breadth_process_up", "1 while the process runs", labels=["process"])
    heard = GaugeMetricFamily(
        "breadth_process_heartbeat_age_seconds", "Since the process was heard of", labels=["process"]
    )
    for role, row in rows:
        up.add_metric([role], float(running and row.get("state") in ("running", "degraded")))
        beat_s = _value(row, "heartbeat_age_s")
        if beat_s is not None:
            heard.add_metric([role], beat_s + age_s)
    yield from (up, heard)
    for key, name, help_text, factor in _PROCESS:
        yield _family(GaugeMetricFamily(name, help_text, labels=["process"]), rows if running else [], key, factor)
    yield _family(
        CounterMetricFamily("breadth_process_restarts", "Times it was started again", labels=["process"]),
        rows,
        "restarts",
    )


def _databases(rows: Rows, running: bool) -> Iterable[Metric]:
    up = GaugeMetricFamily("breadth_database_up", "1 while the writer stores", labels=["database"])
    for role, row in rows:
        up.add_metric([role], float(running and row.get("state") == "ok"))
    yield up
    for key, name, help_text in _DATABASE:
        yield _family(GaugeMetricFamily(name, help_text, labels=["database"]), rows, key)
    for key, name, help_text in _DATABASE_COUNTS:
        yield _family(CounterMetricFamily(name, help_text, labels=["database"]), rows, key)


def _rows(part: Any) -> Rows:
    """(role, row), sorted."""
    rows = [row for row in part if isinstance(row, Mapping) and row.get("role")] if isinstance(part, list) else []
    return sorted({str(row["role"]): row for row in rows}.items())


def _family(family: Any, rows: Rows, key: str, factor: float = 1.0) -> Metric:
    for role, row in rows:
        value = _value(row, key)
        if value is not None:
            family.add_metric([role], value * factor)
    return family  # type: ignore[no-any-return]


def _value(part: Any, key: str) -> float | None:
    value = part.get(key) if isinstance(part, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=value)


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(name, help_text, value=value)
