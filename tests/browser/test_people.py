"""For people: accessibility, colours, number formats, narrow screens, the exchange's time."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stage
from tests.browser.browsing import DESKTOP, PHONE, axe_findings, axe_source
from tests.browser.conftest import recent


@pytest.fixture(scope="module")
def axe() -> str:
    return axe_source()


def settle(page: Page) -> None:
    expect(page.locator("canvas").first).to_be_visible()
    page.evaluate("document.fonts.ready.then(() => null)")


@pytest.mark.parametrize("width", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_in_any_view(now, visitor, axe, theme, width):
    market = now()
    market.poll(recent(timedelta(minutes=5)), share=0.3)
    old = recent(timedelta(minutes=4))
    market.poll(old, share=0.5, fetched_at=old)
    stage.write_history(market.state_dir, timedelta(minutes=10))
    market.run()
    with (
        stage.server(market.store, state_dir=market.state_dir) as server,
        visitor(viewport=width, color_scheme=theme) as viewer,
    ):
        page = viewer.open(server.url)
        settle(page)
        page.locator("#replay-toggle").click()
        expect(page.locator(".replay")).to_be_visible()
        for summary in page.locator(".market summary").all():
            summary.click()
        findings = axe_findings(page, axe)
        page.locator(".movers .row-button").first.click()
        expect(page.locator(".stock-dialog .facts")).to_contain_text("High")
        findings += axe_findings(page, axe)
        page.keyboard.press("Escape")
        page.get_by_role("tab", name="Operations").click()
        expect(page.locator(".processes tbody tr")).to_have_count(4)
        findings += axe_findings(page, axe)
        assert not findings, "\n".join(findings)
        assert page.evaluate("document.documentElement.dataset.theme") == theme


def test_every_palette_keeps_its_contrast(recorded, visitor, axe):
    with visitor() as viewer:
        page = viewer.open(recorded.url)
        settle(page)
        for theme in ("Light theme", "Dark theme"):
            page.get_by_role("button", name=theme).click()
            for palette in ("Green up, red down", "Blue up, orange down", "Red up, green down"):
                page.get_by_role("button", name=palette).click()
                assert not axe_findings(page, axe, {"type": "rule", "values": ["color-contrast"]}), (theme, palette)


def test_the_page_never_scrolls_sideways_on_a_phone(now, visitor):
    market = now()
    market.poll(recent())
    market.run()
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor(viewport=PHONE) as viewer:
        page = viewer.open(server.url)
        for view in ("Market", "Operations"):
            page.get_by_role("tab", name=view).click()
            settle(page)
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_colours_theme_and_numbers_are_remembered(recorded, visitor):
    with visitor() as viewer:
        page = viewer.open(recorded.url)
        settle(page)
        up = page.locator(".count-advances").evaluate("one => getComputedStyle(one).color")
        page.get_by_role("button", name="Red up, green down").click()
        assert page.locator(".count-declines").evaluate("one => getComputedStyle(one).color") == up
        page.get_by_role("button", name="Light theme").click()
        page.get_by_label("Number format").select_option("international")
        again = viewer.open(recorded.url)
        settle(again)
        assert again.evaluate("({...document.documentElement.dataset})") == {"theme": "light", "palette": "red-green"}
        expect(again.get_by_label("Number format")).to_have_value("international")


def test_numbers_are_written_as_in_india_or_elsewhere(recorded, visitor):
    with visitor() as viewer:
        page = viewer.open(recorded.url)
        settle(page)
        page.get_by_role("button", name="Active", exact=True).click()
        volume = page.locator(".movers tbody td:last-child").first
        expect(volume).to_have_text(re.compile(r"(L|Cr)$"))
        page.get_by_label("Number format").select_option("international")
        expect(volume).to_have_text(re.compile(r"(K|M)$"))


def test_times_are_the_exchanges_whatever_the_browsers_zone(recorded, visitor):
    for zone in ("Pacific/Auckland", "America/Los_Angeles"):
        with visitor(timezone_id=zone) as viewer:
            page = viewer.open(recorded.url)
            expect(page.locator("#updated")).to_contain_text(re.compile("as of 19 Jun( 2026)? 15:30 IST"))
            expect(page.locator(".session-chart .chart-readout")).to_contain_text(
                re.compile("19 Jun( 2026)? 15:30 IST")
            )


def test_the_views_are_switched_by_keyboard(recorded, visitor):
    with visitor() as viewer:
        page = viewer.open(recorded.url)
        settle(page)
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("tab", name="Market")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Operations")).to_be_focused()
        expect(page.locator(".operations").first).to_be_visible()
