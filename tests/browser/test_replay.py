"""Replay of a stored day: every panel, dialog and file shows that instant and nothing later."""

from __future__ import annotations

import re
from datetime import date

import pytest
from playwright.sync_api import Page, expect

from pipeline.reader import Reader
from pipeline.session import session_grid
from pipeline.sinks import open_database
from tests.browser import stage
from tests.browser.conftest import values
from tests.browser.test_market import number, opened, rows_of

SLIDE = "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }"
DAY = date(2026, 6, 17)


def replay(page: Page, position: int, time: str) -> None:
    """Goes to a poll of the replayed day and waits for its snapshot."""
    expect(page.locator(".replay")).to_be_visible()
    page.locator("#replay-slider").evaluate(SLIDE, position)
    expect(page.locator("#state")).to_have_text(f"Replay {time} IST")


def test_a_stored_day_is_replayed(recorded, visitor, stored):
    date = recorded.second.isoformat()
    with visitor() as viewer:
        page = opened(viewer, recorded)
        page.locator("#replay-toggle").click()
        time = page.locator(".replay-time")
        expect(time).to_have_text("09:15 IST")
        page.locator(".replay").get_by_title("10 polls a second").click()
        page.locator("#replay-play").click()
        expect(time).to_have_text(re.compile(r"09:[3-5]\d IST"))
        page.locator("#replay-play").click()
        expect(page.locator("#replay-play")).to_have_text("▶ Play")
        replay(page, 23, "11:15")
        expect(time).to_have_text("11:15 IST")
        row = stored.snapshot("nifty50", date, f"{date} 11:15:00")
        expect(page.locator(".count-advances .count-value")).to_have_text(str(row["advances"]))
        expect(page.locator(".session-chart .chart-readout")).to_contain_text(re.compile("19 Jun( 2026)? 11:15 IST"))
        with visitor() as another:
            copy = another.open(page.url)
            expect(copy.locator("#state")).to_have_text("Replay 11:15 IST")
            expect(copy.locator(".count-advances .count-value")).to_have_text(str(row["advances"]))
        page.get_by_role("button", name="End replay", exact=True).click()
        expect(page.locator("#updated")).to_contain_text("15:30 IST")
        assert not re.search("at=|date=", page.url)


def test_a_replay_stays_with_its_day_when_the_next_one_begins(tmp_path, visitor):
    store = stage.Store(tmp_path)
    kept = stage.Recorded("in_nifty50_5m_2026-06-19")

    def put(trade_date: date, share: float) -> None:
        day = stage.Day(kept.universe, stage.on(trade_date), 900)
        grid = enumerate(session_grid(day.session, 900))
        store.put(day.opening(), *(day.poll(instant, kept.quotes(day.session, share * n)) for n, instant in grid))

    put(date(2026, 6, 16), 0.03)
    put(DAY, 0.04)
    with stage.server(store) as server, visitor() as viewer:
        page = viewer.open(server.url)
        page.locator("#replay-toggle").click()
        replay(page, 3, "10:00")
        link = page.url
        counts = page.locator(".count-summary").inner_text()
        put(date(2026, 6, 18), 0.02)
        latest = viewer.open(server.url)
        expect(latest.locator("#updated")).to_contain_text("18 Jun")
        copy = viewer.open(link)
        for shown in (page, copy):
            expect(shown.locator("#state")).to_have_text("Replay 10:00 IST")
            expect(shown.locator("#updated")).to_contain_text("17 Jun")
            expect(shown.locator(".count-summary")).to_have_text(counts)
            expect(shown.locator(".session-chart .chart-readout")).to_contain_text(re.compile("17 Jun.* 10:00 IST"))
            expect(shown.locator("#day")).to_have_value(str(DAY))
            with shown.expect_download() as waiting:
                shown.locator("#series-csv").click()
            last = rows_of(waiting.value.path().read_bytes())[-1]
            assert waiting.value.suggested_filename.endswith(f"-{DAY}-1000-polls.csv")
            assert (last["trade_date"], last["time"]) == (str(DAY), "10:00")
        page.locator("#replay-toggle").click()
        expect(page.locator("#updated")).to_contain_text("18 Jun")
        expect(page.locator(".session-chart .chart-readout")).to_contain_text("18 Jun")
        assert "date=" not in page.url
    store.close()


def test_back_and_forward_lead_from_replay_to_replay(recorded, visitor):
    with visitor() as viewer:
        page = opened(viewer, recorded)
        for day, position, time in ((recorded.first, 9, "10:00"), (recorded.second, 21, "11:05")):
            page.locator("#day").select_option(str(day))
            expect(page.locator("#updated")).to_contain_text(f"{day.day} Jun")
            page.locator("#replay-toggle").click()
            replay(page, position, time)
        page.go_back()
        expect(page.locator("#state")).to_have_text("Replay 10:00 IST")
        expect(page.locator("#updated")).to_contain_text("18 Jun")
        page.go_forward()
        expect(page.locator("#state")).to_have_text("Replay 11:05 IST")
        expect(page.locator("#updated")).to_contain_text("19 Jun")
        page.locator("#replay-toggle").click()
        expect(page.locator("#state")).to_have_text("Closed")
        assert page.url.endswith(f"date={recorded.second}")


@pytest.mark.parametrize("stored_at", [(), (25,)], ids=["never stored", "stored at the last poll"])
def test_a_poll_without_stocks_is_replayed_with_its_own_sectors(tmp_path, visitor, stored_at):
    store = stage.Store(tmp_path)
    kept = stage.Recorded("in_nifty50_5m_2026-06-19")
    day = stage.Day(kept.universe, stage.on(DAY), 900)
    polls = [
        day.poll(instant, kept.quotes(day.session, 0.04 * n), stocks=n in stored_at)
        for n, instant in enumerate(session_grid(day.session, 900))
    ]
    store.put(day.opening(), *polls)
    database = open_database(store.url, readonly=True)
    with stage.server(store) as server, visitor() as viewer:
        page = viewer.open(f"{server.url}?at=08:00")
        for position, time in ((0, "09:15"), (3, "10:00"), (12, "12:15")):
            replay(page, position, time)
            rows = Reader(database).sectors(kept.universe.name, DAY.isoformat(), f"{DAY} {time}:00")
            shown = dict(zip(values(page, ".sector-name"), values(page, ".sector-counts"), strict=True))
            assert shown == {row["sector"]: f"{row['advances']} / {row['declines']}" for row in rows}
            expect(page.locator(".unstored")).to_be_visible()
            expect(page.locator(".heat, .movers").first).to_be_hidden()
        page.get_by_role("button", name="End replay", exact=True).click()
        expect(page.locator(".heat")).to_be_visible(visible=bool(stored_at))
    database.close()
    store.close()


def test_a_replayed_instant_knows_nothing_of_what_came_later(recorded, visitor, stored):
    day = recorded.second.isoformat()
    with visitor() as viewer:
        page = opened(viewer, recorded)
        page.locator("#replay-toggle").click()
        replay(page, 3, "09:30")
        page.locator(".search").fill("reliance")
        page.keyboard.press("Enter")
        facts = page.locator(".stock-dialog .facts")
        expect(facts).to_contain_text("High")
        shown = dict(zip(values(page, ".facts dt"), values(page, ".facts dd"), strict=True))
        rows = stored.stock_rows("nifty50", day, f"{day} 09:30:00")
        row = next(row for row in rows if row["symbol"].startswith("RELIANCE"))
        later = stored.stock_day("nifty50", day, row["symbol"])[-1]
        assert (row["day_high"], row["day_low"]) != (later["day_high"], later["day_low"])
        for name in ("Open", "High", "Low"):
            assert number(shown[name]) == row[f"day_{name.lower()}"], name
        page.keyboard.press("Escape")
        with page.expect_download() as waiting:
            page.locator("#series-csv").click()
        polls = rows_of(waiting.value.path().read_bytes())
        assert (polls[0]["trade_date"], polls[-1]["trade_date"]) == (recorded.first.isoformat(), day)
        assert polls[-1]["time"] == "09:30"
