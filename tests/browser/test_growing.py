"""The series of an open page while polls come in: fetched once, then continued by what the stream brings."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta

from playwright.sync_api import APIResponse, Route, expect

from pipeline.model import Outcome, Quote, Record
from pipeline.reader import Reader
from pipeline.session import session_grid
from pipeline.sinks import open_database
from tests.browser import stage
from tests.browser.conftest import recent
from tests.browser.test_market import rows_of

COLUMNS = (
    "advances", "declines", "unchanged", "total_stocks", "adv_decl_diff", "adv_decl_ratio", "adv_pct", "up_volume_pct",
    "trin", "net_volume", "coverage", "index_ltp",
)  # fmt: skip


def test_a_poll_stored_while_the_page_connects_is_on_the_chart_though_answers_are_kept_a_second(now, visitor):
    market = now()
    market.poll(recent(timedelta(seconds=70)), share=0.1)
    with stage.server(market.store) as server, visitor() as viewer:
        viewer.context.add_init_script("delete window.SharedWorker")
        held: list[Route] = []
        viewer.context.route("**/api/v1/stream*", lambda route: held.append(route))
        page = viewer.open(server.url)
        readout = page.locator(".session-chart .chart-readout")
        expect(readout).to_contain_text(re.compile(r"\d\d:\d\d"))
        before = readout.inner_text()
        market.poll(recent(), share=0.9)
        for route in held:
            route.continue_()
        expect(readout).not_to_have_text(before)


def test_polls_that_come_faster_than_the_series_answers_are_on_the_chart(now, visitor):
    market = now()
    held: list[tuple[Route, APIResponse]] = []
    with stage.server(market.store) as server, visitor() as viewer:
        viewer.context.route("**/api/v1/series*", lambda route: held.append((route, route.fetch())))

        def poll(minutes_ago: int, symbols: int) -> str:
            """Stores a poll and waits until the page has it; its time as the chart says it."""
            instant = recent(timedelta(minutes=minutes_ago))
            market.poll(instant, symbols=symbols)
            expect(page.locator("#updated")).to_contain_text(f"{symbols}/47 stocks")
            return f"{instant.astimezone(market.day.session.timezone):%H:%M:%S}".removesuffix(":00")

        def answer(request: int, last: str, polls: int) -> None:
            """Lets the page have the answer that was made when it asked for the series."""
            assert len(held) == request
            route, response = held[-1]
            route.fulfill(response=response)
            expect(page.locator(".session-chart .chart-readout")).to_contain_text(last)
            expect(page.locator(".session-chart tbody tr")).to_have_count(polls)

        market.poll(recent(timedelta(minutes=20)))
        page = viewer.open(server.url)
        expect(page.locator(".counts")).to_contain_text("of 47 stocks")
        page.locator(".session-chart summary").click()
        last = [poll(minutes_ago, 20 + minutes_ago) for minutes_ago in (10, 9, 8, 7)][-1]
        answer(1, last, polls=5)
        market.poll(recent(timedelta(minutes=15)))  # an earlier one, filled in: the day has to be fetched again
        last = [poll(minutes_ago, 20 + minutes_ago) for minutes_ago in (6, 5, 4)][-1]
        answer(2, last, polls=9)
        expect(page.locator(".session-chart .chart-readout")).to_contain_text(poll(3, 23))


def test_hundreds_of_polls_that_come_to_an_open_page_are_exported_as_they_are_stored(tmp_path, visitor):
    store = stage.Store(tmp_path)
    kept = stage.Recorded("in_nifty50_5m_2026-06-19", symbols=4)
    universe = replace(kept.universe, index="^NSEI")
    day = stage.Day(universe, stage.on(date(2026, 6, 17)), 60)
    quotes = [kept.quotes(day.session, 0.04 * n) for n in range(25)]

    def record(n: int, instant: datetime) -> Record:
        if n % 7 == 5:
            return day.unpolled(instant, Outcome.FAILED, f"no answer to poll {n}")
        index = Quote("^NSEI", 240_000_000 + 500 * n, 240_000_000, None, int(instant.timestamp()))
        return day.poll(instant, quotes[n % 25], index=None if n % 5 == 3 else index)

    polls = [record(n, instant) for n, instant in enumerate(session_grid(day.session, 60))]
    asked = []
    store.put(day.opening(), *polls[:3])
    with stage.server(store) as server, visitor() as viewer:
        page = viewer.open(server.url)
        page.on("request", lambda request: asked.append(request.url) if "/series" in request.url else None)
        readout = page.locator(".session-chart .chart-readout")
        expect(readout).to_contain_text("09:17 IST")
        asked.clear()
        for first, last, time in ((3, 5, "09:19"), (5, 250, "13:24"), (250, 376, "15:30")):
            store.put(*polls[first:last])
            expect(readout).to_contain_text(f"{time} IST")
        assert not asked
        with page.expect_download() as waiting:
            page.locator("#series-csv").click()
        exported = rows_of(waiting.value.path().read_bytes())
    store.close()
    database = open_database(store.url, readonly=True)
    stored = Reader(database).series(universe.name, "2026-06-17")
    database.close()
    assert len(exported) == len(stored) == 376
    told = [(row["poll_time"][11:16], row["outcome"]) for row in stored]
    assert [(row["time"], row["outcome"]) for row in exported] == told
    for column in COLUMNS:
        found = [float(row[column]) if row[column] else None for row in exported]
        assert found == [None if row[column] is None else round(float(row[column]), 4) for row in stored], column
