"""The dashboard as it runs: its stream of changes."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
import zlib
from datetime import UTC, date, datetime, timedelta

from tests.integration.dashboards import SYMBOLS, live_day, wait
from tests.market_day import MarketDay, random_prices, session_of, universe_of
from tests.page_server import PageServer, serving


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
        wait(lambda: datetime.now(UTC) > due)
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
        assert after["series"]["rev"] != before["series"]["rev"]
        assert after["points"]["t"] == []
        viewer.close()


def test_a_revision_is_the_same_for_every_watch_and_address(file):
    day = live_day(file)
    day.poll(day.at(1), random_prices(day.universe, 2))
    dated = f"live@{day.session.trade_date}"
    with serving(file) as server, contextlib.ExitStack() as stack:
        viewers = [server.watch("?watch=live")]
        stack.callback(viewers[0].close)
        before = viewers[0].next("snapshot")[1]["series"]
        day.poll(day.at(0), random_prices(day.universe, 9))
        day.poll(day.at(2), random_prices(day.universe, 3))
        told = viewers[0].until(lambda event, data: event == "change" and data["series"]["count"] == 3)["series"]
        assert told["rev"] != before["rev"]
        viewers.append(server.watch(f"?watch={dated}"))
        stack.callback(viewers[1].close)
        assert viewers[1].next("snapshot")[1]["series"] == told
        for query in ("universe=live", f"universe=live&date={day.session.trade_date}", ""):
            assert server.json(f"/api/v1/series?{query}")["days"][-1]["rev"] == told["rev"]
        day.poll(day.at(3), random_prices(day.universe, 4))
        for viewer in viewers:
            change = viewer.next("change")[1]
            assert change["series"] == {"count": 4, "rev": told["rev"]}
            assert len(change["points"]["t"]) == 1


def test_a_revision_never_comes_back(file):
    day = live_day(file)
    seen = set()
    with serving(file) as server:
        viewer = server.watch("?watch=live")
        seen.add(viewer.next("snapshot")[1]["series"]["rev"])
        for table in ("pipeline_poll", "intraday_advance_decline"):
            day.execute(f"DELETE FROM {table}")
        viewer.until(lambda event, data: event == "snapshot" and data["series"]["count"] == 0)
        day.poll(day.at(0), random_prices(day.universe, 2))
        stored = viewer.until(lambda event, data: event == "snapshot" and data["series"]["count"] == 1)
        assert stored["series"]["rev"] not in seen, "the day was emptied and stored again"
        seen.add(stored["series"]["rev"])
        viewer.close()
    day.poll(day.at(0), random_prices(day.universe, 3))
    with serving(file) as server:
        assert server.json("/api/v1/series?universe=live")["days"][0]["rev"] not in seen, "the server was started again"


def test_a_series_fetched_after_a_change_of_a_dated_watch_has_what_changed(file):
    newest = live_day(file, universe_of("newest", ["A", "B"]))
    day = MarketDay(newest.url, universe_of("old", SYMBOLS), session_of(date(2026, 11, 20))).begin()
    day.poll(day.at(0), random_prices(day.universe, 1))
    with serving(file) as server:
        viewer = server.watch("?watch=old@2026-11-20")
        viewer.next("snapshot")
        for number in range(1, 6):
            server.json("/api/v1/series?universe=old&date=2026-11-20")
            day.poll(day.at(number), random_prices(day.universe, number))
            count = viewer.next("change")[1]["series"]["count"]
            assert len(server.json("/api/v1/series?universe=old&date=2026-11-20")["days"][0]["polls"]["t"]) == count
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
