"""Prices of sources become integers that compare as prices do."""

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.breadth import to_units


def single(price: float) -> float:
    """`price` as a quote service delivers it: through single precision and back."""
    return struct.unpack("<f", struct.pack("<f", price))[0]


@given(st.integers(1, 13_107_199), st.sampled_from(["NSE", "US"]))
def test_a_hundredth_survives_single_precision_below_131072(hundredths, market):
    price = hundredths / 100
    assert to_units(single(price), market) == to_units(price, market) == hundredths * 100


@given(st.integers(1, 2_000_000_000))
def test_nse_prices_are_whole_hundredths_at_any_price(ten_thousandths):
    units = to_units(ten_thousandths / 10_000 + 1, "NSE")
    assert units % 100 == 0
    assert abs(units - ten_thousandths - 10_000) <= 50


@pytest.mark.parametrize(
    ("value", "units"),
    [
        (0.1234, 1_234),
        (12.3456, 123_456),
        (71.8475, 718_475),
        (single(12.3456), 123_456),
        (3036.699951171875, 30_367_000),
    ],
)
def test_us_prices_keep_their_ten_thousandths(value, units):
    assert to_units(value, "US") == units


@given(st.integers(2_621_440, 6_000_000))
def test_an_nse_price_above_131072_is_its_step_of_0_05_again(nickels):
    price = nickels / 20
    assert to_units(single(price), "NSE") == to_units(price, "NSE") == nickels * 500


def test_an_average_above_131072_that_single_precision_never_held_keeps_its_hundredth():
    assert to_units(141_237.33, "NSE") == 1_412_373_300
    assert to_units(single(141_237.33), "NSE") == 1_412_373_300


NO_PRICES = [
    *(None, "", "101.5", b"1", True, False, [], {}),
    *(math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("sNaN")),
    *(0, 0.0, -1.5, 1e-9, 1e12, 10**400),
]


@pytest.mark.parametrize("value", NO_PRICES, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("market", ["NSE", "US"])
def test_what_is_no_price_is_none(value, market):
    assert to_units(value, market) is None


def test_whole_numbers_and_decimals_are_prices():
    assert to_units(100, "US") == to_units(Decimal("100.00"), "NSE") == 1_000_000
