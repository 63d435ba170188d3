"""The Yahoo source over the real yfinance and curl, against the loopback server: lists, trouble, patience."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.model import Answer
from pipeline.sources.yahoo import YahooSource
from tests.loopback_yahoo import LoopbackYahoo

SYMBOLS = tuple(f"S{number}.NS" for number in range(120))
KOLKATA = ZoneInfo("Asia/Kolkata")
MONDAY = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


@pytest.fixture
def yahoo():
    with LoopbackYahoo() as server:
        for number, symbol in enumerate(SYMBOLS):
            server.set_quote(symbol, 100.05 + number, 100 + number)
        server.set_quote("^NSEI", 25_000.5, 24_900)
        yield server


@pytest.fixture
def source(yahoo):
    opened = YahooSource(yahoo.url, rate_per_s=1000.0, burst=1000)
    yield opened
    opened.close()


def _fetch(source: YahooSource, symbols=SYMBOLS, *, wait_s: float = 20.0, instant: datetime = MONDAY) -> Answer:
    return source.fetch(symbols, None, instant, time.monotonic() + wait_s)


def _bounded(source: YahooSource, wait_s: float, symbols=SYMBOLS) -> Answer:
    """The answer of a fetch that must come back although the server never answers."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(_fetch(source, symbols, wait_s=wait_s)), daemon=True)
    thread.start()
    thread.join(30)  # the server holds its requests for 120 s
    assert answers, "the fetch did not come back"
    return answers[0]


def test_quotes_come_in_lists_of_50_for_cookie_crumb_and_one_request_a_list(yahoo, source):
    answer = source.fetch(SYMBOLS, "^NSEI", MONDAY, time.monotonic() + 20)
    assert len(answer.quotes) == 120
    assert answer.index.price == 250_005_000
    assert answer.requests == 5
    assert sorted(map(len, yahoo.lists)) == [21, 50, 50]
    assert answer.reason is None


def test_symbols_with_special_characters_arrive_encoded(yahoo, source):
    names = ("M&M.NS", "BAJAJ-AUTO.NS", "^CNXIT", "BRK-B", "A+B=C", "'; DROP TABLE x", "<b>é%41")
    for name in names:
        yahoo.set_quote(name, 10.0, 9.0, currency=...)
    assert set(_fetch(source, names).quotes) == set(names)
    assert yahoo.lists == [list(names)]


def test_what_a_list_left_out_is_asked_again_once_in_a_shorter_list_and_is_then_missing(yahoo, source):
    del yahoo.quotes["S3.NS"], yahoo.quotes["S77.NS"]
    answer = _fetch(source)
    assert answer.missing == {"S3.NS", "S77.NS"}
    assert len(answer.quotes) == 118
    assert yahoo.lists[3:] == [["S3.NS", "S77.NS"]]
    assert "2 of 120 symbols missing (S3.NS, S77.NS)" in answer.reason


def _minutes(count: float) -> datetime:
    return MONDAY + timedelta(minutes=count)


def _asked_for(yahoo, symbol: str) -> int:
    """In how many lists since the last question."""
    found = sum(symbol in names for names in yahoo.lists)
    yahoo.lists.clear()
    return found


def test_a_symbol_that_is_always_missing_is_asked_for_every_five_minutes_and_once_a_poll(yahoo, source):
    del yahoo.quotes["S3.NS"]
    for minute in (0, 0.5, 1):
        assert _fetch(source, instant=_minutes(minute)).missing == {"S3.NS"}
        assert _asked_for(yahoo, "S3.NS") == 2
    for minute in (1.5, 3, 5.9):
        answer = _fetch(source, instant=_minutes(minute))
        assert answer.missing == {"S3.NS"}
        assert answer.reason == "1 of 120 symbols missing (S3.NS), 1 of them asked for now and then only"
        assert _asked_for(yahoo, "S3.NS") == 0
    for minute, times in ((6, 1), (10.9, 0), (11, 1), (60 * 24, 1)):
        _fetch(source, instant=_minutes(minute))
        assert _asked_for(yahoo, "S3.NS") == times
    yahoo.set_quote("S3.NS", 5.0, 4.0)
    for minute in (60 * 24 + 5, 60 * 24 + 6):
        answer = _fetch(source, instant=_minutes(minute))
        assert ("S3.NS" in answer.quotes, answer.reason) == (True, None)


def test_a_symbol_that_is_away_for_some_seconds_is_back_at_once(yahoo, source):
    gone = yahoo.quotes.pop("S3.NS")
    for second in range(6):
        assert _fetch(source, instant=MONDAY + timedelta(seconds=second)).missing == {"S3.NS"}
    yahoo.quotes["S3.NS"] = gone
    assert "S3.NS" in _fetch(source, instant=MONDAY + timedelta(seconds=6)).quotes


def test_an_outage_puts_no_symbol_to_rest(yahoo, source):
    yahoo.behave("status", status=502)
    for minute in range(4):
        assert len(_fetch(source, instant=_minutes(minute)).missing) == 120
    yahoo.recover()
    assert len(_fetch(source, instant=_minutes(4)).quotes) == 120


def test_bad_prices_and_currencies_are_bad_with_their_reason_and_cost_no_second_request(yahoo, source):
    yahoo.set_quote("S1.NS", float("nan"), 9.0)
    yahoo.set_quote("S2.NS", "text", 9.0)
    yahoo.set_quote("S3.NS", 10.0, 9.0, currency="USD")
    answer = _fetch(source)
    assert answer.bad == {"S1.NS": "price 'nan'", "S2.NS": "price 'text'", "S3.NS": "currency USD, INR expected"}
    assert yahoo.requests["quote"] == 3
    assert answer.reason.startswith("3 bad (S1.NS")


@pytest.mark.parametrize("kind", ["html", "empty", "cut", "refuse", "status"])
def test_a_list_that_fails_once_is_made_good_within_the_poll(yahoo, source, kind):
    _fetch(source)
    yahoo.behave(kind, times=1)
    answer = _fetch(source)
    assert (len(answer.quotes), answer.reason) == (120, None)
    assert source.lists.length == 50, "a list of the same length succeeded: it was not too long"


@pytest.mark.parametrize(
    ("kind", "how", "told"),
    [
        ("html", {}, "sent a page in place of quotes"),
        ("cut", {}, "is not whole JSON"),
        ("empty", {}, "sent an empty body"),
        ("status", {"status": 503}, "HTTP 503 from 127.0.0.1"),
        ("refuse", {}, "no answer from 127.0.0.1"),
    ],
)
def test_trouble_that_stays_is_one_line_and_everything_missing(yahoo, source, kind, how, told):
    yahoo.behave(kind, **how)
    answer = _fetch(source)
    assert (dict(answer.quotes), answer.missing) == ({}, frozenset(SYMBOLS))
    assert told in answer.reason
    assert answer.reason.isprintable()
    assert len(answer.reason) <= 255


def test_a_refused_crumb_is_renewed_within_the_poll_and_a_lasting_refusal_ends_it(yahoo, source):
    _fetch(source)
    yahoo.expire_crumb()
    assert len(_fetch(source).quotes) == 120
    assert yahoo.requests["crumb"] == 2
    yahoo.behave("status", status=401)
    yahoo.requests.clear()
    answer = _fetch(source, tuple(f"S{number}.NS" for number in range(2000)))
    assert "HTTP 401" in answer.reason
    assert yahoo.requests["quote"] <= 2 * 8, "40 lists wait, and none of them is sent once four were refused"


def test_a_429_pauses_everybody_halves_the_lists_and_is_made_good_in_time(yahoo, source):
    yahoo.behave("status", status=429, times=1, headers={"Retry-After": "1"})
    answer = _fetch(source)
    assert len(answer.quotes) == 120
    assert source.lists.length == 25
    assert len(yahoo.lists) == 5, "three lists, and the refused one in two halves"


def test_a_long_pause_is_told_and_costs_no_request_in_later_polls(yahoo, source):
    yahoo.behave("status", status=429, headers={"Retry-After": "600"})
    first = _fetch(source, wait_s=1.0)
    assert "HTTP 429" in first.reason
    assert len(first.missing) == 120
    assert yahoo.requests["quote"] <= 4
    yahoo.recover()
    yahoo.requests.clear()
    later = _fetch(source, wait_s=1.0)
    assert "asking again in" in later.reason
    assert (later.requests, yahoo.requests.total()) == (0, 0)


def test_a_rate_limited_crumb_pauses_too(yahoo, source):
    yahoo.behave("status", path="crumb", status=429, times=1, headers={"Retry-After": "1"})
    assert len(_fetch(source).quotes) == 120
    assert source.lists.length < 50


def test_lists_that_are_too_long_are_learnt_from_and_not_sent_again(yahoo, source):
    yahoo.max_list = 30
    assert len(_fetch(source).quotes) == 120
    assert source.lists.length == 25
    yahoo.lists.clear()
    assert len(_fetch(source).quotes) == 120
    assert max(map(len, yahoo.lists)) <= 30


def test_lists_of_which_only_the_last_symbol_comes_put_nobody_to_rest(yahoo, source):
    yahoo.only_last = True
    for minute in range(4):
        _fetch(source, instant=_minutes(minute))
    yahoo.recover()
    assert len(_fetch(source, instant=_minutes(4)).quotes) == 120


@pytest.mark.parametrize("path", ["cookie", "crumb", "quote"])
def test_a_server_that_hangs_costs_the_poll_and_not_the_next_one(yahoo, source, path):
    yahoo.behave("hang", path=path)
    answer = _bounded(source, 1.0)
    assert answer.missing == frozenset(SYMBOLS)
    assert "in time" in answer.reason
    yahoo.recover()
    assert len(_fetch(source).quotes) == 120


def test_lists_that_answered_are_kept_when_another_hangs(yahoo, source):
    _fetch(source)
    yahoo.behave("hang", times=1)
    answer = _bounded(source, 2.0)
    assert len(answer.quotes) == 120, "the list that hung is asked again before the deadline"


def test_no_network_is_one_line_and_the_next_poll_works(yahoo):
    source = YahooSource("http://127.0.0.1:9", rate_per_s=1000.0, burst=1000)
    answer = _fetch(source)
    source.close()
    assert answer.missing == frozenset(SYMBOLS)
    assert "no answer from 127.0.0.1:9: the connection is refused or there is no route" in answer.reason


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12 warns about the very thing that is tested
def test_a_fork_gets_a_session_of_its_own(yahoo, source):
    _fetch(source)
    before, (reader, writer) = yahoo.requests["crumb"], os.pipe()
    pid = os.fork()
    if pid == 0:
        found = _fetch(source).quotes
        right = all(found[name].price == 1_000_500 + 10_000 * number for number, name in enumerate(SYMBOLS))
        os.write(writer, b"right" if right else b"wrong")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        assert answer.read() == b"right"
    os.waitpid(pid, 0)
    assert yahoo.requests["crumb"] == before + 1


def test_the_server_as_a_process_plays_a_recording_as_of_today_and_takes_orders():
    command = [sys.executable, "-m", "tests.loopback_yahoo", "--recording", "in_nifty50_5m_2026-06-18", "--today"]
    with subprocess.Popen([*command, "--at", "10:00"], stdout=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip()
        source = YahooSource(url)
        try:
            quote = _fetch(source, ("WIPRO.NS",)).quotes["WIPRO.NS"]
            assert datetime.fromtimestamp(quote.trade_time, KOLKATA).date() == datetime.now(KOLKATA).date()
            order = json.dumps({"behave": {"kind": "status", "status": 503}}).encode()
            urllib.request.urlopen(f"{url}/_control", order, timeout=10).close()
            assert "HTTP 503" in _fetch(source, ("WIPRO.NS",)).reason
            with urllib.request.urlopen(f"{url}/_control", timeout=10) as counts:
                assert json.load(counts)["cookie"] == 1
        finally:
            source.close()
            server.kill()
