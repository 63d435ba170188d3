"""`python -m tests.bench.bench_page`: the page in a real browser, from a commit in the database to paint.

500 stocks change once a second in front of headless Chromium. `painted` is the first task after the frame that shows
the poll in numbers, heat map and chart, on the machine's wall clock, as is the commit. A cold visit has an empty cache
and no connection, a warm one has been there before. Prints minimum, median, p95 and maximum of each.

`--hour` (a quarter of an hour) shows a page nothing but the polls of an hour, one a second, faster than that, in a
browser with all its compilers: heap and nodes after every ten minutes of it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from pipeline.dashboard import build
from pipeline.dburl import DatabaseUrl
from tests.browser.browsing import DESKTOP, chromium, launch
from tests.market_day import MarketDay, random_prices, session_around, universe_of
from tests.page_server import PageServer

STOCKS, POLLS, VISITS, WARMING, LONG = 500, 30, 9, 40, 60

INTERPRETED = "--js-flags=--no-opt --no-maglev --no-sparkplug"
WATCH_POLLS = """() => {
  window.painted = {};
  const readout = document.querySelector(".session-chart .chart-readout");
  new MutationObserver(() => {
    const text = readout.textContent.match(/\\d\\d:\\d\\d(:\\d\\d)?/)?.[0];
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { window.painted[text] ??= Date.now(); };
    channel.port2.postMessage(null);
  }).observe(readout, { childList: true, characterData: true, subtree: true });
}"""
WATCH_FIRST = """
const look = () => {
  if (document.querySelector(".count-advances .count-value")?.textContent) window.firstData = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


# The page's policy forbids what wait_for_function does with a text, so these wait inside the page.
PAINTED = """key => new Promise(done => {
  const look = () => window.painted[key] ? done(window.painted[key]) : setTimeout(look, 2);
  look();
})"""
FIRST = """() => new Promise(done => {
  const look = () => window.firstData ? done(window.firstData) : setTimeout(look, 5);
  look();
})"""


def say(what: str, values: Sequence[float], unit: str, limit: str = "") -> None:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    figures = f"min {ordered[0]:.0f} median {statistics.median(ordered):.0f} p95 {p95:.0f} max {ordered[-1]:.0f} {unit}"
    print(f"{what:<44} {figures}" + (f"   (at most {limit})" if limit else ""), flush=True)


def label(instant: datetime) -> str:
    """How the page writes this poll's time."""
    return f"{instant:%H:%M}" if instant.second == 0 else f"{instant:%H:%M:%S}"


def store(day: MarketDay, number: int) -> float:
    """Stores a poll in which every stock changed; the wall clock after its commit, in seconds."""
    day.poll(day.at(number), random_prices(day.universe, number))
    return time.time()


def painted(page: Page, key: str) -> float:
    """When the page had painted that poll, in seconds of the wall clock."""
    return float(page.evaluate(PAINTED, key)) / 1000


def updates(page: Page, day: MarketDay, first: int) -> list[float]:
    """Milliseconds from commit to paint, a poll a second."""
    page.evaluate(WATCH_POLLS)
    began = time.monotonic()
    delays = []
    for number in range(first, first + POLLS):
        time.sleep(max(0.0, began + number - first - time.monotonic()))
        committed = store(day, number)
        delays.append(1000 * (painted(page, label(day.at(number))) - committed))
    return delays


def first_data(context: BrowserContext, url: str) -> float:
    """Milliseconds from the navigation to the first numbers."""
    page = context.new_page()
    page.add_init_script(WATCH_FIRST)
    page.goto(url)
    found = float(page.evaluate(FIRST))
    page.close()
    return found


def visits(browser: Browser, url: str) -> tuple[list[float], list[float]]:
    cold, warm = [], []
    for _ in range(VISITS):
        context = browser.new_context(viewport=DESKTOP)
        cold.append(first_data(context, url))
        warm.append(first_data(context, url))
        context.close()
    return cold, warm


def first_visit_bytes(browser: Browser, url: str) -> tuple[float, float]:
    """(page, data) of a first visit as they went over the wire; the shared worker's script is part of the page."""
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    addresses: dict[str, str] = {}
    sizes: dict[str, float] = {}
    session.on("Network.requestWillBeSent", lambda one: addresses.update({one["requestId"]: one["request"]["url"]}))
    session.on("Network.loadingFinished", lambda one: sizes.update({one["requestId"]: one["encodedDataLength"]}))
    page.goto(url)
    page.locator(".session-chart canvas").wait_for()
    page.evaluate("document.fonts.ready.then(() => null)")
    context.close()
    data = sum(size for key, size in sizes.items() if "/api/" in addresses.get(key, ""))
    worker = sum(path.stat().st_size for path in build.STATIC.glob("worker-*.js.gz"))
    return sum(sizes.values()) - data + worker, data


def held(session: CDPSession) -> tuple[float, float]:
    """(bytes of the script's heap, DOM nodes) after a garbage collection."""
    session.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return metrics["JSHeapUsedSize"], metrics["Nodes"]


def held_after(page: Page, session: CDPSession, day: MarketDay, numbers: range) -> tuple[float, float]:
    """As `held`, once each of these polls was stored and painted."""
    for number in numbers:
        store(day, number)
        painted(page, label(day.at(number)))
    page.evaluate("window.painted = {}")
    return held(session)


def growth(page: Page, session: CDPSession, day: MarketDay, first: int) -> tuple[float, float]:
    """Percent by which heap and nodes grow over LONG polls, as many as an hour has at one a minute.

    The page's browser runs without INTERPRETED's compilers, whose code is most of a heap and comes in waves, by how
    often a function has run: it is bounded, and nothing that the page keeps. The first polls do not count: caches fill.
    """
    before = held_after(page, session, day, range(first, first + WARMING))
    after = held_after(page, session, day, range(first + WARMING, first + WARMING + LONG))
    heap, nodes = (100 * (b - a) / a for a, b in zip(before, after, strict=True))
    return heap, nodes


def hour(browser: Browser, server: PageServer, day: MarketDay) -> None:
    """Prints bytes of the heap and nodes for every ten minutes of polls, and their growth after the first ten.

    The numbers of typed arrays (polls, points) lie outside the heap that browsers report: `arrays`.
    """
    page, session = watched_page(browser, server)
    print(f"{'minute':>6} {'heap, MB':>9} {'grown, %':>9} {'nodes':>6} {'grown, %':>9} {'arrays, MB':>11}")
    first = None
    for minute in range(10, 61, 10):
        end = 3 + 60 * minute
        found = held_after(page, session, day, range(end - 600, end))
        first = first or found
        heap, nodes = (100 * (now - then) / then for now, then in zip(found, first, strict=True))
        arrays = session.send("Runtime.getHeapUsage")["backingStorageSize"] / 1e6
        line = f"{minute:>6} {found[0] / 1e6:>9.2f} {heap:>9.1f} {found[1]:>6.0f} {nodes:>9.1f} {arrays:>11.2f}"
        print(line, flush=True)


def watched_page(browser: Browser, server: PageServer) -> tuple[Page, CDPSession]:
    page = browser.new_context(viewport=DESKTOP).new_page()
    page.goto(server.url)
    page.locator(".session-chart canvas").wait_for()
    page.evaluate(WATCH_POLLS)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    return page, session


def main() -> int:
    if chromium() is None:
        print("bench_page needs Chromium (Debian: chromium)")
        return 0
    build.build()
    universe = universe_of("bench", [f"SYMBOL{number}.NS" for number in range(STOCKS)], sectors=21)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        file = Path(directory) / "breadth.db"
        day = MarketDay(DatabaseUrl("sqlite", path=file), universe, session_around(datetime.now(UTC)), 1).begin()
        for number in range(3):
            store(day, number)
        server = PageServer("--db", f"sqlite:///{file}")
        browser, plain = launch(playwright), launch(playwright, INTERPRETED)
        try:
            if "--hour" in sys.argv:
                hour(browser, server, day)
            else:
                measure(browser, server, day)
                measure_growth(plain, server, day)
        finally:
            browser.close()
            plain.close()
            server.stop()
            day.close()
    return 0


def measure(browser: Browser, server: PageServer, day: MarketDay) -> None:
    cold, warm = visits(browser, server.url)
    say("first data, cold visit", cold, "ms", "1200 ms")
    say("first data, warm visit", warm, "ms", "500 ms")
    page_bytes, data_bytes = first_visit_bytes(browser, server.url)
    say("page on the wire, first visit", [page_bytes / 1024], "KB", "300 KB")
    say("first data on the wire (stream not counted)", [data_bytes / 1024], "KB")
    page = browser.new_context(viewport=DESKTOP).new_page()
    page.goto(server.url)
    page.locator(".session-chart canvas").wait_for()
    say("commit to painted, 500 stocks a second", updates(page, day, 3), "ms", "150 ms")
    page.close()


def measure_growth(browser: Browser, server: PageServer, day: MarketDay) -> None:
    heap, nodes = growth(*watched_page(browser, server), day, 3 + POLLS)
    say(f"growth of the heap over {LONG} polls", [heap], "%", "5 %")
    say(f"growth of the nodes over {LONG} polls", [nodes], "%", "5 %")


if __name__ == "__main__":
    sys.exit(main())
