"""The operations view over a status file and a day's history as the supervisor leaves them."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import recent, values

CHARTS = ["queue", "ahead", "rows", "errors", "lag", "poll", "coverage", "cpu", "memory"]


def test_processes_databases_and_warnings_are_told_in_words(now, visitor):
    market = now()
    market.poll(recent())
    market.run()
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(f"{server.url}?view=operations")
        expect(page.locator(".ops-head")).to_contain_text("healthy")
        rows = page.locator(".processes tbody tr")
        expect(rows).to_have_count(4)
        cells = values(page, ".processes tbody tr:nth-child(2) > *")
        assert cells == ["fetcher", "● running", "4101", "0.8 s ago", "3.1%", "96.0 MB", "0"]
        expect(page.locator(".databases tbody tr")).to_contain_text("38,275")
        expect(page.locator(".warnings tbody tr").first).to_contain_text(f"row refused: symbol {stage.HOSTILE}")
        assert page.locator("img").count() == 0
        # The status changes, and the page with it.
        ill = stage.process("fetcher", 4177, 15.2, 3.7, 64, state="degraded", restarts=2)
        stage.write_status(market.state_dir, "nifty50", state="degraded", processes=[ill])
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text(re.compile("degraded.*4177.*15 s ago.*64.0 MB.*2"))


def test_the_days_history_survives_a_restart_of_page_and_server(now, visitor):
    market = now()
    market.poll(recent())
    stage.write_history(market.state_dir, timedelta(minutes=40))
    market.run()
    with visitor(allowed="ERR_CONNECTION_REFUSED") as viewer:
        for _ in range(2):
            with stage.server(market.store, state_dir=market.state_dir) as server:
                page = viewer.open(f"{server.url}?view=operations")
                for chart in CHARTS:
                    expect(page.locator(f"[data-chart={chart}] canvas")).to_have_count(1)
                page.get_by_role("button", name="2 h").click()
                lag = page.locator("[data-chart=lag]")
                lag.locator("summary").click()
                expect(lag.locator("tbody tr").nth(100)).to_contain_text(re.compile(r"\d\d:\d\d:\d\d .*\d+ ms"))
                page.close()


def test_a_pipeline_that_ended_leaves_its_last_status_and_history(now, visitor):
    market = now()
    market.poll(recent())
    stage.write_history(market.state_dir, timedelta(minutes=10))
    stage.write_status(market.state_dir, "nifty50", state="stopped")
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(f"{server.url}?view=operations")
        expect(page.locator(".operations > .banner")).to_contain_text("The pipeline has stopped")
        expect(page.locator(".ops-head")).to_contain_text("down")
        expect(page.locator(".processes tbody tr")).to_have_count(4)
        expect(page.locator("[data-chart=queue] .chart-readout")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d"))


def test_a_chart_of_the_operations_is_read_by_keyboard(now, visitor):
    market = now()
    market.poll(recent())
    stage.write_history(market.state_dir, timedelta(minutes=10))
    market.run()
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(f"{server.url}?view=operations")
        readout = page.locator("[data-chart=poll] .chart-readout")
        expect(readout).to_contain_text(re.compile(r"· .* m?s$"))
        last = readout.inner_text()
        page.locator("[data-chart=poll] .chart-stage").focus()
        page.keyboard.press("PageUp")
        page.keyboard.press("Home")
        expect(readout).not_to_have_text(last)


def test_without_a_state_directory_the_page_says_so(recorded, visitor):
    with visitor() as viewer:
        page = viewer.open(f"{recorded.url}&view=operations")
        expect(page.locator(".operations > .banner")).to_contain_text("state directory")
        expect(page.locator(".ops-charts")).to_be_hidden()
