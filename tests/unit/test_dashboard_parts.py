"""Parts of the dashboard that need no server: shared compression, differences, history, hosts, tokens."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import status
from pipeline.dashboard import changes, operations
from pipeline.dashboard.columns import Clock, is_backfilled
from pipeline.dashboard.frames import Frame, Packer
from pipeline.dashboard.load import STOCK_COLUMNS, Members, View
from pipeline.dashboard.security import host_allowed, parse_listen, read_token_file
from pipeline.errors import ConfigError, UsageError


def test_shared_blocks_fit_into_every_viewers_stream_wherever_it_began():
    frames = [Frame("change", {"seq": seq, "text": "ä" * seq * 100}) for seq in range(5)]
    for first in range(5):
        packer, inflate, shown = Packer(), zlib.decompressobj(31), b""
        for frame in frames[first:]:
            text = inflate.decompress(packer.add(frame))
            assert text.endswith(b"\n\n"), "an event is whole as soon as its bytes are there"
            shown += text
        inflate.decompress(packer.end())
        assert inflate.eof
        assert shown == b"".join(frame.plain for frame in frames[first:])


@pytest.mark.parametrize("name", ["a\nb", "a\r\n\r\nevent: x", "\u2028", "\ud800", "<script>", "\x00"])
def test_an_event_is_one_data_line_whatever_its_text(name):
    event, data, *rest = Frame("change", {"name": name}).plain.decode().split("\n")
    assert (event, rest) == ("event: change", ["", ""])
    assert "\r" not in data
    shown = json.loads(data.removeprefix("data: "))["name"]
    assert shown == (name if name != "\ud800" else "?")


def _view(stocks: dict) -> View:
    symbols = tuple(f"S{at}" for at in range(len(stocks["ltp"])))
    members = Members(symbols, symbols, (0,) * len(symbols), ("x",), "digest")
    market = {"t": 1}
    return View("u", "2026-11-26", Clock("2026-11-26", "UTC"), {}, market, {}, stocks, members, None)


def test_a_difference_applied_gives_the_new_stocks():
    random.seed(7)
    for _ in range(50):
        old = {name: [random.choice([None, 1, 2, 3.5]) for _ in range(20)] for name in STOCK_COLUMNS}
        new = {name: [random.choice([value, value, 9, None]) for value in column] for name, column in old.items()}
        change = changes.difference(_view(old), _view(new))["stocks"]
        for place, at in enumerate(change["i"]):
            for name in changes.DENSE:
                old[name][at] = change[name][place]
        for name, (places, values) in change["sparse"].items():
            for at, value in zip(places, values, strict=True):
                old[name][at] = value
        assert old == new


@pytest.mark.parametrize(
    "other",
    [
        {"universe": "other"},
        {"trade_date": "2026-11-27"},
        {"session": {"interval_s": 60}},
        {"market": None},
        {"stocks": None},
        {"members": Members(("S1", "S2"), ("S1", "S2"), (0, 0), ("x",), "another digest")},
        {"members": None},
    ],
    ids=lambda other: next(iter(other)),
)
def test_views_of_which_anything_but_the_numbers_differs_have_no_difference(other):
    stocks = {name: [1, 2] for name in STOCK_COLUMNS}
    old, new = _view(stocks), _view({name: [3, 4] for name in STOCK_COLUMNS})
    assert changes.comparable(old, new)
    assert not changes.comparable(old, replace(new, **other))
    assert not changes.comparable(None, new)


@pytest.mark.parametrize(
    ("delay_s", "lag", "late"), [(None, 600, False), (None, 601, True), (900, 1500, False), (900, 1501, True)]
)
def test_a_poll_fetched_more_than_an_interval_the_delay_and_5_minutes_late_was_filled_in_later(delay_s, lag, late):
    assert is_backfilled({"source": "yahoo", "delay_s": delay_s}, lag, 300) is late


def sample(t: float, rows: int, **more: object) -> dict:
    return {"t": t, "queue": 1, "rows": {"writer:sqlite:b.db": rows}, "cpu": {"fetcher": 2.0}, "coverage": 1.0} | more


def test_rates_survive_a_restart_of_the_writer_and_lines_break_where_nothing_ran(tmp_path):
    noon = datetime(2026, 11, 26, 12, tzinfo=UTC)
    base = noon.timestamp()
    counts = [(0, 0), (5, 100), (10, 200), (15, 50), (100, 60), (105, 160)]
    for t, rows in counts:
        status.append_history(tmp_path, noon, sample(base + t, rows, coverage=0.5 if t == 5 else 1.0))
    with (tmp_path / "history-2026-11-26.jsonl").open("a") as file:
        file.write('{"t": 17')  # torn by a crash
    found = operations.history(tmp_path, base, base + 200, 200, "Asia/Kolkata")
    assert found["roles"] == ["sqlite:b.db"]
    assert found["databases"]["sqlite:b.db"]["rows_per_s"] == [None, 20.0, 20.0, 10.0, None, None, 20.0]
    assert found["queue"] == [1, 1, 1, 1, None, 1, 1]
    assert found["t"][4] == base + 16, "the break has a time of its own"
    assert found["local_t"][0] == 17 * 3600 + 30 * 60
    assert found["trade_date"][0] == "2026-11-26"
    thin = operations.history(tmp_path, base, base + 200, 3, "Asia/Kolkata")
    assert thin["coverage"][0] == 0.5, "the lowest of a step"
    assert len(thin["t"]) < len(found["t"])
    assert operations.history(None, base, base + 200, 5, None)["t"] == []


def test_new_points_are_found_at_the_end_of_a_long_history_wherever_they_begin(tmp_path):
    noon = datetime(2026, 11, 26, 12, tzinfo=UTC)
    base, count = noon.timestamp() - 10_000, 2000
    for at in range(count):
        status.append_history(tmp_path, noon, sample(base + 5 * at, at))
    end = base + 5 * count
    for newest in (0, 1, 7, 800, count):
        found = operations.history(tmp_path, end - 5 * newest, end, 2000, "UTC")
        assert found["t"] == [base + 5 * at for at in range(count - newest, count)]


def test_history_spans_a_utc_day_or_the_last_24_hours_and_only_what_is_new():
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert operations.span(None, None, now) == (now.timestamp() - 86400, now.timestamp())
    start, end = operations.span("2026-11-25", None, now)
    assert (end - start, datetime.fromtimestamp(start, UTC).isoformat()) == (86400, "2026-11-25T00:00:00+00:00")
    start, _ = operations.span(None, now.timestamp() - 5, now)
    assert start > now.timestamp() - 5


@pytest.mark.parametrize(
    ("host", "on_loopback", "elsewhere"),
    [
        ("127.0.0.1:8321", True, True),
        ("localhost", True, True),
        ("[::1]:8321", True, True),
        ("10.1.2.3:80", False, True),
        ("page.example", False, True),
        ("evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("localhost.", False, False),
        ("", False, False),
        ("a b", False, False),
        ("127.0.0.1:8321@evil.example", False, False),
    ],
)
def test_only_our_names_and_addresses_are_hosts(host, on_loopback, elsewhere):
    assert host_allowed(host, frozenset({"localhost"}), loopback=True) is on_loopback
    assert host_allowed(host, frozenset({"localhost", "page.example"}), loopback=False) is elsewhere


def test_a_token_file_is_refused_when_others_can_read_it_or_it_is_short_or_a_link(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\n")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_token_file(file)
    file.chmod(0o600)
    assert read_token_file(file) == "0123456789abcdef"
    (tmp_path / "link").symlink_to(file)
    for path in (tmp_path / "link", tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match="token file"):
            read_token_file(path)
    for text in ("short", "two words in the file", "ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ"):
        file.write_text(text)
        with pytest.raises(ConfigError, match="at least 16"):
            read_token_file(file)


def test_the_server_loads_neither_pandas_nor_yfinance_nor_a_database_driver_before_it_needs_one():
    heavy = ("pandas", "numpy", "yfinance", "exchange_calendars", "mysql.connector")
    code = f"import sys, pipeline.dashboard.server, pipeline.cli.dashboard; print([*{{*{heavy}}} & {{*sys.modules}}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_listen_addresses():
    assert parse_listen("127.0.0.1:8321") == ("127.0.0.1", 8321)
    assert parse_listen("[::1]:80") == ("::1", 80)
    assert parse_listen("8321") == ("127.0.0.1", 8321)
    for text in ("localhost", "a:b", "1.2.3.4:99999", ":-1", ""):
        with pytest.raises(UsageError, match="HOST:PORT"):
            parse_listen(text)
