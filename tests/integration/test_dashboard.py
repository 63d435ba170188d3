"""The dashboard as it runs: its own process, real HTTP, real databases."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, date, datetime

import pytest

from pipeline.dburl import DatabaseUrl
from tests.integration.dashboards import SYMBOLS, live_day, sqlite, wait
from tests.market_day import MarketDay, random_prices, session_around, session_of, universe_of
from tests.page_server import PageServer, Stream, serving


def test_replays_any_poll_of_any_stored_day(file):
    day = MarketDay(sqlite(file), universe_of("old", SYMBOLS), session_of(date(2026, 11, 20))).begin()
    for number in range(4):
        day.poll(day.at(number), random_prices(day.universe, number), index=None)
    later = day.on(session_of(date(2026, 11, 23)))
    later.poll(later.at(0), random_prices(day.universe, 9))
    with serving(file) as server:
        assert server.json("/api/v1/dates?universe=old")["dates"] == ["2026-11-23", "2026-11-20"]
        whole = server.json("/api/v1/snapshot?universe=old&date=2026-11-20")
        assert whole["market"]["poll_time"] == "2026-11-20 09:30:00"
        between = day.session.open.hour * 3600 + day.session.open.minute * 60 + 301
        replayed = server.json(f"/api/v1/snapshot?universe=old&date=2026-11-20&t={between}&static=0")
        assert replayed["market"]["poll_time"] == "2026-11-20 09:20:00"
        assert replayed["members"] == whole["members"]
        assert "symbol" not in replayed["stocks"]
        expected = random_prices(day.universe, 1)
        assert replayed["stocks"]["ltp"] == [expected[symbol] for symbol in whole["stocks"]["symbol"]]
        days = server.json("/api/v1/series?universe=old")["days"]
        assert [found["trade_date"] for found in days] == ["2026-11-20", "2026-11-23"]
        stock = server.json("/api/v1/stock?universe=old&date=2026-11-20&symbol=S001.NS")
        assert stock["points"]["t"] == [33300, 33600, 33900, 34200]
        for path, code in (
            ("/api/v1/snapshot?universe=old&date=2026-11-21", "unknown_date"),
            ("/api/v1/snapshot?universe=nope", "unknown_universe"),
            ("/api/v1/snapshot?universe=old&date=2026-11-20&t=1", "unknown_poll"),
            ("/api/v1/stock?universe=old&symbol=NOPE", "unknown_symbol"),
            ("/api/v1/nope", "not_found"),
        ):
            status, _, body = server.request(path)
            assert (status, json.loads(body)["error"]["code"]) == (404, code)
        for path in ("series?days=99", "snapshot?t=x", "stock"):
            assert server.request(f"/api/v1/{path}")[0] == 400, path
        for date_text in ("2026-02-30", "20.11.2026", "20261120", "2026-11-2", "b"):
            for path in ("snapshot?date=", "series?date=", "operations/history?date=", "stream?watch=old@"):
                status, _, body = server.request(f"/api/v1/{path}{date_text}")
                assert (status, json.loads(body)["error"]["code"]) == (400, "bad_request"), path + date_text
                assert f"{date_text}'" in json.loads(body)["error"]["message"]


def test_a_database_that_goes_away_is_a_state_and_comes_back_without_a_restart(file, tmp_path):
    day = live_day(file)
    with serving(file) as server:
        viewer = server.watch("?watch=live")
        _, before = viewer.next("snapshot")
        aside = tmp_path / "aside.db"
        day.close()
        file.rename(aside)
        lost = viewer.until(lambda event, data: event == "state" and data["state"]["database"] == "unreachable")
        assert lost["state"]["name"] == "database_unreachable"
        assert server.request("/readyz")[0] == 503
        assert server.request("/healthz")[0] == 200
        kept = server.json("/api/v1/snapshot?universe=live")
        assert kept["market"] == before["market"], "what was known stays served"
        aside.rename(file)
        back = viewer.until(lambda event, data: event == "state" and data["state"]["database"] == "ok")
        assert back["state"]["name"] == "live"
        wait(lambda: server.request("/readyz")[0] == 200)
        viewer.close()


@pytest.mark.mysql
def test_a_database_that_hangs_neither_blocks_other_requests_nor_the_end(own_mariadb):
    name = own_mariadb.create_database()
    address = own_mariadb.url(name)
    url = DatabaseUrl.parse(address)
    day = MarketDay(url, universe_of("live", SYMBOLS), session_around(datetime.now(UTC))).begin()
    day.poll(day.at(0), random_prices(day.universe, 1))
    server = PageServer("--db", address)
    viewer = server.watch("?watch=live")
    assert viewer.next("snapshot")[1]["market"]["total_stocks"] == len(SYMBOLS)
    day.poll(day.at(1), random_prices(day.universe, 2, moved=5))
    assert viewer.next("change")[1]["series"]["count"] == 2
    own_mariadb.freeze()
    lost = viewer.until(lambda event, data: event == "state" and data["state"]["database"] == "unreachable")
    assert "did not answer" in lost["state"]["message"]
    assert server.request("/healthz")[0] == 200
    own_mariadb.thaw()
    viewer.until(lambda event, data: event == "state" and data["state"]["database"] == "ok")
    own_mariadb.freeze()
    viewer.until(lambda event, data: event == "state" and data["state"]["database"] == "unreachable")
    code = server.stop(deadline_s=2.5)
    own_mariadb.thaw()
    assert code == 0


def test_an_empty_database_is_no_data_until_the_first_poll_arrives(file):
    from pipeline import schema

    schema.ensure(sqlite(file), True)
    with serving(file) as server:
        assert server.json("/api/v1/universes")["universes"] == []
        nothing = server.json("/api/v1/snapshot")
        assert (nothing["state"]["name"], nothing["market"], nothing["stocks"]) == ("no_data", None, None)
        viewer = server.watch()
        assert viewer.next("snapshot")[1]["state"]["name"] == "no_data"
        live_day(file)
        first = viewer.until(lambda event, data: event == "snapshot" and data["market"] is not None)
        assert first["universe"] == "live"
        viewer.close()


def test_the_default_snapshot_is_current_while_somebody_watches_that_universe_by_name(file):
    day = live_day(file)
    with serving(file) as server:
        wait(lambda: server.json("/api/v1/snapshot")["series"]["count"] == 1)
        viewer = server.watch("?watch=live")
        viewer.next("snapshot")
        day.poll(day.at(1), random_prices(day.universe, 2))
        viewer.next("change")
        assert server.json("/api/v1/snapshot")["series"]["count"] == 2
        viewer.close()


def test_without_stock_rows_the_stocks_are_null(file):
    day = MarketDay(sqlite(file), universe_of("lean", SYMBOLS), session_around(datetime.now(UTC))).begin()
    day.poll(day.at(0), random_prices(day.universe, 1), stocks=False)
    with serving(file) as server:
        viewer = server.watch("?watch=lean")
        shown = viewer.next("snapshot")[1]
        assert shown["stocks"] is None
        assert shown["market"]["total_stocks"] == len(SYMBOLS)
        day.poll(day.at(1), random_prices(day.universe, 2), stocks=False)
        assert viewer.next("change")[1]["stocks"] is None
        viewer.close()


def test_sizes_on_the_wire_stay_within_their_limits(file):
    universe = universe_of("nifty500", [f"SYMBOL{number}.NS" for number in range(500)], sectors=21)
    day = live_day(file, universe)
    with serving(file) as server:
        assert server.wire_size("/api/v1/snapshot?universe=nifty500") <= 25 * 1024
        viewer = server.watch("?watch=nifty500", {"Accept-Encoding": "gzip"})
        wire = Wire(viewer)
        wire.read_until(b"event: snapshot")
        day.poll(day.at(1), random_prices(universe, 5, moved=200))
        size, change = wire.read_until(b"event: change")
        assert len(change["stocks"]["i"]) == 200
        assert size <= 6 * 1024
        viewer.close()


class Wire:
    """A compressed stream as it comes over the wire: counts the bytes of what it reads."""

    def __init__(self, viewer: Stream) -> None:
        self._viewer, self._inflate = viewer, zlib.decompressobj(31)

    def read_until(self, event: bytes) -> tuple[int, dict]:
        """(bytes on the wire, data) up to the end of that event."""
        size, text = 0, b""
        while True:
            block = self._viewer.answer.read1(65536)
            size += len(block)
            text += self._inflate.decompress(block)
            if event in text and text.endswith(b"\n\n"):
                return size, json.loads(text.partition(event)[2].split(b"data: ", 1)[1].split(b"\n", 1)[0])
