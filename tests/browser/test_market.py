"""The market view over real recorded days: its numbers are the database's, and each of its tools does what it says."""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.request
from datetime import timedelta

from playwright.sync_api import Page, Route, expect

from tests.browser import stage
from tests.browser.conftest import recent, values
from tests.page_server import serving

MINUS = "\N{MINUS SIGN}"
YEAR = "( 2026)?"  # is shown from 2027 on
FOCUSED = "document.activeElement.querySelector('.tile-symbol').textContent"
PNG = b"\x89PNG\r\n\x1a\n"


def number(text: str) -> float:
    return float(re.sub(r"[^\d.-]", "", text.replace(MINUS, "-")))


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def opened(viewer, recorded, more: str = "") -> Page:
    page = viewer.open(recorded.url + more)
    expect(page.locator(".counts")).to_contain_text("of 47 stocks")
    return page


def test_every_number_of_the_snapshot_is_there_with_its_reading(recorded, visitor, stored):
    row = stored.latest("nifty50", recorded.second.isoformat())
    with visitor() as viewer:
        page = opened(viewer, recorded)
        for side in ("advances", "unchanged", "declines"):
            assert number(page.locator(f".count-{side} .count-value").inner_text()) == row[side]
        summary = f"{row['adv_pct']:.1f}% advancing · ratio {row['adv_decl_ratio']:.2f}"
        expect(page.locator(".count-summary")).to_contain_text(summary)
        expect(page.locator(".sentiment")).to_have_text(re.compile(row["market_sentiment"].replace("_", " "), re.I))
        for key, decimals in {"trin": 2, "up_volume_pct": 1, "ud_volume_ratio": 2, "ad_pct": 1, "rana": 0}.items():
            shown = number(page.locator(f"[data-tile={key}] .tile-value").inner_text())
            assert shown == round(row[key], decimals), key
        assert number(page.locator("[data-tile=coverage] .tile-value").inner_text()) == round(100 * row["coverage"], 1)
        assert all(values(page, ".tile:not([hidden]) .tile-reading"))


def test_a_new_poll_changes_every_panel_without_a_reload(now, visitor):
    market = now()
    market.poll(recent(timedelta(seconds=70)), share=0.1)
    with stage.server(market.store) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator(".counts")).to_contain_text("of 47 stocks")
        page.evaluate("window.kept = true")
        panels = (".count-summary", ".sectors tbody", ".heat-stage", ".movers tbody", ".chart-readout")
        before = [page.locator(panel).first.inner_text() for panel in panels]
        market.poll(recent(), share=0.9)
        for panel, text in zip(panels, before, strict=True):
            expect(page.locator(panel).first).not_to_have_text(text)
        assert page.evaluate("window.kept")


def test_two_sessions_lie_on_one_axis_and_gaps_and_backfill_are_told(recorded, visitor):
    with visitor() as viewer:
        page = opened(viewer, recorded)
        chart = page.locator(".session-chart")
        expect(chart.locator("h2")).to_have_text("Net advances, two sessions")
        expect(chart.locator(".legend")).to_contain_text("backfilled")
        chart.locator("summary").click()
        rows = values(page, ".session-chart tbody tr")
        assert len(rows) == 76 * 2
        assert re.match(f"19 Jun{YEAR} 15:30", rows[0])
        assert re.match(f"18 Jun{YEAR} 09:15", rows[-1])
        assert "failed" in next(row for row in rows if re.match(f"19 Jun{YEAR} 10:55", row))
        expect(chart.locator("summary")).to_have_text("Hide table")
        assert sum("backfilled" in row for row in rows) == 12


def test_the_chart_reads_out_each_poll_by_keyboard_and_pointer(recorded, visitor):
    with visitor() as viewer:
        page = opened(viewer, recorded)
        stage_ = page.locator(".session-chart .chart-stage")
        readout = page.locator(".session-chart .chart-readout")
        expect(readout).to_contain_text(re.compile(f"19 Jun{YEAR} 15:30"))
        stage_.focus()
        page.keyboard.press("ArrowLeft")
        expect(readout).to_contain_text(re.compile(f"19 Jun{YEAR} 15:25 IST · A"))
        page.keyboard.press("Home")
        expect(readout).to_contain_text(re.compile(f"18 Jun{YEAR} 09:15 IST"))
        expect(stage_).to_have_attribute("aria-valuetext", re.compile(f"18 Jun{YEAR} 09:15 IST"))
        box = stage_.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
        expect(readout).to_contain_text(re.compile(rf"1[89] Jun{YEAR} \d\d:\d\d IST"))
        expect(page.locator(".session-chart .chart-cross")).to_be_visible()


def test_the_address_keeps_universe_day_and_view(recorded, visitor):
    with visitor() as viewer:
        page = opened(viewer, recorded)
        page.locator("#day").select_option(recorded.first.isoformat())
        expect(page.locator("#updated")).to_contain_text(re.compile(f"18 Jun{YEAR} 15:30 IST"))
        expect(page.locator("#banners")).to_contain_text("Session of 18 Jun 2026")
        assert f"date={recorded.first}" in page.url
        page.get_by_role("tab", name="Operations").click()
        expect(page.locator(".ops-head")).to_contain_text("Viewers")
        with visitor() as another:
            copy = another.open(page.url)
            expect(copy.get_by_role("tab", name="Operations")).to_have_attribute("aria-selected", "true")
            expect(copy.locator("#updated")).to_contain_text(re.compile(f"18 Jun{YEAR} 15:30 IST"))
        page.go_back()
        page.go_back()
        expect(page.locator("#updated")).to_contain_text(re.compile(f"19 Jun{YEAR} 15:30 IST"))
        page.locator("#universe").select_option("nifty500")
        expect(page.locator("#updated")).to_contain_text("/499 stocks")
        assert "universe=nifty500" in page.url
        assert "date=" not in page.url


def test_sectors_sort_and_add_up(recorded, visitor):
    with visitor() as viewer:
        page = opened(viewer, recorded)
        changes = [number(text) for text in values(page, ".sectors tbody td:last-child")]
        assert changes == sorted(changes, reverse=True)
        page.locator(".sectors").get_by_role("button", name="Sector").click()
        names = values(page, ".sectors tbody th")
        assert names == sorted(names, key=str.lower)
        ups = [number(text.split("/")[0]) for text in values(page, ".sector-counts")]
        assert sum(ups) == number(page.locator(".count-advances .count-value").inner_text())


def test_the_heat_map_holds_every_stock_and_is_walked_by_keyboard(recorded, visitor):
    with visitor() as viewer:
        page = opened(viewer, recorded)
        tiles = page.locator("button.tile-stock")
        expect(tiles).to_have_count(47)
        assert page.locator("button.tile-stock[tabindex='0']").count() == 1
        areas = tiles.evaluate_all("all => all.map(one => one.offsetWidth * one.offsetHeight)")
        assert max(areas) > 5 * min(areas)
        page.locator("button.tile-stock[tabindex='0']").focus()
        first = page.evaluate(FOCUSED)
        page.keyboard.press("ArrowRight")
        second = page.evaluate(FOCUSED)
        assert first != second
        expect(page.locator("#heat-tip")).to_contain_text("previous close")
        page.keyboard.press("Enter")
        expect(page.locator("#stock-title")).to_have_text(second)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Equal", exact=True).click()
        expect(page.get_by_role("button", name="Equal", exact=True)).to_have_attribute("aria-pressed", "true")
        areas = tiles.evaluate_all("all => all.map(one => one.offsetWidth * one.offsetHeight)")
        assert max(areas) < 3 * min(areas)


def test_movers_are_sorted_searched_and_open_the_stocks_day(recorded, visitor):
    with visitor() as viewer:
        page = opened(viewer, recorded)
        changes = lambda: [number(text) for text in values(page, ".movers tbody td:nth-child(3)")]  # noqa: E731
        assert changes() == sorted(changes(), reverse=True)
        assert min(changes()) > 0
        page.get_by_role("button", name="Losers").click()
        assert changes() == sorted(changes())
        assert max(changes()) < 0
        page.locator(".movers").get_by_role("button", name="Symbol").click()
        names = values(page, ".movers tbody th")
        assert names == sorted(names)
        page.get_by_role("button", name="Active", exact=True).click()
        page.locator(".search").fill("reliance")
        expect(page.locator(".movers tbody tr")).to_have_count(1)
        page.keyboard.press("Enter")
        dialog = page.locator(".stock-dialog")
        expect(dialog.locator("#stock-title")).to_have_text("RELIANCE")
        expect(dialog).to_contain_text("Previous close")
        dialog.locator("summary").click()
        expect(dialog.locator("tbody tr")).to_have_count(75)
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_be_hidden()


def test_tables_and_chart_are_exported(recorded, visitor, stored):
    with visitor() as viewer:
        page = opened(viewer, recorded)
        saved = {}
        for button in ("chart-png", "series-csv", "sectors-csv", "stocks-csv"):
            with page.expect_download() as waiting:
                page.locator(f"#{button}").click()
            saved[button] = (waiting.value.suggested_filename, waiting.value.path().read_bytes())
        assert saved["chart-png"][0] == "breadth-nifty50-2026-06-19-1530-chart.png"
        assert saved["chart-png"][1].startswith(PNG)
        stocks, polls, sectors = (rows_of(saved[f"{what}-csv"][1]) for what in ("stocks", "series", "sectors"))
        assert len(stocks) == 47
        assert {"symbol", "last", "prev_close", "change_pct", "status"} <= set(stocks[0])
        assert stage.HOSTILE in {row["symbol"] for row in stocks}
        assert (len(polls), polls[0]["time"], polls[-1]["time"]) == (152, "09:15", "15:30")
        counted = [
            row["poll_time"][11:16]
            for row in stored.series("nifty50", recorded.second.isoformat())
            if row["advances"] is not None
        ]
        assert counted == [row["time"] for row in polls[76:] if row["advances"]]
        failed = next(row for row in polls[76:] if row["time"] == "10:55")
        assert {failed[name] for name in ("advances", "trin", "coverage", "index_ltp")} == {""}
        last = stored.latest("nifty50", recorded.second.isoformat())
        for name in ("advances", "declines", "net_volume"):
            assert float(polls[-1][name]) == last[name], name
        assert len(sectors) == page.locator(".sectors tbody tr").count()


def test_chart_and_polls_can_be_taken_along_once_they_are_there(recorded, visitor):
    held: list[Route] = []
    with visitor() as viewer:
        viewer.context.route("**/api/v1/series*", lambda route: held.append(route))
        page = opened(viewer, recorded)
        png, polls = page.locator("#chart-png"), page.locator("#series-csv")
        expect(png).to_be_disabled()
        expect(polls).to_be_disabled()
        held[0].continue_()
        for button in (png, polls):
            with page.expect_download():
                button.click()


def test_a_symbol_of_html_is_text_everywhere(recorded, visitor):
    with visitor() as viewer:
        page = opened(viewer, recorded)
        page.locator(".search").fill("<img")
        row = page.locator(".movers tbody tr")
        expect(row.locator("th")).to_have_text(stage.HOSTILE)
        page.locator(f'button.tile-stock:has-text("{stage.HOSTILE}")').hover()
        expect(page.locator("#heat-tip")).to_contain_text(f"{stage.HOSTILE} & Sons")
        expect(page.locator(".sectors")).to_contain_text("<b>")
        row.click()
        expect(page.locator("#stock-title")).to_have_text(stage.HOSTILE)
        expect(page.locator(".stock-dialog")).to_contain_text("Previous close")
        assert page.locator("img, main b").count() == 0


def test_eight_tabs_share_one_connection(recorded, visitor):
    with visitor() as viewer:
        pages = [viewer.open(recorded.url) for _ in range(8)]
        for page in pages:
            expect(page.locator(".counts")).to_contain_text("of 47 stocks")
        with urllib.request.urlopen(f"{recorded.server.url}api/v1/operations") as answer:
            assert json.load(answer)["viewers"] == 1


def test_without_a_shared_worker_each_visible_tab_has_its_own_connection(now, visitor):
    market = now()
    market.poll(recent(timedelta(seconds=70)), share=0.1)
    with stage.server(market.store) as server, visitor() as viewer:
        viewer.context.add_init_script("delete window.SharedWorker")
        page = viewer.open(server.url)
        expect(page.locator(".counts")).to_contain_text("of 47 stocks")
        before = page.locator(".chart-readout").first.inner_text()
        market.poll(recent(), share=0.9)
        expect(page.locator(".chart-readout").first).not_to_have_text(before)
        assert page.evaluate("'SharedWorker' in window") is False


def test_behind_a_token_the_page_works_as_without(tmp_path, recorded, visitor):
    token = tmp_path / "token"
    token.write_text("a-token-of-the-tests-0123456789")
    token.chmod(0o600)
    database = recorded.store.url.path
    with serving(database, "--token-file", str(token)) as server, visitor() as viewer:
        page = viewer.open(f"{server.url}?token={token.read_text()}")
        expect(page.locator(".counts")).to_contain_text("stocks")
        assert "token" not in page.url
