"""`python -m tests.browser.screenshots`: the page as docs/screenshots shows it (make screenshots).

The stocks, sectors, previous closes and volumes are those of the embedded recorded day; two sessions of prices are
made up from them by a seeded walk, because a recording of every minute of two days would not fit into the package.
The server runs on a clock that says 13:52 in Mumbai, so that the pictures are the same at any hour.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline import dashboard
from pipeline.dashboard import build
from pipeline.dburl import DatabaseUrl
from pipeline.session import session_grid
from tests.browser import stage
from tests.browser.browsing import DESKTOP, PHONE, chromium, launch, watched

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
DAYS = (date(2026, 6, 18), date(2026, 6, 19))
CLOCK = datetime.combine(DAYS[1], time(13, 52, 3), stage.INDIA)
INDEX_UNITS = 218_400_000
WARNINGS = [
    {
        "ts": (CLOCK - timedelta(minutes=minutes)).astimezone(UTC).isoformat(),
        "level": "WARNING",
        "process": process,
        "text": text,
    }
    for minutes, process, text in (
        (217, "fetcher", "poll 2026-06-19 10:15:00 partial: no answer for LTIM.NS, MRF.NS and 7 more"),
        (41, "writer:sqlite:breadth.db", "the database is locked: trying again in 0.4 s (1 record waits)"),
    )
]
SHOTS = [
    ("market-dark", "market", "dark", DESKTOP),
    ("market-light", "market", "light", DESKTOP),
    ("market-phone", "market", "dark", PHONE),
    ("operations-dark", "operations", "dark", DESKTOP),
    ("operations-light", "operations", "light", DESKTOP),
    ("operations-phone", "operations", "light", PHONE),
]


def fill(directory: Path) -> stage.Store:
    """Two sessions of the NSE's 500, a poll a minute, the second one up to CLOCK."""
    store = stage.Store(directory)
    recording = stage.Recorded("in_nifty500_15m_2023-04-05")
    universe = replace(recording.universe, name="nifty500", index="^CRSLDX")
    closing = recording.quotes(recording.recording.session, 1.0)
    closes = {symbol: quote.prev_close or 0 for symbol, quote in closing.items()}
    volumes = {symbol: quote.volume or 0 for symbol, quote in closing.items()}
    walk = stage.Walk(universe, closes, volumes, seed=11, index=INDEX_UNITS)
    for number in DAYS:
        if number != DAYS[0]:
            walk.overnight()
        fill_day(store, stage.Day(universe, stage.on(number), 60), walk)
    return store


def fill_day(store: stage.Store, day: stage.Day, walk: stage.Walk) -> None:
    """Only the last poll keeps its stocks: nobody replays a picture."""
    due = [instant for instant in session_grid(day.session, 60) if instant <= CLOCK]
    polls = [
        day.poll(instant, walk.step(instant), index=walk.index(instant), stocks=instant == due[-1]) for instant in due
    ]
    store.put(day.opening(), *polls)


def serve(database: str, state_dir: str) -> None:
    """The dashboard on the pictures' clock; prints its address."""
    from pipeline.dashboard import server

    shift = CLOCK - datetime.now(UTC)
    server.Feed = partial(server.Feed, now=lambda: datetime.now(UTC) + shift)  # type: ignore[assignment, misc]
    dashboard.serve(
        [DatabaseUrl.parse(database)],
        ("127.0.0.1", 0),
        state_dir=Path(state_dir),
        ready=lambda url: print(url, flush=True),
    )


@contextmanager
def serving(store: stage.Store, state_dir: Path) -> Iterator[str]:
    command = [sys.executable, "-m", __spec__.name, f"sqlite:///{store.url.path}", str(state_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def settle(page: Page, view: str) -> None:
    page.evaluate("document.fonts.ready.then(() => null)")
    if view == "market":
        expect(page.locator(".session-chart canvas")).to_be_visible()
    else:
        expect(page.locator(".ops-chart canvas")).to_have_count(9)
        expect(page.locator(".processes tbody tr")).to_have_count(4)
    # Two frames: one lays out what the last answer changed, the next one shows it.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def take(browser: Browser, url: str, state_dir: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, view, theme, size in SHOTS:
        # Ahead of the clock by what the pictures may take: a status must not be older than ten seconds.
        stage.write_status(state_dir, "nifty500", now=CLOCK.astimezone(UTC) + timedelta(seconds=50), warnings=WARNINGS)
        with watched(browser, viewport=size, color_scheme=theme) as viewer:
            page = viewer.open(f"{url}?view={view}")
            settle(page, view)
            page.screenshot(path=FOLDER / f"{name}.png", full_page=True)
        print(f"{(FOLDER / name).relative_to(Path.cwd())}.png", flush=True)


def main() -> int:
    if chromium() is None:
        print("screenshots need Chromium (Debian: chromium)", file=sys.stderr)
        return 1
    build.build()
    with tempfile.TemporaryDirectory() as directory:
        state_dir = Path(directory) / "state"
        store = fill(Path(directory))
        stage.write_history(state_dir, timedelta(hours=2), now=CLOCK.astimezone(UTC))
        with serving(store, state_dir) as url, sync_playwright() as playwright:
            browser = launch(playwright)
            take(browser, url, state_dir)
            browser.close()
        store.close()
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve(*sys.argv[1:])
    else:
        sys.exit(main())
