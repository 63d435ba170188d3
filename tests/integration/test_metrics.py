"""`/metrics`, and the Grafana dashboard and Prometheus rules that are built on it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import status
from pipeline.dburl import DatabaseUrl
from tests.market_day import MarketDay, random_prices, session_around, universe_of
from tests.page_server import serving

DOCS = Path(__file__).parents[2] / "docs"
PROMTOOL = shutil.which("promtool")
UNIVERSE = 'odd "name" \\ \n'


@pytest.fixture
def scraped(tmp_path) -> str:
    """What a scrape gives of a running pipeline with two databases and a stored day."""
    file = tmp_path / "breadth.db"
    universe = universe_of("nifty", [f"S{at}" for at in range(50)], index="^NSEI")
    day = MarketDay(DatabaseUrl("sqlite", path=file), universe, session_around(datetime.now(UTC))).begin()
    day.poll(day.at(0), random_prices(universe, 1), index=24000.5, delay_s=900)
    row = {"heartbeat_age_s": 0.5, "cpu_pct": 12.5, "rss_bytes": 1e8, "restarts": 2, "state": "running"}
    database = {"ahead": 3, "lag_s": 0.2, "cursor": 7, "records_written": 7, "rows_written": 800, "errors": 1}
    status.write(
        tmp_path,
        {
            "version": 1, "state": "degraded", "universe": UNIVERSE, "interval_s": 300,
            "updated_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "polls": {"taken": 5, "partial": 1, "failed": 0, "skipped": None},
            "poll": {"duration_ms": 250, "coverage": 0.99}, "queue": {"depth": 0, "dropped": 4},
            "journal": {"last_seq": 10, "bytes": 4096, "free_bytes": 1e9},
            "processes": [{"role": "fetcher"} | row, {"role": "writer:sqlite:breadth.db"} | row, "nonsense"],
            "databases": [
                {"role": "writer:sqlite:breadth.db", "state": "ok", "retries": 1, "dead_letters": 0} | database,
                {"role": "writer:mysql:h:1/d", "state": "retrying", "lag_s": None},
            ],
        },
    )  # fmt: skip
    with serving(file, "--state-dir", str(tmp_path)) as server:
        viewer = server.watch()
        viewer.next("snapshot")
        _, headers, body = server.request("/metrics")
        viewer.close()
        assert headers["Content-Type"].startswith("text/plain")
        return body.decode()


def test_metrics_say_what_the_status_and_the_snapshot_say(scraped):
    samples = {}
    for family in text_string_to_metric_families(scraped):
        assert family.documentation
        for sample in family.samples:
            assert sample.name.startswith("breadth_")
            assert "symbol" not in sample.labels
            samples[sample.name, tuple(sorted(sample.labels.values()))] = sample.value
    assert samples["breadth_market_issues", ("advances", "nifty")] > 0
    assert samples["breadth_market_index_price", ("nifty",)] == 24000.5
    assert samples["breadth_market_delay_seconds", ("nifty",)] == 900
    assert samples["breadth_pipeline_up", ()] == 1
    assert samples["breadth_pipeline_state", ("degraded", UNIVERSE)] == 1
    assert samples["breadth_polls_total", tuple(sorted(("taken", UNIVERSE)))] == 5
    assert ("breadth_polls_total", tuple(sorted(("skipped", UNIVERSE)))) not in samples, "undefined is left out"
    assert samples["breadth_poll_duration_seconds", ()] == 0.25
    assert samples["breadth_process_cpu_ratio", ("fetcher",)] == 0.125
    assert samples["breadth_database_rows_written_total", ("sqlite:breadth.db",)] == 800
    assert samples["breadth_database_up", ("mysql:h:1/d",)] == 0
    assert ("breadth_database_lag_seconds", ("mysql:h:1/d",)) not in samples
    assert len(samples) < 100


def test_grafana_and_rules_ask_only_for_metrics_that_are_there(scraped):
    known = set(re.findall(r"^# TYPE (\S+)", scraped, re.MULTILINE))
    rules = (DOCS / "prometheus" / "rules.yml").read_text()
    recorded = set(re.findall(r"record: (\S+)", rules))
    grafana = json.loads((DOCS / "grafana" / "dashboard.json").read_text())
    asked = [target["expr"] for panel in grafana["panels"] for target in panel.get("targets", ())]
    assert len(asked) > 20
    assert len({panel["id"] for panel in grafana["panels"]}) == len(grafana["panels"])
    for text in [*asked, *re.findall(r"expr: (.*(?:\n {10}.*)*)", rules)]:
        names = set(re.findall(r"\bbreadth[_:][a-z0-9_:]+", text))
        assert names or "up{" in text, text
        assert names <= known | recorded, text


@pytest.mark.skipif(PROMTOOL is None, reason="install prometheus for promtool")
def test_promtool_accepts_the_metrics_and_the_rules_alert_as_meant(scraped):
    assert PROMTOOL is not None
    lint = subprocess.run([PROMTOOL, "check", "metrics"], input=scraped, capture_output=True, text=True)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")
    for arguments in (
        ("check", "rules", "rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "rules_test.yml"),
    ):
        done = subprocess.run([PROMTOOL, *arguments], cwd=DOCS / "prometheus", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
