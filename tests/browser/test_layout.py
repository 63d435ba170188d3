"""What lies where: the bar, the tiles, the heat map, the chart's texts, at the widths that people have."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import date

import pytest
from playwright.sync_api import Page, expect

from pipeline.model import Quote
from pipeline.session import session_grid
from tests.browser import stage
from tests.browser.test_market import MINUS

NIFTY500 = "?universe=nifty500"
BAR = """[document.querySelector("header").offsetHeight, ...["#day", "#numbers", "#theme"].map(
    (one) => Math.round(document.querySelector(one).getBoundingClientRect().right))]"""
SPY = """globalThis.written = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...more) {
        written.push([text, this.font]);
        return write.call(this, text, ...more);
    };"""
HEAD_COLOURS = """async ([content, variables]) => {
    const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(picture.width, 90);
    const pen = canvas.getContext("2d");
    pen.drawImage(picture, 0, 0);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    const style = getComputedStyle(document.documentElement);
    return variables.filter((name) => {
        const hex = style.getPropertyValue(name).trim();
        const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
        for (let i = 0; i < data.length; i += 4) if (wanted.every((one, k) => one === data[i + k])) return true;
    });
}"""


def of_499(viewer, recorded, more: str = "") -> Page:
    page = viewer.open(recorded.server.url + NIFTY500 + more)
    expect(page.locator("button.tile-stock")).to_have_count(499)
    return page


@pytest.mark.parametrize("width", [1280, 1366, 1400])
def test_the_bar_keeps_one_row_and_stays_where_it_is_in_both_views(recorded, visitor, width):
    with visitor(viewport={"width": width, "height": 900}) as viewer:
        page = of_499(viewer, recorded)
        page.locator("#universe").evaluate("one => one.options[0].text = 'in_nifty500_15m_2023-04-05_of_my_own'")
        height, *places = page.evaluate(BAR)
        assert height < 60
        assert places[-1] > width - 40
        page.get_by_role("tab", name="Operations").click()
        expect(page.locator(".ops-head")).to_contain_text("Viewers")
        assert page.evaluate(BAR) == [height, *places]


@pytest.mark.parametrize("width", [390, 700, 768, 900, 1024, 1250, 1400])
def test_no_tile_stands_alone_in_a_row(recorded, visitor, width):
    with visitor(viewport={"width": width, "height": 900}) as viewer:
        page = of_499(viewer, recorded)
        boxes = page.locator(".tile:not([hidden])").evaluate_all(
            "all => all.map((one) => [one.offsetTop, one.offsetWidth])"
        )
        rows = {top: sum(wide for other, wide in boxes if other == top) for top, _ in boxes}
        assert max(rows.values()) - min(rows.values()) < 30


def test_every_tile_of_the_heat_map_can_be_seen_and_every_heading_has_tiles(recorded, visitor):
    with visitor() as viewer:
        page = of_499(viewer, recorded)
        sides = page.locator("button.tile-stock").evaluate_all(
            "all => all.flatMap((one) => [one.offsetWidth, one.offsetHeight])"
        )
        assert min(sides) > 1
        below = """all => all.every((one) => [...one.parentElement.querySelectorAll("button")]
            .every((tile) => tile.offsetTop >= one.offsetTop + one.offsetHeight))"""
        assert page.locator(".heat-sector").count() > 10
        assert page.locator(".heat-sector").evaluate_all(below)


def test_equal_tiles_of_a_wide_screen_name_their_stocks(recorded, visitor):
    with visitor(viewport={"width": 1920, "height": 1080}) as viewer:
        page = of_499(viewer, recorded)
        page.get_by_role("button", name="Equal", exact=True).click()
        expect(page.locator(".tile-name").nth(200)).to_be_visible()
        named = page.locator("button.tile-name").first
        expect(named.locator(".tile-symbol")).to_be_visible()
        symbol = re.escape(named.locator(".tile-symbol").text_content() or "")
        expect(named).to_have_attribute("aria-label", re.compile(rf"^{symbol} [+{MINUS}]?\d"))


def test_the_axis_is_written_in_the_pages_font_and_skips_no_hour(recorded, visitor):
    with visitor(viewport={"width": 1024, "height": 900}) as viewer:
        viewer.context.add_init_script(SPY)
        page = of_499(viewer, recorded)
        page.wait_for_function("() => written.length > 5")
        written = page.evaluate("written")
        assert all("Inter" in font for text, font in written if text)
        assert {"09:15", "10:00", "11:00", "12:00"} <= {text for text, _ in written}


@pytest.mark.parametrize(
    ("highest", "steps"),
    [
        (84.18, {"84.10", "84.12", "84.14", "84.16", "84.18"}),
        (84.12, {"84.100", "84.105", "84.110", "84.115", "84.120"}),
    ],
)
def test_no_step_of_the_indexs_axis_repeats_another(tmp_path, visitor, highest, steps):
    store = stage.Store(tmp_path)
    kept = stage.Recorded("in_nifty50_5m_2026-06-19")
    day = stage.Day(replace(kept.universe, index="INR=X"), stage.on(date(2026, 6, 17)), 900)
    store.put(day.opening())
    for instant, price in zip(session_grid(day.session, 900), (84.1, highest), strict=False):
        index = Quote("INR=X", round(price * 10_000), 840_000, None, int(instant.timestamp()))
        store.put(day.poll(instant, kept.quotes(day.session, 0.5), index=index))
    with stage.server(store) as server, visitor() as viewer:
        viewer.context.add_init_script(SPY)
        page = viewer.open(server.url)
        page.wait_for_function("() => written.filter(([text]) => text.startsWith('84')).length >= 5")
        assert {text for text, _ in page.evaluate("written") if text.startswith("84")} == steps
    store.close()


def test_the_picture_says_what_its_lines_are_and_whose_time_it_has(recorded, visitor):
    with visitor() as viewer:
        viewer.context.add_init_script(SPY)
        page = of_499(viewer, recorded)
        with page.expect_download() as waiting:
            page.locator("#chart-png").click()
        content = base64.b64encode(waiting.value.path().read_bytes()).decode()
        assert page.evaluate(HEAD_COLOURS, [content, ["--up", "--down"]]) == ["--up", "--down"]
        texts = {text for text, _ in page.evaluate("written")}
        assert {f"A{MINUS}D", "times IST", "nifty500, 5 Apr 2023: net advances"} <= texts


def test_the_year_is_shown_where_it_is_not_the_present_one(recorded, visitor):
    with visitor() as viewer:
        page = of_499(viewer, recorded)
        expect(page.locator("#day option").first).to_have_text("Latest, 5 Apr 2023")
        expect(page.locator(".session-chart .chart-readout")).to_contain_text("5 Apr 2023 16:00 IST")
        expect(page.locator("#updated")).to_contain_text("as of 5 Apr 2023 16:00 IST")
