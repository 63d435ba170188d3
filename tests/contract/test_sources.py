"""What every source of the registry keeps, a newcomer too: it must add a line to OPENERS to pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from pipeline.errors import UsageError
from pipeline.model import Answer
from pipeline.sources import REGISTRY, Source, open_source
from pipeline.tables import SNAPSHOT
from tests.loopback_yahoo import LoopbackYahoo

RECORDING = "in_nifty50_5m_2026-06-18"
KNOWN = ("ADANIENT.NS", "M&M.NS", "BAJAJ-AUTO.NS", "WIPRO.NS")
INSTANT = datetime.fromisoformat("2026-06-18T10:00:00+05:30")
HOSTILE = (
    "'; DROP TABLE x; --",
    "<img src=x onerror=alert(1)>",
    "../../etc/passwd",
    "A,B",
    "",
    "X" * 200,
    "\x1b[2J",
    "é",
)


@contextmanager
def _yahoo() -> Iterator[Source]:
    with LoopbackYahoo() as server:
        server.set_recording(RECORDING, INSTANT)
        yield open_source("yahoo", base_url=server.url)


@contextmanager
def _recording() -> Iterator[Source]:
    yield open_source(f"recording:{RECORDING}", base_url="http://ignored")


OPENERS: dict[str, Callable] = {"yahoo": _yahoo, "recording": _recording}


@pytest.fixture(params=sorted(REGISTRY))
def source(request) -> Iterator[Source]:
    with OPENERS[request.param]() as opened:
        yield opened
        opened.close()


def _fetch(source: Source, symbols, index=None, wait_s: float = 20.0) -> Answer:
    return source.fetch(symbols, index, INSTANT, time.monotonic() + wait_s)


def test_every_asked_symbol_ends_as_quote_bad_or_missing(source):
    asked = (*KNOWN, *HOSTILE, "NOSUCH.NS")
    answer = _fetch(source, asked)
    parts = [set(answer.quotes), set(answer.bad), set(answer.missing)]
    assert set().union(*parts) == set(asked)
    assert sum(map(len, parts)) == len(set(asked))
    assert set(answer.quotes) == set(KNOWN)
    assert "NOSUCH.NS" in answer.missing


def test_quotes_are_whole_units_of_the_symbol_that_was_asked(source):
    for symbol, quote in _fetch(source, KNOWN).quotes.items():
        assert quote.symbol == symbol
        assert type(quote.price) is int
        assert type(quote.prev_close) is int
        assert type(quote.volume) is int
        assert type(quote.trade_time) is int
        assert quote.price % 100 == 0
        assert quote.trade_time <= INSTANT.timestamp()


def test_sources_agree_on_the_same_day_and_instant(source):
    quotes = _fetch(source, KNOWN).quotes
    with _recording() as recording:
        expected = _fetch(recording, KNOWN).quotes
    for symbol in KNOWN:
        ours, theirs = quotes[symbol], expected[symbol]
        assert (ours.price, ours.prev_close, ours.volume, ours.trade_time, ours.day_high, ours.day_low) == (
            theirs.price, theirs.prev_close, theirs.volume, theirs.trade_time, theirs.day_high, theirs.day_low,
        )  # fmt: skip


def test_the_index_stands_apart_and_its_absence_is_no_missing_symbol(source):
    answer = _fetch(source, KNOWN[:2], index="WIPRO.NS")
    assert answer.index is not None
    assert set(answer.quotes) == set(KNOWN[:2])
    answer = _fetch(source, KNOWN[:2], index="^NOSUCH")
    assert answer.index is None
    assert not answer.missing


def test_a_symbol_asked_twice_and_nothing_asked_are_no_trouble(source):
    assert set(_fetch(source, ("WIPRO.NS", "WIPRO.NS")).quotes) == {"WIPRO.NS"}
    empty = _fetch(source, ())
    assert (dict(empty.quotes), dict(empty.bad), empty.missing, empty.reason) == ({}, {}, frozenset(), None)


def test_a_deadline_that_has_passed_is_answered_too(source):
    answer = _fetch(source, KNOWN, wait_s=-1.0)
    assert set(answer.quotes) | set(answer.missing) == set(KNOWN)


def test_its_name_fits_the_column_and_closing_twice_is_harmless(source):
    (length,) = (column.length for column in SNAPSHOT.columns if column.name == "source")
    assert 0 < len(source.name) <= length
    assert source.live is (source.name == "yahoo")
    source.close()
    source.close()


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "yaho",
        "recording",
        "recording:",
        "recording:no/such.csv.gz",
        "\x1b[2J",
        "recording:/",
        "recording:" + "x" * 300,
    ],
)
def test_an_unknown_source_is_refused_in_one_line(spec):
    with pytest.raises(UsageError) as refused:
        open_source(spec)
    assert str(refused.value).isprintable()


def test_times_of_answers_are_measured_from_the_first_request(source):
    before = datetime.now(UTC)
    answer = _fetch(source, KNOWN)
    assert 0 <= answer.duration_s <= (datetime.now(UTC) - before).total_seconds()
