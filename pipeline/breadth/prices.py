"""Prices as integers of 0.0001 of the currency, so that equal prices are equal. Layer 1, pure.

Quote services deliver single-precision numbers widened to double: 2850.45 arrives as 2850.449951171875. Compared as
floats, four of five unchanged issues would look like advances or declines.
"""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from numbers import Real
from typing import Literal

Market = Literal["NSE", "US"]

_UNITS_PER_HUNDREDTH = 100
_UNITS_PER_NICKEL = 500
_BLURRED_FROM = 131_072.0  # from here up the spacing of single precision, 1/64, is wider than a hundredth
_MAX_PRICE = 1e10  # beyond it no share is priced, and the price columns end


def to_units(value: object, market: Market) -> int | None:
    """`value` (currency, as a source stated it) in whole units of 0.0001, or None when it is not a usable price.

    None for null, text, booleans, NaN, infinities, zero and less, and prices of 10^10 and more. A price within the
    noise of single precision (half its spacing) of a whole hundredth is that hundredth. Any other price is rounded
    to 0.01 on NSE and to 0.0001 in the US, whatever its size: sub-penny prices of the US exist above a dollar too.
    Source: tick sizes of the two markets; spacing of IEEE 754 single precision (24 bits).
    """
    price = value if type(value) is float else _number(value)
    if not 0.0 < price < _MAX_PRICE:  # false for NaN, too
        return None
    if market == "NSE" and price < _BLURRED_FROM:
        return round(price * 100) * _UNITS_PER_HUNDREDTH or None
    noise = math.ldexp(1.0, math.frexp(price)[1] - 25)
    if market == "NSE":
        return _blurred_nse_price(price, noise)
    hundredths = round(price * 100)
    if abs(price - hundredths / 100) <= noise:
        return hundredths * _UNITS_PER_HUNDREDTH or None
    return round(price * 10_000) or None


def _number(value: object) -> float:
    """A number as float; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return math.nan
    try:
        return float(value)
    except (OverflowError, ValueError):
        return math.nan


def _blurred_nse_price(price: float, noise: float) -> int:
    """A price from 131,072 up, where two hundredths can share one single-precision number.

    A number that single precision cannot hold never passed through it: its hundredth is exact. One that it can hold
    is taken for the multiple of 0.05 in its reach, as such shares trade in steps of 0.05 (5 since April 2025); only
    the averaged official closes lie between the steps, and those keep the nearest hundredth.
    """
    if struct.unpack("<f", struct.pack("<f", price))[0] == price:
        nickels = round(price * 20)
        if abs(price - nickels / 20) <= noise:
            return nickels * _UNITS_PER_NICKEL
    return round(price * 100) * _UNITS_PER_HUNDREDTH
