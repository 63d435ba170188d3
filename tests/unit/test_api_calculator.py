"""IntradayAdvDeclCalculator and what callers may hand in: rounded outputs of old, without the old faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from pipeline import IntradayAdvDeclCalculator
from pipeline.api.issue import ZONES, stock_status
from pipeline.api.rows import snapshot_record, stock_record
from pipeline.errors import UsageError
from pipeline.tables import POLL, SNAPSHOT, STOCK

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
TODAY = datetime(2026, 11, 26, 10, 29)


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def stock(ltp, prev_close, volume=1000, timestamp=TODAY):
    return {"ltp": ltp, "prev_close": prev_close, "volume": volume, "timestamp": timestamp}


def test_breadth_has_the_keys_and_the_rounding_that_programs_expect():
    calculator = IntradayAdvDeclCalculator(clock=Clock())
    data = {f"S{n}.NS": stock(100 + (n < 3) - (n >= 5), 100) for n in range(7)}
    assert calculator.update_batch(data) == 7
    breadth = calculator.calculate_breadth()
    assert breadth.pop("last_update") == NOW.astimezone().replace(tzinfo=None)
    assert breadth == {
        "total_stocks": 7,
        "advances": 3,
        "declines": 2,
        "unchanged": 2,
        "adv_pct": 42.86,
        "decl_pct": 28.57,
        "unch_pct": 28.57,
        "adv_decl_ratio": 1.5,
        "adv_decl_diff": 1,
        "update_count": 7,
        "market_sentiment": "SLIGHTLY BEARISH",
    }


def test_the_label_follows_the_unrounded_percentage():
    calculator = IntradayAdvDeclCalculator(clock=Clock())
    calculator.update_batch({f"S{n}.NS": stock(101 if n < 17_499 else 99, 100) for n in range(25_000)})
    breadth = calculator.calculate_breadth()
    assert breadth["adv_pct"] == 70.0
    assert breadth["market_sentiment"] == "BULLISH"


@pytest.mark.parametrize(
    ("advances", "declines", "ratio"), [(2, 0, None), (0, 0, 0.0), (0, 2, 0.0), (1, 3, 0.33)], ids=str
)
def test_ratio_without_declines_is_none_and_of_nothing_zero(advances, declines, ratio):
    calculator = IntradayAdvDeclCalculator(clock=Clock())
    calculator.update_batch({f"U{n}.NS": stock(2, 1) for n in range(advances)})
    calculator.update_batch({f"D{n}.NS": stock(1, 2) for n in range(declines)})
    assert calculator.calculate_breadth()["adv_decl_ratio"] == ratio


@pytest.mark.parametrize("bad", [None, float("nan"), np.nan, "2850.45", -1, 0, float("inf"), True, pd.NA], ids=repr)
def test_an_unusable_price_is_no_issue_and_ends_the_state_of_before(bad):
    calculator = IntradayAdvDeclCalculator(clock=Clock())
    calculator.update_batch({"A.NS": stock(101, 100), "B.NS": stock(99, 100)})
    assert calculator.update_batch({"A.NS": stock(bad, 100)}) == 0
    breadth = calculator.calculate_breadth()
    assert (breadth["total_stocks"], breadth["declines"]) == (1, 1)


def test_single_precision_noise_is_not_a_move():
    calculator = IntradayAdvDeclCalculator(clock=Clock())
    calculator.update_batch({"A.NS": stock(np.float32(2850.45), 2850.45), "B.NS": stock(4.449999809265137, 4.45)})
    assert calculator.calculate_breadth()["unchanged"] == 2


def test_issues_of_an_earlier_day_or_without_a_trade_do_not_count_as_unchanged():
    calculator = IntradayAdvDeclCalculator(clock=Clock())
    yesterday = pd.Timestamp("2026-11-25 15:29", tz="Asia/Kolkata")
    data = {
        "OLD.NS": stock(100, 100, timestamp=yesterday),
        "IDLE.NS": stock(100, 100, volume=0, timestamp=pd.NaT),
        "NEW.NS": stock(101, 100, timestamp=pd.Timestamp(TODAY)),
        "BARE.NS": {"ltp": 99, "prev_close": 100},
    }
    calculator.update_batch(data)
    breadth = calculator.calculate_breadth()
    assert (breadth["advances"], breadth["declines"], breadth["unchanged"]) == (1, 1, 0)


def test_an_issue_that_is_no_longer_refreshed_leaves_the_counts():
    clock = Clock()
    calculator = IntradayAdvDeclCalculator(max_age_s=900, clock=clock)
    calculator.update_batch({"A.NS": stock(101, 100), "B.NS": stock(99, 100)})
    clock.now += timedelta(seconds=901)
    calculator.update_batch({"A.NS": stock(101, 100)})
    assert calculator.calculate_breadth()["total_stocks"] == 1


def test_movers_are_ordered_by_percent_and_activity_by_volume():
    calculator = IntradayAdvDeclCalculator(clock=Clock())
    calculator.update_batch(
        {"A.NS": stock(110, 100, 5), "B.NS": stock(11.5, 10, 7), "C.NS": stock(90, 100, 9), "D.NS": stock(5, 0, 1)}
    )
    assert [s.symbol for s in calculator.get_top_gainers(2)] == ["B.NS", "A.NS"]
    assert [s["symbol"] for s in calculator.get_top_losers()] == ["C.NS"]
    assert [s.volume for s in calculator.get_most_active(3)] == [9, 7, 5]
    assert calculator.get_stock_status("D.NS").change_pct == 0
    assert calculator.calculate_breadth()["advances"] == 3


def row_of(record, table):
    return dict(zip(table.column_names, record.tables[table.name][0], strict=True))


def test_a_snapshot_record_is_unrounded_and_measures_volume_when_details_agree():
    details = {f"S{n}.NS": stock(101 if n < 2 else 99, 100, 10 + n) for n in range(3)}
    stocks = [stock_status(symbol, info, NOW) for symbol, info in details.items()]
    at = datetime(2026, 11, 26, 10, 30, tzinfo=ZONES["NSE"])
    counted = {"advances": 2, "declines": 1, "unchanged": 0, "adv_pct": 66.67}
    row = row_of(snapshot_record("api", at, counted, stocks), SNAPSHOT)
    assert (row["poll_time"], row["data_time"]) == ("2026-11-26 10:30:00", "2026-11-26 10:29:00")
    assert row["source"] == "api"
    assert row["adv_pct"] == 200 / 3
    assert (row["up_volume"], row["down_volume"], row["trin"]) == (21, 12, (2 / 1) / (21 / 12))
    other = row_of(snapshot_record("api", at, {"advances": 5, "declines": 0, "unchanged": 1}, stocks), SNAPSHOT)
    assert (other["advances"], other["total_stocks"], other["adv_decl_ratio"], other["up_volume"]) == (5, 6, None, None)


def test_a_stock_record_computes_the_change_and_keeps_the_callers_without_a_reference():
    at = datetime(2026, 11, 26, 10, 30, tzinfo=ZONES["NSE"])
    whole = stock_status("A.NS", stock(101, 99, np.int64(7), pd.Timestamp("2026-11-26T05:00:00Z")), NOW)
    row = row_of(stock_record("api", at, whole, 2.02), STOCK)
    assert (row["change_amt"], row["change_pct"], row["status"], row["volume"]) == (2.0, 200 / 99, "ADVANCE", 7)
    assert row["data_timestamp"] == "2026-11-26 10:30:00"
    bare = stock_status("A.NS", stock(101, None, float("nan"), pd.NA), NOW)
    row = row_of(stock_record("api", at, bare, 1.5), STOCK)
    assert (row["change_amt"], row["change_pct"], row["status"], row["volume"]) == (None, 1.5, "NO_REFERENCE", None)
    assert row["data_timestamp"] is None


def test_a_snapshot_of_nothing_is_a_failed_poll():
    nothing = IntradayAdvDeclCalculator(clock=Clock()).calculate_breadth()
    at = NOW.astimezone(ZONES["NSE"])
    unpriced = [stock_status("A.NS", {"ltp": None, "prev_close": 100}, NOW)]
    for stocks in ([], unpriced):
        record = snapshot_record("api", at, nothing, stocks)
        assert dict(record.tables) == {
            POLL.name: [("api", "2026-11-26", "2026-11-26 10:30:00", "failed", "no symbol has a price", 0, 0)]
        }
    before_the_open = [stock_status("A.NS", {"ltp": 100, "prev_close": 100, "volume": 0}, NOW)]
    assert SNAPSHOT.name in snapshot_record("api", at, nothing, before_the_open).tables
    assert SNAPSHOT.name in snapshot_record("api", at, {"advances": 1, "declines": 0, "unchanged": 0}, []).tables


@pytest.mark.parametrize("value", [1.5, -1, True, "1", None, float("nan"), 1_000_001, 10**400])
def test_counts_that_are_no_whole_numbers_are_refused_by_name(value):
    at = NOW.astimezone(ZONES["NSE"])
    with pytest.raises(UsageError, match=r"at most 1000000; not so: declines$"):
        snapshot_record("api", at, {"advances": 1, "declines": value, "unchanged": 0}, [])


@pytest.mark.parametrize("value", [1, 1.0, np.int64(1), np.float32(1), Decimal(1)])
def test_counts_may_be_whole_numbers_of_any_type(value):
    record = snapshot_record(
        "api", NOW.astimezone(ZONES["NSE"]), {"advances": value, "declines": 0, "unchanged": 0}, []
    )
    assert row_of(record, SNAPSHOT)["advances"] == 1


@pytest.mark.parametrize("value", [10**400, -(10**400), Decimal("sNaN")])
def test_numbers_that_are_none_are_no_trouble(value):
    found = stock_status("A.NS", {"ltp": value, "prev_close": value, "volume": value, "timestamp": value}, NOW)
    assert (found.ltp, found.prev_close, found.volume_stated, found.stated) == (None, None, False, False)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_date_that_no_exchange_knows_is_no_timestamp(text):
    stocks = [stock_status(symbol, {**stock(101, 100), "timestamp": text}, NOW) for symbol in ("A.NS", "AAPL")]
    record = snapshot_record(
        "api", NOW.astimezone(ZONES["NSE"]), {"advances": 2, "declines": 0, "unchanged": 0}, stocks
    )
    assert [row[-1] for row in record.tables[STOCK.name]] == [None, None]
