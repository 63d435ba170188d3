"""The series of an open page while polls come in: fetched once, then continued by what the stream brings."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import APIResponse, Route, expect

from tests.browser import stage
from tests.browser.conftest import recent


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
