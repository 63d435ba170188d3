"""The dashboard as it runs: its own process, real HTTP, real databases."""

from __future__ import annotations

import contextlib
import html
import json
import re
import signal
import socket
import time
import zlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.dashboard.stream import STREAMS_MAX
from pipeline.dburl import DatabaseUrl
from pipeline.model import Member, Universe
from tests.market_day import MarketDay, random_prices, session_around, session_of, universe_of
from tests.page_server import PageServer, Stream, serving

SYMBOLS = [f"S{number:03d}.NS" for number in range(120)]
HOSTILE = '<img src=x onerror="alert(1)">\n\ndata: x'


def sqlite(path: Path) -> DatabaseUrl:
    return DatabaseUrl("sqlite", path=path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "breadth.db"


def live_day(file: Path, universe: Universe | None = None, interval_s: int = 300) -> MarketDay:
    """A day whose session is open now, its first poll stored a moment ago."""
    wanted = universe or universe_of("live", SYMBOLS)
    day = MarketDay(sqlite(file), wanted, session_around(datetime.now(UTC)), interval_s).begin()
    day.poll(day.at(0), random_prices(wanted, 1))
    return day


def apply(held: dict, change: dict) -> dict:
    """What the page does with a `change` or a `state`: docs/api.md, *Stream*."""
    assert change["base"] == held["seq"], "a gap in the sequence"
    if "stocks" not in change:
        return held | {key: change[key] for key in ("seq", "state")}
    stocks = {name: [*column] for name, column in held["stocks"].items()}
    new = change["stocks"]
    for place, at in enumerate(new["i"]):
        for name in ("ltp", "volume", "status", "traded_t"):
            stocks[name][at] = new[name][place]
    for name, (places, values) in new["sparse"].items():
        for at, value in zip(places, values, strict=True):
            stocks[name][at] = value
    kept = {key: change[key] for key in ("seq", "state", "series")}
    market = {"market": change["market"], "sectors": change["sectors"]} if change["market"] else {}
    return held | kept | market | {"stocks": stocks}


def test_changes_applied_in_order_give_what_a_fresh_snapshot_says(file):
    day = live_day(file)
    with serving(file) as server:
        viewer = server.watch("?watch=live")
        assert viewer.next()[0] == "hello"
        _, held = viewer.next("snapshot")
        series = server.json("/api/v1/series?universe=live&days=1")["days"][0]
        times = series["polls"]["t"]
        for number in range(1, 6):
            if number == 3:
                day.fail(day.at(number), "no answer from the source")
            else:
                day.poll(day.at(number), random_prices(day.universe, number, moved=20))
            while held["series"]["count"] <= number:
                event, change = viewer.next("change", "state")
                held = apply(held, change)
            assert event == "change"
            times += change["points"]["t"]
            assert held["series"] == {"count": len(times), "rev": series["rev"]}
        fresh = server.json("/api/v1/snapshot?universe=live")
        for part in ("market", "sectors", "stocks", "series", "seq", "members"):
            assert fresh[part] == held[part], part
        again = server.json("/api/v1/series?universe=live&days=1")["days"][0]
        assert again["polls"]["t"] == times
        assert again["polls"]["outcome"] == [1, 1, 1, 3, 1, 1]
        assert again["reasons"] == {"3": "no answer from the source"}
        assert again["polls"]["advances"][3] is None
        viewer.close()


def test_a_snapshot_asked_for_continues_the_stream_of_what_is_watched_in_the_same_words(file):
    day = live_day(file)
    before = day.on(session_of(day.session.trade_date - timedelta(days=1)))
    before.poll(before.at(1), random_prices(day.universe, 1))
    stored = before.session.trade_date.isoformat()
    with serving(file) as server, contextlib.ExitStack() as stack:
        seen = {}
        # They begin a poll apart, so that their numbers differ.
        for number, (watch, query) in enumerate(
            (("live", "?universe=live"), ("", ""), (f"live@{stored}", f"?universe=live&date={stored}")), start=1
        ):
            viewer = server.watch(f"?watch={watch}")
            stack.callback(viewer.close)
            viewer.next("snapshot")
            seen[query] = viewer
            day.poll(day.at(number), random_prices(day.universe, number))
            before.poll(before.at(number + 1), random_prices(day.universe, number))
            for query, viewer in seen.items():
                while (change := viewer.next("change")[1])["series"]["count"] <= number:
                    continue
                asked = server.json(f"/api/v1/snapshot{query}")
                assert (query, asked["seq"]) == (query, change["seq"])
                assert asked["epoch"]
        assert server.json(f"/api/v1/snapshot?universe=live&date={stored}&t=86399")["seq"] is None
        none = server.watch("?watch=live@2020-01-01")
        assert none.next("snapshot")[1]["state"]["name"] == "no_data"
        assert server.request("/api/v1/snapshot?universe=live&date=2020-01-01")[0] == 404
        none.close()


def test_a_snapshot_has_the_servers_clock_of_now_however_long_nothing_changed(file):
    live_day(file)
    with serving(file) as server:
        first = server.watch("?watch=live")
        told = first.next("snapshot")[1]
        due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
        _wait(lambda: datetime.now(UTC) > due)
        later = server.watch("?watch=live")
        for data in (later.next("snapshot")[1], server.json("/api/v1/snapshot?universe=live")):
            assert data["seq"] == told["seq"], "nothing changed meanwhile"
            assert data["state"] == told["state"] | {"server_time_utc": data["state"]["server_time_utc"]}
            assert datetime.fromisoformat(data["state"]["server_time_utc"]) >= due
        first.close()
        later.close()


def test_the_compressed_stream_is_one_valid_gzip_whose_events_arrive_at_once(file):
    day = live_day(file)
    with serving(file) as server:
        viewer = server.watch("?watch=live&ops=1", {"Accept-Encoding": "gzip"})
        assert viewer.answer.headers["Content-Encoding"] == "gzip"
        inflate = zlib.decompressobj(31)
        text = b""
        while b"event: snapshot" not in text or not text.endswith(b"\n\n"):
            text += inflate.decompress(viewer.answer.read1(65536))
        day.poll(day.at(1), random_prices(day.universe, 2))
        while b"event: change" not in text or not text.endswith(b"\n\n"):
            text += inflate.decompress(viewer.answer.read1(65536))
        server.process.send_signal(signal.SIGTERM)
        text += inflate.decompress(viewer.answer.read())
        assert inflate.eof, "the gzip member has its end and its check sum"
        assert text.endswith(b'event: bye\ndata: {"reason":"stopping"}\n\n')


def test_a_viewer_that_reads_too_slowly_gets_a_fresh_snapshot_and_no_queue(file):
    wide = universe_of("wide", [f"W{number:04d}.NS" for number in range(2500)])
    day = live_day(file, wide)
    with serving(file) as server:
        reader, sleeper = server.watch("?watch=wide"), None
        with socket.create_connection((server.host, server.port)) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            raw.sendall(b"GET /api/v1/stream?watch=wide HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            hello = reader.next("hello")[1]
            last = 0
            for number in range(1, 13):
                # The sleeper reads nothing meanwhile; the other viewer follows without waiting for it.
                day.poll(day.at(number), random_prices(wide, number))
                last = reader.until(lambda event, data: event in ("change", "snapshot"))["seq"]
            sleeper = _events(raw, last)
        kinds = [event for event, _ in sleeper]
        assert sleeper[-1][1]["seq"] >= last
        assert kinds.count("change") < 12, "it was not sent everything it missed"
        held = None
        for event, data in sleeper:
            if event == "snapshot":
                held = data["seq"]
            elif event in ("change", "state"):
                assert data["base"] == held
                held = data["seq"]
        assert "snapshot" in kinds[kinds.index("snapshot") + 1 :], "it was sent a second snapshot"
        # The heartbeat comes whatever else is sent.
        assert hello["heartbeat_s"] == 10
        assert reader.next("heartbeat")[1]["viewers"] >= 1
        reader.close()


def _events(raw: socket.socket, last: int) -> list[tuple[str, dict]]:
    """Everything that waits for this viewer, up to sequence `last`."""
    raw.settimeout(20)
    stream, events = raw.makefile("rb"), []
    while stream.readline().strip():
        continue
    text = b""
    while not events or events[-1][1].get("seq", 0) < last:
        size = int(stream.readline(), 16)
        text += stream.read(size)
        stream.readline()
        while b"\n\n" in text:
            block, _, text = text.partition(b"\n\n")
            event, data = block.split(b"\n", 1)
            events.append((event.removeprefix(b"event: ").decode(), json.loads(data.removeprefix(b"data: "))))
    return events


def test_a_row_written_again_in_the_middle_of_the_day_starts_a_new_revision(file):
    day = live_day(file)
    day.poll(day.at(1), random_prices(day.universe, 2))
    with serving(file) as server:
        viewer = server.watch("?watch=live")
        _, before = viewer.next("snapshot")
        day.poll(day.at(0), random_prices(day.universe, 9))
        day.poll(day.at(2), random_prices(day.universe, 3))
        after = viewer.until(lambda event, data: event == "change" and data["series"]["count"] == 3)
        assert after["series"]["rev"] == before["series"]["rev"] + 1
        assert after["points"]["t"] == []
        viewer.close()


def test_sigterm_ends_the_server_at_once_with_viewers_connected(file):
    live_day(file)
    server = PageServer("--db", f"sqlite:///{file}")
    viewers = [server.watch("?watch=live") for _ in range(50)]
    for viewer in viewers:
        viewer.next("snapshot")
    with socket.create_connection((server.host, server.port)) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        assert server.stop(deadline_s=2.5) == 0, "it had to be killed"
        assert time.monotonic() - began < 2.5
    assert viewers[0].next("bye")[1] == {"reason": "stopping"}
    assert server.errors() == ""


def test_one_connection_watches_several_universes_and_days_and_the_operations(file, tmp_path):
    day = live_day(file)
    yesterday = day.on(session_of(day.session.trade_date - timedelta(days=1)))
    yesterday.poll(yesterday.at(1), {"S001.NS": 90.0})
    other = live_day(file, universe_of("other", ["A", "B"]))
    stored = yesterday.session.trade_date.isoformat()
    with serving(file, "--state-dir", str(tmp_path / "nowhere")) as server:
        viewer = server.watch(f"?watch=live&watch=live@{stored}&watch=other&ops=1")
        got = {}
        while len(got) < 4:
            _, data = viewer.next("snapshot", "operations")
            got[data.get("watch", "operations")] = data
        assert got[f"live@{stored}"]["trade_date"] == stored
        assert got[f"live@{stored}"]["state"]["name"] == "closed"
        assert got["live"]["session"]["previous_date"] == stored
        assert got["operations"]["running"] is False
        assert got["operations"]["status"] is None
        other.poll(other.at(1), {"A": 120.0})
        assert viewer.next("change")[1]["watch"] == "other"
        viewer.close()


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
        _wait(lambda: server.request("/readyz")[0] == 200)
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


def test_names_and_symbols_are_data_everywhere(file):
    universe = Universe(HOSTILE[:30], (Member("<b>&.NS", "", HOSTILE[:29]), Member("ÄÖ-雪.NS", "\x00\u2028", "s")))
    day = live_day(file, universe)
    # The pipeline stores no line breaks in names, but others may write into the tables.
    day.execute("UPDATE pipeline_member SET name = ? WHERE symbol = ?", (HOSTILE, "<b>&.NS"))
    with serving(file) as server:
        viewer = server.watch()
        _, shown = viewer.next("snapshot")
        assert shown["universe"] == universe.name
        assert shown["stocks"]["symbol"] == ["<b>&.NS", "ÄÖ-雪.NS"]
        assert shown["stocks"]["name"] == [HOSTILE, "\x00"]
        assert shown["sector_names"] == [HOSTILE[:29], "s"]
        day.poll(day.at(1), {"<b>&.NS": 123.0})
        change = viewer.next("change")[1]
        assert change["universe"] == universe.name
        status, headers, body = server.request("/api/v1/stock?symbol=%3Cb%3E%26.NS")
        assert (status, json.loads(body)["name"]) == (200, HOSTILE)
        assert headers["Content-Type"] == "application/json"
        assert headers["X-Content-Type-Options"] == "nosniff"
        viewer.close()


def test_refuses_foreign_hosts_other_methods_bodies_and_long_addresses(file):
    live_day(file)
    with serving(file) as server:
        for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "192.0.2.1", "", "a b"):
            status, _, body = server.request("/api/v1/snapshot", headers={"Host": host})
            assert status == 400, host
            assert b"adv" not in body
        for host in (f"localhost:{server.port}", "127.0.0.1", f"127.0.0.1:{server.port}", "[::1]:99", "LOCALHOST"):
            assert server.request("/healthz", headers={"Host": host})[0] == 200, host
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            status, headers, _ = server.request("/api/v1/snapshot", method)
            assert (status, headers["Allow"]) == (405, "GET, HEAD"), method
            assert headers["Access-Control-Allow-Origin"] is None
        assert server.request("/", body=b"x" * 10)[0] == 413
        assert server.request("/api/v1/snapshot?universe=" + "x" * 5000)[0] == 414
        status, headers, body = server.request("/api/v1/snapshot", "HEAD")
        assert (status, body) == (200, b"")
        assert server.request("/static/../__init__.py")[0] == 404
        assert server.request("/static/%2e%2e/app.py")[0] == 404


def test_every_answer_carries_the_security_headers(file):
    live_day(file)
    with serving(file) as server:
        for path in ("/", "/api/v1/snapshot", "/static/none", "/metrics", "/healthz"):
            _, headers, _ = server.request(path)
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "*" not in policy
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Server"] is None


def onward(welcome: bytes) -> str:
    """Where the page that sets the cookie sends the browser: the whole of its one refresh."""
    (content,) = re.findall(r'<meta http-equiv="refresh" content="0;url=([^"\s<>]*)">', welcome.decode())
    return html.unescape(content)


def test_another_address_needs_a_token_and_a_token_opens_it_by_header_or_cookie(file, tmp_path):
    live_day(file)
    with pytest.raises(RuntimeError, match="without a token"):
        PageServer("--db", f"sqlite:///{file}", host="0.0.0.0")
    secret = "a-long-secret-token-4711"
    token = tmp_path / "token"
    token.write_text(f"{secret}\n")
    token.chmod(0o644)
    with pytest.raises(RuntimeError, match="chmod 600"):
        PageServer("--db", f"sqlite:///{file}", "--token-file", str(token), host="0.0.0.0")
    token.chmod(0o600)
    server = PageServer("--db", f"sqlite:///{file}", "--token-file", str(token), host="0.0.0.0")
    try:
        server.host = "127.0.0.1"
        for path in (
            "/",
            "/api/v1/snapshot",
            "/api/v1/stream",
            "/metrics",
            "/static/x",
            "/?token=wrong",
            "/api/v1/dates?token=" + secret,
        ):
            assert server.request(path)[0] == 401, path
        assert server.request("/healthz")[0] == 200
        assert server.request("/metrics", headers={"Authorization": f"Bearer {secret}"})[0] == 200
        assert server.request("/metrics", headers={"Authorization": f"Bearer {secret}x"})[0] == 401
        status, headers, body = server.request(f"/?token={secret}")
        cookie = headers["Set-Cookie"]
        assert (status, onward(body)) == (200, "/")
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert secret not in cookie
        for rest in ("universe=a%22%3E%3Cb&date=2026-11-25", "view=operations", "date=%00;url%3D//evil.example%0A"):
            _, _, body = server.request(f"/?{rest}&token={secret}")
            assert parse_qs(urlsplit(onward(body)).query) == parse_qs(rest), "the link shows what it was made for"
            assert (onward(body)[:2], secret in body.decode()) == ("/?", False)
        pair = cookie.split(";")[0]
        assert server.request("/api/v1/snapshot", headers={"Cookie": f"a=b; {pair}"})[0] == 200
        assert server.request("/api/v1/snapshot", headers={"Host": "evil.example", "Cookie": pair})[0] == 400
    finally:
        assert server.stop() == 0
    assert secret not in server.errors()


def test_streams_have_a_cap_and_a_place_is_free_again_when_a_viewer_leaves(file):
    live_day(file, universe_of("small", ["A", "B"]))
    with serving(file) as server, contextlib.ExitStack() as crowd:
        request = b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for _ in range(STREAMS_MAX):
            raw = crowd.enter_context(socket.create_connection((server.host, server.port)))
            raw.sendall(request)
        _wait(lambda: server.json("/api/v1/operations")["viewers"] == STREAMS_MAX)
        status, headers, body = server.request("/api/v1/stream")
        assert (status, json.loads(body)["error"]["code"]) == (503, "too_many_streams")
        assert int(headers["Retry-After"]) > 0
        assert server.request("/api/v1/snapshot")[0] == 200, "the rest still answers"
        raw.close()
        _wait(lambda: server.request("/api/v1/stream", "HEAD")[0] == 200)


def test_a_taken_port_is_one_line_and_exit_2(file):
    live_day(file)
    with serving(file) as server:
        with pytest.raises(RuntimeError, match="--listen") as failure:
            PageServer("--db", f"sqlite:///{file}", port=server.port)
        assert "Traceback" not in str(failure.value)


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


def _wait(holds, deadline_s: float = 15.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
