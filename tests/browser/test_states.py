"""What the page says about its data: each state as the viewer meets it, from the real server."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from pipeline.model import Outcome, Session
from tests.browser import stage
from tests.browser.conftest import recent

NETWORK = r"ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED|status of 503"


def test_a_fresh_poll_of_a_running_pipeline_is_live(now, visitor):
    market = now()
    market.poll(recent())
    market.run()
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator("#updated")).to_contain_text(re.compile(r"updated (<1|\d+) s ago · \d+/47 stocks"))
        expect(page.locator(".pill").first).to_contain_text("open")
        expect(page.locator("#banners .banner")).to_be_hidden()


def test_a_recording_that_plays_is_not_called_live(tmp_path, visitor):
    store = stage.Store(tmp_path)
    kept = stage.Recorded("in_nifty50_5m_2026-06-19")
    session = stage.around(datetime.now(UTC), timedelta(hours=2), timedelta(hours=2))
    day = stage.Day(kept.universe, session, 300, source="recording:in_nifty50_5m_2026-06-19")
    store.put(day.opening(), day.poll(recent(), kept.quotes(session, 0.5)))
    stage.write_status(tmp_path / "state", kept.universe.name)
    shown = f"{session.trade_date.day} {session.trade_date:%b %Y}"
    with stage.server(store, state_dir=tmp_path / "state") as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Recorded, playing")
        expect(page.locator(".pill").first).to_have_text(re.compile(f", {shown}$"))
        expect(page.locator("#updated")).to_contain_text(re.compile(r"^\d\d:\d\d(:\d\d)? (IST|ET) · "))
    store.close()


def test_a_source_that_states_a_delay_shows_it(now, visitor):
    market = now()
    market.poll(recent(), delay_s=900)
    market.run()
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        expect(viewer.open(server.url).locator("#state")).to_have_text("Delayed 15 min")


def test_old_numbers_in_an_open_market_are_grey_and_say_their_age(now, visitor):
    market = now()
    old = recent(timedelta(minutes=20))
    market.poll(old, fetched_at=old)
    with stage.server(market.store) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Stale")
        expect(page.locator("#banners .banner")).to_contain_text("No new numbers for 20 min")
        expect(page.locator("html")).to_have_class("dimmed")
        # A poll that comes makes it live again, without a reload.
        market.poll(recent())
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator("html")).not_to_have_class("dimmed")


def test_a_partial_poll_says_how_many_stocks_are_counted_and_a_failed_one_why(now, visitor):
    market = now()
    market.poll(recent(timedelta(seconds=30)), symbols=20, reason="Yahoo answered 20 of 47")
    market.run()
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Partial")
        expect(page.locator("#banners .banner")).to_contain_text("Only 20 of 47 stocks are counted")
        expect(page.locator("[data-tile=coverage]")).to_contain_text("20 of 47 stocks")
        market.store.put(market.day.unpolled(recent(), Outcome.FAILED, "no answer from Yahoo"))
        expect(page.locator("#state")).to_have_text("Poll failed")
        expect(page.locator("#banners .banner")).to_contain_text("The last poll failed: no answer from Yahoo")


@pytest.mark.parametrize("age", [timedelta(), timedelta(minutes=20)], ids=["at the open", "long after it"])
def test_a_day_whose_first_polls_fail_says_so(now, visitor, age):
    market = now(before=age + timedelta(minutes=1))
    market.store.put(market.day.unpolled(recent(age + timedelta(seconds=5)), Outcome.SKIPPED, "late"))
    told = "No poll of today has succeeded yet. Last poll: {}."
    with stage.server(market.store) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Poll skipped")
        expect(page.locator("#banners .banner")).to_have_text(told.format("late"))
        market.store.put(market.day.unpolled(recent(), Outcome.FAILED, "no answer from Yahoo"))
        expect(page.locator("#state")).to_have_text("Poll failed")
        expect(page.locator("#banners .banner")).to_have_text(told.format("no answer from Yahoo"))
        expect(page.locator(".empty .note")).to_have_text(told.format("no answer from Yahoo"))
        expect(page.locator("#replay-toggle")).to_be_disabled()
        market.poll(recent(timedelta(seconds=-1)))
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator("#replay-toggle")).to_be_enabled()


def test_a_day_without_a_poll_that_succeeded_has_nothing_to_show(tmp_path, visitor):
    store = stage.Store(tmp_path)
    kept = stage.Recorded("in_nifty50_5m_2026-06-19")
    day = stage.Day(kept.universe, kept.recording.session, 300)
    store.put(day.opening(), day.unpolled(day.session.open, Outcome.FAILED, "no answer from Yahoo"))
    with stage.server(store) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Closed")
        expect(page.locator(".empty")).to_contain_text(
            "No poll of this day succeeded. Last poll: no answer from Yahoo."
        )
    store.close()


def test_numbers_stay_while_the_pipeline_is_down(now, visitor):
    market = now()
    market.poll(recent())
    market.state_dir.mkdir()
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Pipeline down")
        expect(page.locator("#banners .banner")).to_contain_text("The pipeline is not running")
        expect(page.locator(".count-advances .count-value")).to_have_text(re.compile(r"\d+"))


def test_a_closed_market_names_the_last_session_and_the_next_open(now, visitor):
    market = now(before=timedelta(hours=4), after=timedelta(minutes=-30))
    market.poll(market.day.session.close, share=1.0)
    market.run()
    following = (market.day.session.open + timedelta(days=1)).isoformat()
    hours = {"calendar": "NSE", "timezone": market.day.session.timezone.key, "phase": "closed", "next_open": following}
    stage.write_status(market.state_dir, "nifty50", market=hours)
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Closed")
        banner = page.locator("#banners .banner")
        expect(banner).to_contain_text("The market is closed. Last session")
        expect(banner).to_contain_text(f"closed at {market.day.session.close:%H:%M}")
        expect(banner).to_contain_text(re.compile(rf"Next open .*{following[11:16]}"))


def test_a_poll_at_night_is_live_and_then_a_closed_market_whose_close_nobody_knows(tmp_path, visitor):
    kept, local = stage.Recorded("in_nifty50_5m_2026-06-19"), datetime.now(stage.INDIA)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    session = Session(midnight.date(), midnight, midnight + timedelta(days=1), stage.INDIA)
    day, store = stage.Day(stage.renamed(kept.universe, "nifty50"), session, 60), stage.Store(tmp_path)
    store.put(day.opening(), day.poll(recent(), kept.quotes(session, 0.5)))
    stage.write_status(tmp_path / "state", "nifty50")
    with stage.server(store, state_dir=tmp_path / "state") as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator(".header-status .pill").first).to_have_text("NSE")
        stage.write_status(tmp_path / "state", "nifty50", market={"phase": "closed"})
        expect(page.locator("#state")).to_have_text("Closed")
        expect(page.locator(".header-status .pill").first).to_have_text("NSE closed")
        banner = page.locator("#banners .banner")
        expect(banner).to_contain_text("The market is closed. Last session")
        expect(banner).not_to_contain_text("closed at")
    store.close()


def test_a_day_without_a_poll_has_no_data_yet_and_fills_by_itself(now, visitor):
    market = now()
    market.run()
    with stage.server(market.store, state_dir=market.state_dir) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("No data yet")
        expect(page.locator(".empty")).to_contain_text("The first numbers come with the next poll")
        market.poll(recent())
        expect(page.locator(".counts")).to_contain_text("of 47 stocks")


def test_an_empty_database_fills_by_itself(tmp_path, visitor):
    store = stage.Store(tmp_path)
    with stage.server(store) as server, visitor() as viewer:
        page = viewer.open(server.url)
        expect(page.locator(".empty h2")).to_contain_text("No universe is stored")
        expect(page.locator("#universe")).to_be_hidden()
        kept = stage.Recorded("in_nifty50_5m_2026-06-19")
        day = stage.Day(kept.universe, kept.recording.session, 300)
        store.put(day.opening(), day.poll(day.session.close, kept.quotes(day.session, 1.0)))
        expect(page.locator(".counts")).to_contain_text("of 47 stocks")
    store.close()


def test_an_unreachable_database_keeps_what_was_read(now, visitor):
    market = now()
    market.poll(recent())
    with stage.server(market.store) as server, visitor(allowed=NETWORK) as viewer:
        page = viewer.open(server.url)
        expect(page.locator("#state")).to_have_text("Live")
        advances = page.locator(".count-advances .count-value").inner_text()
        path = market.store.url.path
        hidden = path.with_suffix(".away")
        path.rename(hidden)
        path.mkdir()
        expect(page.locator("#state")).to_have_text("Database unreachable")
        expect(page.locator("#banners .banner")).to_contain_text("The database does not answer")
        expect(page.locator(".count-advances .count-value")).to_have_text(advances)
        path.rmdir()
        hidden.rename(path)
        expect(page.locator("#state")).to_have_text("Live")


def test_a_lost_connection_is_said_and_comes_back(now, visitor):
    market = now()
    market.poll(recent())
    with visitor(allowed=NETWORK) as viewer:
        with stage.server(market.store) as server:
            port = server.port
            page = viewer.open(server.url)
            expect(page.locator("#state")).to_have_text("Live")
        expect(page.locator("#state")).to_have_text("Reconnecting")
        expect(page.locator("#banners .banner")).to_contain_text("No connection to the dashboard")
        expect(page.locator("html")).to_have_class("dimmed")
        with stage.server(market.store, port=port):
            expect(page.locator("#state")).to_have_text("Live", timeout=20_000)
            expect(page.locator("html")).not_to_have_class("dimmed")


def test_until_the_first_answer_the_page_says_connecting(now, visitor):
    market = now()
    with stage.server(market.store) as server, visitor() as viewer:
        page = viewer.context.new_page()
        page.route("**/api/v1/**", lambda route: None)
        page.goto(server.url)
        expect(page.locator("#state")).to_have_text("Connecting")
        expect(page.locator(".empty h2")).to_have_text("Connecting…")


@pytest.mark.parametrize("address", ["?universe=nosuch", "?universe=nifty50&date=1999-01-01"])
def test_an_address_of_what_is_not_stored_says_so(recorded, visitor, address):
    with visitor() as viewer:
        page = viewer.open(recorded.server.url + address)
        expect(page.locator("#state")).to_have_text("No data yet")
        expect(page.locator(".empty")).to_contain_text("Nothing is stored")
        choice = page.locator("#day" if "date" in address else "#universe")
        choice.select_option("" if "date" in address else "nifty50")
        expect(page.locator(".counts")).to_contain_text("of 47 stocks")
