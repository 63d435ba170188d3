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
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline import dashboard
from pipeline.dashboard import build
from pipeline.dburl import DatabaseUrl
from pipeline.model import Record
from pipeline.session import session_grid
from pipeline.tables import POLL
from tests.browser import stage, told
from tests.browser.browsing import DESKTOP, PHONE, chromium, launch, watched

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
DAYS = (date(2026, 6, 18), date(2026, 6, 19))
CLOCK = datetime.combine(DAYS[1], time(13, 52, 3), stage.INDIA)
INDEX_UNITS = 218_400_000
PARTIAL = datetime.combine(DAYS[1], time(10, 15), stage.INDIA)
MISSING = 9
LOCKED = datetime.combine(DAYS[1], time(13, 11, 1), stage.INDIA)
SHOTS = [
    ("market-dark", "market", "dark", DESKTOP),
    ("market-light", "market", "light", DESKTOP),
    ("market-phone", "market", "dark", PHONE),
    ("operations-dark", "operations", "dark", DESKTOP),
    ("operations-light", "operations", "light", DESKTOP),
    ("operations-phone", "operations", "light", PHONE),
]


@dataclass(frozen=True)
class Filled:
    """The stored days, and what a pipeline that took them would tell of the second one."""

    store: stage.Store
    polls: list[told.Polled]
    status: dict[str, object]


def fill(directory: Path) -> Filled:
    """Two sessions of the NSE's 500, a poll a minute, the second one up to CLOCK."""
    store = stage.Store(directory)
    recording = stage.Recorded("in_nifty500_15m_2023-04-05")
    universe = replace(recording.universe, name="nifty500", index="^CRSLDX")
    closing = recording.quotes(recording.recording.session, 1.0)
    closes = {symbol: quote.prev_close or 0 for symbol, quote in closing.items()}
    volumes = {symbol: quote.volume or 0 for symbol, quote in closing.items()}
    walk = stage.Walk(universe, closes, volumes, seed=11, index=INDEX_UNITS)
    before = fill_day(store, stage.Day(universe, stage.on(DAYS[0]), 60), walk)
    walk.overnight()
    day = stage.Day(universe, stage.on(DAYS[1]), 60)
    records = fill_day(store, day, walk)
    partial = next(record for record in records if f"{PARTIAL:%H:%M:%S}" in record.key)
    outcome, reason = partial.tables[POLL.name][0][3:5]
    locked = "sqlite:///breadth.db: database is locked; polls are journaled, tried again until it works"
    warnings = [
        stage.warning(
            PARTIAL + timedelta(seconds=1), "fetcher", f"poll {PARTIAL:%Y-%m-%d %H:%M:%S} {outcome}: {reason}"
        ),
        stage.warning(LOCKED, told.WRITER, locked),
    ]
    status = told.status(day.session, day.interval_s, records, earlier=len(before), troubles=1)
    polls = [told.polled(record, day.session) for record in records[1:]]
    return Filled(store, polls, {**status, "warnings": warnings})


def fill_day(store: stage.Store, day: stage.Day, walk: stage.Walk) -> list[Record]:
    """Its records, the opening first. Only the last poll keeps its stocks: nobody replays a picture."""
    records = [day.opening()]
    due = [instant for instant in session_grid(day.session, 60) if instant <= CLOCK]
    for instant in due:
        quotes = walk.step(instant)
        if instant == PARTIAL:
            quotes = dict(list(quotes.items())[MISSING:])
        records.append(day.poll(instant, quotes, index=walk.index(instant), stocks=instant == due[-1]))
    store.put(*records)
    return records


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


def take(browser: Browser, url: str, state_dir: Path, status: dict[str, object]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, view, theme, size in SHOTS:
        # Ahead of the clock by what the pictures may take: a status must not be older than ten seconds.
        stage.write_status(state_dir, "nifty500", now=CLOCK.astimezone(UTC) + timedelta(seconds=50), **status)
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
        filled = fill(Path(directory))
        stage.write_history(state_dir, timedelta(hours=2), CLOCK.astimezone(UTC), filled.polls, [LOCKED])
        with serving(filled.store, state_dir) as url, sync_playwright() as playwright:
            browser = launch(playwright)
            take(browser, url, state_dir, filled.status)
            browser.close()
        filled.store.close()
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve(*sys.argv[1:])
    else:
        sys.exit(main())
