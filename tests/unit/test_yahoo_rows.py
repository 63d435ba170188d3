"""Yahoo's bodies as quotes: recorded answers, and everything else a service may send."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from pipeline.sources.yahoo_rows import UnusableBody, parse
from tests.loopback_yahoo import quote_row

RECORDED = Path(__file__).parent.parent / "data" / "yahoo"


def _recorded(name: str):
    return parse((RECORDED / f"{name}.json").read_bytes())


def _one(symbol: str = "TCS.NS", price: object = 100.5, prev: object = 99.95, **more: object):
    body = json.dumps({"quoteResponse": {"result": [quote_row(symbol, price, prev, **more)], "error": None}})
    quotes, bad = parse(body.encode())
    return quotes.get(symbol), bad.get(symbol)


def test_recorded_nse_quotes_keep_price_time_volume_and_the_stated_delay():
    quotes, bad = _recorded("in_quote_CIPLA_RELIANCE_closed_2022")
    cipla = quotes["CIPLA.NS"]
    assert not bad
    assert (cipla.price, cipla.prev_close, cipla.volume) == (10_208_000, 10_257_500, 1_264_040)
    assert (cipla.trade_time, cipla.delay_s, cipla.currency) == (1_661_507_998, 900, "INR")
    assert (cipla.day_open, cipla.day_high, cipla.day_low) == (10_309_000, 10_357_000, 10_185_000)


def test_recorded_oddities_are_quotes_without_a_reference_or_bad_with_a_reason():
    assert _recorded("quote_BRKS_delisted_2025") == ({}, {"BRKS": "no price"})
    assert _recorded("quote_ADH_no_price_2025") == ({}, {"ADH": "no price"})
    assert _recorded("quote_SIX_unknown_2025") == ({}, {})
    assert _recorded("quote_AFRAF_prevclose_zero_2025")[0]["AFRAF"].prev_close is None
    assert _recorded("quote_TSLA_fields_limited_2025")[0]["TSLA"].volume is None
    assert _recorded("quote_multi_AAPL_BABA_closed_2025")[0].keys() == {"AAPL", "BABA"}


@pytest.mark.parametrize("price", [None, ..., "100.5", "", float("nan"), float("inf"), 0, -3.5, True, [], {"raw": 1}])
def test_a_price_that_is_none_is_bad_with_a_reason_and_never_zero(price):
    quote, reason = _one(price=price)
    assert quote is None
    assert "price" in reason


def test_a_foreign_currency_is_bad_and_an_unstated_one_is_taken():
    assert _one(currency="USD") == (None, "currency USD, INR expected")
    assert _one("AAPL", currency="INR")[1] == "currency INR, USD expected"
    assert _one(currency=...)[0].price == 1_005_000
    assert _one("SAP.DE", currency="EUR")[0].price == 1_005_000


@pytest.mark.parametrize(
    ("symbol", "currency"),
    [("^CNXAUTO", "INR"), ("^FTSE", "GBP"), ("^NSEI", "USD"), ("^GSPC", "INR"), ("INR=X", "INR"), ("GC=F", "EUR")],
)
def test_an_index_is_taken_in_whatever_currency(symbol, currency):
    assert _one(symbol, currency=currency)[0].price == 1_005_000


def test_single_precision_noise_is_rounded_away_and_sub_penny_prices_are_kept_in_the_us():
    noisy = struct.unpack("f", struct.pack("f", 2850.45))[0]
    assert noisy != 2850.45
    assert _one(price=noisy)[0].price == 28_504_500
    assert _one("PENNY", 0.1234, 0.1233)[0].price == 1_234
    assert _one("PENNY.NS", 0.1234, 0.1233)[0].price == 1_200


@pytest.mark.parametrize("volume", [None, ..., "1000", -1, 1.5, float("nan"), 1e300, True])
def test_a_volume_that_is_none_is_unknown(volume):
    assert _one(volume=volume)[0].volume is None


def test_volumes_and_times_are_whole_numbers_and_milliseconds_are_no_time():
    quote, _ = _one(volume=1000.0, trade_time=1_700_000_000_000)
    assert (quote.volume, quote.trade_time) == (1000, None)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "an empty body"),
        (b" <!DOCTYPE html><html>", "a page in place of quotes"),
        (b'{"quoteResponse":{"result":[{"symbol":"A"', "not whole JSON"),
        (b"[]", "an answer without quotes"),
        (b'{"quoteResponse":{"result":null,"error":null}}', "an answer without quotes"),
        (b'{"quoteResponse":{"result":"x"}}', "an answer without quotes"),
        (b"[" * 100_000, "not whole JSON"),
        ((RECORDED / "quote_bad_request_error.json").read_bytes(), "an error: Missing required query parameter"),
    ],
)
def test_a_body_that_is_no_answer_is_named_in_one_line(body, told):
    with pytest.raises(UnusableBody) as unusable:
        parse(body)
    assert told in str(unusable.value)
    assert str(unusable.value).isprintable()


def test_nan_and_odd_rows_spoil_only_themselves():
    rows = [quote_row("GOOD", 10.0, 9.0), 7, {"symbol": 5}, {"symbol": "NAN", "regularMarketPrice": float("nan")}]
    quotes, bad = parse(json.dumps({"quoteResponse": {"result": rows}}).encode())
    assert quotes.keys() == {"GOOD"}
    assert bad == {"NAN": "price 'nan'"}
