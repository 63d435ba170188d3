"""The operations view over a status file and a day's history as the supervisor leaves them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from pipeline import status as status_file
from tests.browser import stage, told
from tests.browser.browsing import DESKTOP, PHONE, axe_findings, axe_source
from tests.browser.conftest import Now, recent, values

CHARTS = ["queue", "ahead", "rows", "errors", "lag", "poll", "coverage", "cpu", "memory"]
DATABASES = {
    "writer:mysql:10.0.0.7:3306/breadth": "mysql://breadth:***@10.0.0.7:3306/breadth",
    "writer:mysql:10.0.0.8:3306/breadth": "mysql://breadth:***@10.0.0.8:3306/breadth",
    "writer:sqlite:breadth_of_the_indian_market_2026.db": f"sqlite:////srv/{'data/' * 18}breadth_of_the_market.db",
}


def tell(market: Now, age: timedelta = timedelta(minutes=-1), **changes: object) -> None:
    """A status of that age; as a rule one that stays fresh for a minute, however slow the test is."""
    stage.write_status(market.state_dir, "nifty50", now=datetime.now(UTC) - age, **changes)


def tell_of_three_databases(market: Now) -> None:
    rows = [
        {**told.database(9, 9, 4_700, 0.02), "role": role, "url": url, "message": None}
        for role, url in DATABASES.items()
    ]
    refused = "Can't connect to MySQL server on '10.0.0.8:3306' (Errno 111: Connection refused) (2003)"
    rows[1] |= {"state": "retrying", "message": f"{rows[1]['url']}: {refused}", "errors": 8, "retries": 8, "ahead": 9}
    writers = [stage.process(role, 4200 + n, 0.4, 1.0, 30) for n, role in enumerate(DATABASES)]
    fetcher = stage.process("fetcher", 4101, 0.8, 3.1, 46, restarts=2)
    now = datetime.now(UTC)
    warnings = [stage.warning(now, role, f"{number}: {refused}") for number in range(16) for role in DATABASES]
    tell(market, state="degraded", databases=rows, processes=[fetcher, *writers], warnings=warnings)
    for number in range(12):
        at = now - timedelta(seconds=5 * (12 - number))
        numbers = {
            "ahead": dict.fromkeys(DATABASES, 0), "rows": dict.fromkeys(DATABASES, 50 * number),
            "errors": dict.fromkeys(DATABASES, 0), "retries": dict.fromkeys(DATABASES, 0),
            "lag_s": dict.fromkeys(DATABASES, 0.02), "cpu": dict.fromkeys(["fetcher", *DATABASES], 1.0),
            "rss": dict.fromkeys(["fetcher", *DATABASES], 30 * 2**20),
        }  # fmt: skip
        sample = {"t": at.timestamp(), "queue": 0, "poll_ms": 9_000, "coverage": 1.0, "poll_time": None, **numbers}
        status_file.append_history(market.state_dir, at, sample)


def legend(page: Page, chart: str) -> list[str]:
    return values(page, f"[data-chart={chart}] .legend-item")


def test_processes_databases_and_warnings_are_told_in_words(now, visitor):
    market = now()
    market.poll(recent())
    tell(market)
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(f"{server.url}?view=operations")
        expect(page.locator(".ops-head")).to_contain_text("healthy")
        expect(page.locator(".ops-head")).to_contain_text("75 of 376, 1 partial")
        rows = page.locator(".processes tbody tr")
        expect(rows).to_have_count(4)
        cells = values(page, ".processes tbody tr:nth-child(2) > *")
        assert cells == ["fetcher", "● running", "4101", "0.2 s ago", "3.1%", "46.0 MB", "0"]
        expect(page.locator(".databases tbody tr")).to_contain_text("38,275")
        expect(page.locator(".warnings tbody tr").first).to_contain_text(f"row refused: symbol {stage.HOSTILE}")
        assert page.locator("img").count() == 0
        # The status changes, and the page with it.
        ill = stage.process("fetcher", 4177, 15.2, 3.7, 64, state="degraded", restarts=2)
        tell(market, state="degraded", processes=[ill], unstored=3)
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text(re.compile("degraded.*4177.*15 s ago.*64.0 MB.*2"))
        expect(page.locator(".ops-head")).to_contain_text("3 polls wait for room on the disk")


def test_a_row_that_stays_the_same_stays_marked(now, visitor):
    market = now()
    market.poll(recent())
    kept, other = (stage.process(role, 4101, 0.2, 3.1, 64) for role in ("fetcher", "dashboard"))
    tell(market, processes=[kept, other])
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(f"{server.url}?view=operations")
        rows = page.locator(".processes tbody tr")
        expect(rows).to_have_count(2)
        rows.first.evaluate("row => getSelection().selectAllChildren(row)")
        tell(market, processes=[kept, {**other, "pid": 4188}])
        expect(rows.nth(1)).to_contain_text("4188")
        assert page.evaluate("getSelection().toString()").startswith("fetcher")


def test_of_a_dead_pipeline_nothing_is_said_to_run(now, visitor):
    market = now()
    market.poll(recent())
    tell(market, age=timedelta(minutes=5))
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(f"{server.url}?view=operations")
        expect(page.locator(".operations > .banner")).to_contain_text(
            re.compile(r"is not running\. Its last status was written 5 min ago, at \d\d:\d\d:\d\d")
        )
        expect(page.locator(".ops-head dd").first).to_have_text("down")
        expect(page.locator(".processes")).to_contain_text("as last reported, 5 min ago")
        assert values(page, ".processes td:nth-child(2)") == ["○ was running"] * 4
        assert values(page, ".processes td:nth-child(4)") == ["5 min ago"] * 4
        assert values(page, ".databases td:nth-child(2)") == ["○ was ok"]


def test_what_the_dashboard_cannot_confirm_any_more_is_unknown(now, visitor):
    market = now()
    market.poll(recent())
    tell(market, age=timedelta())
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        viewer.context.clock.install()
        page = viewer.open(f"{server.url}?view=operations")
        expect(page.locator(".processes tbody tr")).to_have_count(4)
        page.clock.fast_forward(60_000)  # the page hears of no newer status for that long
        expect(page.locator(".ops-head dd").first).to_have_text(re.compile("unknown|down"))
        expect(page.locator(".processes tbody tr").first).to_contain_text(
            re.compile("was running.*1 min ago|6[0-9] s ago")
        )


@pytest.mark.parametrize("width", [DESKTOP, {"width": 768, "height": 1024}, PHONE], ids=["desktop", "tablet", "phone"])
def test_three_databases_with_long_names_are_read_at_any_width(now, visitor, width):
    market = now()
    market.poll(recent())
    tell_of_three_databases(market)
    with (
        stage.server(market.store, state_dir=market.state_dir) as server,
        visitor(viewport=width) as viewer,
    ):
        page = viewer.open(f"{server.url}?view=operations")
        rows = page.locator(".databases tbody tr")
        expect(rows.nth(1)).to_contain_text("retrying")
        expect(rows.nth(1)).to_contain_text("/breadthCan't connect")  # the address once
        # Names of two hosts' databases are whole, where they would look the same; the long one is cut.
        expect(page.locator("[data-chart=lag] .legend-item")).to_have_text(
            ["mysql:10.0.0.7:3306/breadth", "mysql:10.0.0.8:3306/breadth", "breadth_of_…rket_2026.db"]
        )
        assert "writer breadth_of_…rket_2026.db" in legend(page, "cpu")
        assert legend(page, "poll") == ["poll", "interval"]  # nine seconds of sixty
        for table in ("processes", "databases", "warnings"):
            room = page.locator(f".{table} .scroll").evaluate("box => [box.scrollWidth, box.clientWidth]")
            assert room[0] <= room[1], (table, room)
        for cell in page.locator(".ops-table tbody tr:nth-child(2) > *").all():
            box = cell.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width["width"]
        assert page.evaluate("document.documentElement.scrollWidth") == width["width"]
        assert not axe_findings(page, axe_source())


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
        expect(page.locator(".operations > .banner.tone-bad")).to_contain_text("The pipeline stopped")
        expect(page.locator(".ops-head dd").first).to_have_text("stopped")
        expect(page.locator(".processes tbody tr")).to_have_count(4)
        assert values(page, ".processes td:nth-child(2)") == ["■ stopped"] * 4
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
        expect(page.locator("[data-chart=poll] .legend")).to_have_text("has to stay below the interval of 60 s")
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
        expect(page.get_by_role("group", name="Span of the charts")).to_be_hidden()
