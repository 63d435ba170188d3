"""What `/metrics` makes of a status file: of a pipeline that runs, and of one that does not any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.dashboard.metrics import pipeline_metrics

OPEN, CLOSE = "2026-11-26T09:15:00+05:30", "2026-11-26T15:30:00+05:30"
NOON = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)  # 12:00 in India
PROCESS = {"state": "running", "heartbeat_age_s": 0.4, "cpu_pct": 12.5, "rss_bytes": 1e8, "restarts": 2}
STATUS: dict[str, Any] = {
    "state": "healthy", "universe": "u", "market": {"session_open": OPEN, "session_close": CLOSE},
    "processes": [{"role": "supervisor", **PROCESS}, {"role": "fetcher", **PROCESS}],
    "databases": [{"role": "writer:sqlite:b.db", "state": "ok", "ahead": 3, "rows_written": 800}],
}  # fmt: skip


def samples(age_s: float, now: datetime = NOON, **changes: Any) -> dict[tuple[str, ...], float]:
    """{(name, label values …): value} of a status that is `age_s` old."""
    status = STATUS | changes
    running = age_s <= 10 and status["state"] != "stopped"
    found = pipeline_metrics(status, now, age_s, running=running)
    return {
        (sample.name.removeprefix("breadth_"), *sample.labels.values()): sample.value
        for family in found
        for sample in family.samples
    }


def test_a_running_pipeline_is_up_and_its_heartbeats_are_as_old_as_the_status_makes_them():
    found = samples(1.0)
    assert found["pipeline_state", "u", "healthy"] == 1
    assert found["process_up", "supervisor"] == found["database_up", "sqlite:b.db"] == 1
    assert found["process_heartbeat_age_seconds", "fetcher"] == pytest.approx(1.4)
    assert found["process_cpu_ratio", "fetcher"] == 0.125


@pytest.mark.parametrize(("age_s", "state", "stopped"), [(3600.0, "healthy", 0), (1.0, "stopped", 1)])
def test_nothing_of_a_pipeline_that_died_or_stopped_is_up_whatever_its_last_word_was(age_s, state, stopped):
    found = samples(age_s, state=state)
    states = {key[2]: value for key, value in found.items() if key[0] == "pipeline_state"}
    assert states == {"starting": 0, "healthy": 0, "degraded": 0, "draining": 0, "stopped": stopped}
    assert found["process_up", "supervisor"] == found["process_up", "fetcher"] == 0
    assert found["database_up", "sqlite:b.db"] == 0
    assert found["process_heartbeat_age_seconds", "fetcher"] == pytest.approx(age_s + 0.4)
    assert not {"market_open", "process_cpu_ratio", "process_resident_memory_bytes"} & {key[0] for key in found}
    assert found["database_backlog_records", "sqlite:b.db"] == 3, "what was not stored is still not stored"
    assert found["process_restarts_total", "fetcher"] == 2


@pytest.mark.parametrize(
    ("expected", "market", "after"),
    [
        (1, STATUS["market"], timedelta()),
        (0, STATUS["market"], timedelta(hours=-4)),  # it waits for the open
        (0, STATUS["market"], timedelta(hours=4)),  # it waits for the closing poll of a delayed source
        (0, STATUS["market"], timedelta(days=900)),  # it plays a recording
        (0, {"session_open": "2026-11-26T00:00:00+05:30", "session_close": "2026-11-27T00:00:00+05:30"}, timedelta()),
        (0, {"session_open": None, "session_close": None}, timedelta()),
        (0, None, timedelta()),
    ],
)
def test_the_market_is_open_while_the_pipelines_session_is_on(expected, market, after):
    assert samples(1.0, NOON + after, market=market)["market_open", "u"] == expected
