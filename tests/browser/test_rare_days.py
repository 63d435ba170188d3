"""Days that no recording has: nothing traded, one side only, a lone poll, pennies, a single stock missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from pipeline.model import Member, Quote
from pipeline.session import session_grid
from tests.browser import stage
from tests.browser.conftest import values

DAY = date(2026, 6, 17)
COLOURED = """([selector, variable]) => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
    const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const canvas = document.querySelector(`${selector} canvas`);
    if (!canvas?.width) return 0; // the chart is yet to come
    const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    pen.drawImage(canvas, 0, 0);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    const columns = new Set();
    for (let i = 0; i < data.length; i += 4) {
        if (wanted.every((one, k) => Math.abs(one - data[i + k]) < 12)) columns.add((i / 4) % canvas.width);
    }
    return columns.size;
}"""


@pytest.fixture
def made(tmp_path, visitor) -> Callable[..., object]:
    """`made(prices, …)`: a page over one day of 30-odd stocks whose previous close is 100."""

    @contextmanager
    def opened(
        prices: list[float], polls: int = 1, volume: int = 1000, size: int | None = None, zone: ZoneInfo = stage.INDIA
    ) -> Iterator[Page]:
        members = tuple(Member(f"SYM{i:03}", f"Company {i}", "Alpha") for i in range(size or len(prices)))
        universe = replace(stage.Recorded("in_nifty50_5m_2026-06-19").universe, name="made", members=members)
        day = stage.Day(universe, stage.on(DAY, zone), 900)
        store = stage.Store(tmp_path)
        store.put(day.opening())
        for instant in list(session_grid(day.session, 900))[:polls]:
            traded = int((instant if volume else stage.on(date(2026, 6, 16), zone).close).timestamp())
            quotes = {
                member.symbol: Quote(member.symbol, round(price * 10_000), 1_000_000, volume, traded)
                for member, price in zip(members, prices, strict=False)
            }
            store.put(day.poll(instant, quotes))
        with stage.server(store) as server, visitor() as viewer:
            page = viewer.open(server.url)
            expect(page.locator(".counts")).to_contain_text(f"of {len(members)} stocks")
            yield page
        store.close()

    return opened


def reading(page: Page, tile: str) -> str:
    return page.locator(f"[data-tile={tile}] .tile-reading").inner_text()


def test_before_the_first_trade_nothing_is_read_into_the_numbers(made):
    with made([100.0] * 30, volume=0) as page:
        expect(page.locator(".counts")).to_contain_text("nothing has traded yet · from 0 of 30 stocks")
        assert reading(page, "coverage") == reading(page, "ad_pct") == "nothing has traded yet"
        assert reading(page, "ud_volume_ratio") == reading(page, "up_volume_pct") == "no volume on either side yet"
        note = page.locator(".movers > .note")
        expect(note).to_have_text("No stock is above its previous close.")
        assert note.bounding_box()["y"] < page.locator(".movers table").bounding_box()["y"]


@pytest.mark.parametrize(("price", "side"), [(101.0, "advances"), (99.0, "declines")])
def test_a_day_of_one_side_reads_the_same_both_ways(made, price, side):
    with made([price] * 30) as page:
        expect(page.locator(".counts")).to_contain_text(f"only {side}: extreme · from 30 of 30 stocks")


def test_neighbouring_tiles_do_not_contradict_each_other(made):
    """20 advancers and 10 decliners of one volume: twice the volume is up, and both sides trade alike (TRIN 1)."""
    with made([101.0] * 20 + [99.0] * 10) as page:
        assert reading(page, "trin") == "both sides trade alike"
        assert reading(page, "up_volume_pct") == "most volume is in advancers"
        assert reading(page, "ud_volume_ratio") == "up volume leads"


def test_all_are_counted_only_when_none_is_missing(made):
    with made([101.0] * 299, size=300) as page:
        expect(page.locator("[data-tile=coverage]")).to_contain_text("299 of 300 stocks")
        assert reading(page, "coverage") == "nearly all are counted"


def test_a_change_that_rounds_to_zero_has_no_direction(made):
    with made([99.999] * 30) as page:
        change = page.locator(".sectors tbody td:last-child")
        expect(change).to_have_text("■ 0.00")
        expect(change).to_have_class("flat")


@pytest.mark.parametrize(("zone", "shown"), [(stage.INDIA, "0.94"), (stage.AMERICA, "0.9400")])
def test_a_price_below_one_has_the_decimals_of_its_market(made, zone, shown):
    with made([0.94] * 30, zone=zone) as page:
        page.get_by_role("button", name="Losers").click()
        expect(page.locator(".movers tbody td:nth-child(2)").first).to_have_text(shown)


def test_a_lone_poll_is_seen_on_the_chart_and_in_the_stocks_day(made):
    with made([101.0] * 20 + [99.0] * 10, polls=1) as page:
        expect(page.locator(".session-chart canvas")).to_be_visible()
        page.wait_for_function(f"args => ({COLOURED})(args) > 0", arg=[".session-chart", "--up"])
        page.locator(".movers .row-button").first.click()
        expect(page.locator(".stock-dialog .legend")).to_have_text(re.compile("Price.*Previous close"))
        page.wait_for_function(f"args => ({COLOURED})(args) > 0", arg=[".stock-dialog", "--accent"])
        # The previous close goes from one end of the axis to the other, in dashes.
        width = page.locator(".stock-dialog canvas").evaluate("one => one.width")
        assert page.evaluate(COLOURED, [".stock-dialog", "--line-strong"]) > width / 3
        assert values(page, ".facts dt")[0] == "Previous close"
