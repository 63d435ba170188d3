"""One Chromium for all browser tests, one stored pair of recorded days with its server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline.dashboard import build
from pipeline.model import Outcome
from pipeline.reader import Reader
from pipeline.session import session_grid
from pipeline.sinks import open_database
from tests.browser import stage
from tests.browser.browsing import Watched, chromium, launch, watched
from tests.page_server import PageServer

TWO_HOURS = timedelta(hours=2)
UNIVERSE = "in_nifty50_5m_2026-06-19"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("CI must have Chromium: apt-get install chromium")
        pytest.skip("install Chromium (Debian: chromium)")
    try:
        build.build()
    except build.PageBuildError as error:
        pytest.fail(f"the page cannot be built: {error}")
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        launched = launch(playwright)
        yield launched
        launched.close()


@pytest.fixture
def visitor(browser: Browser) -> Callable[..., AbstractContextManager[Watched]]:
    """`visitor(**options)`: a fresh viewer, see `browsing.watched`."""
    return partial(watched, browser)


@dataclass
class Recorded:
    """The two recorded days, as one universe of one database, and the server over it."""

    server: PageServer
    store: stage.Store
    first: date
    second: date

    @property
    def url(self) -> str:
        return f"{self.server.url}?universe=nifty50"


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Two real days of 47 NSE stocks, with a failed poll and a backfilled hour on the second; and one of 499."""
    store = stage.Store(tmp_path_factory.mktemp("recorded"))
    dates = [_store_day(store, name, "nifty50") for name in ("in_nifty50_5m_2026-06-18", UNIVERSE)]
    _store_day(store, "in_nifty500_15m_2023-04-05", "nifty500")
    with stage.server(store) as server:
        yield Recorded(server, store, *dates)
    store.close()


@pytest.fixture
def stored(recorded: Recorded) -> Iterator[Reader]:
    """What is in the recorded days' database."""
    database = open_database(recorded.store.url, readonly=True)
    yield Reader(database)
    database.close()


def _store_day(store: stage.Store, name: str, universe: str) -> date:
    kept = stage.Recorded(name)
    session = kept.recording.session
    shown = stage.renamed(kept.universe, universe)
    if name == UNIVERSE:
        shown = stage.hostile(shown)
    day = stage.Day(shown, session, kept.recording.interval_s)
    items = [day.opening()]
    for number, instant in enumerate(session_grid(session, kept.recording.interval_s)):
        share = (instant - session.open) / (session.close - session.open)
        quotes = kept.quotes(session, share)
        if name == UNIVERSE:
            quotes[shown.members[0].symbol] = stage.relabelled(quotes, kept.universe.members[0], shown.members[0])
        if name == UNIVERSE and number == 20:
            items.append(day.unpolled(instant, Outcome.FAILED, "no answer from Yahoo"))
        else:
            late = timedelta(hours=8) if name == UNIVERSE and 30 <= number < 42 else timedelta(seconds=2)
            items.append(day.poll(instant, quotes, fetched_at=instant + late))
    store.put(*items)
    return session.trade_date


@dataclass
class Now:
    """A universe whose session is open now, with polls up to `age` ago, to be changed by a test."""

    store: stage.Store
    kept: stage.Recorded
    day: stage.Day
    state_dir: Path

    def poll(self, instant: datetime, share: float = 0.5, **options: object) -> None:
        delay = options.pop("delay_s", None)
        most = options.pop("symbols", None)
        quotes = self.kept.quotes(self.day.session, share, delay)
        if most is not None:
            quotes = dict(list(quotes.items())[:most])
        self.store.put(self.day.poll(instant, quotes, **options))

    def run(self) -> None:
        """The pipeline says that it runs, as of now."""
        stage.write_status(self.state_dir, self.day.universe.name)


@pytest.fixture
def now(tmp_path: Path) -> Iterator[Callable[..., Now]]:
    """`now(interval_s=60)`: makes a `Now`; its session opened two hours ago, without a poll yet."""
    stores: list[stage.Store] = []

    def make(interval_s: int = 60, before: timedelta = TWO_HOURS, after: timedelta = TWO_HOURS) -> Now:
        store = stage.Store(tmp_path)
        stores.append(store)
        kept = stage.Recorded("in_nifty50_5m_2026-06-19")
        universe = stage.renamed(kept.universe, "nifty50")
        day = stage.Day(universe, stage.around(datetime.now(UTC), before, after), interval_s)
        store.put(day.opening())
        return Now(store, kept, day, tmp_path / "state")

    yield make
    for store in stores:
        store.close()


def recent(age: timedelta = timedelta()) -> datetime:
    """A whole second, `age` ago."""
    return datetime.now(UTC).replace(microsecond=0) - age


def values(page: Page, selector: str) -> list[str]:
    """The texts of all elements of a selector."""
    return [text.strip() for text in page.locator(selector).all_inner_texts()]
