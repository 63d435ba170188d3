"""Numbers and names as people read them in a terminal. Layer 1, pure.

Names come from files and from the network: `plain` makes every one of them safe to print. Undefined values are `-`,
never 0 and never `nan`.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

NONE = "-"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_WIDE = frozenset({"W", "F"})


def plain(value: object) -> str:
    """`value` as one line without control characters: no escape sequence, line break or direction mark survives."""
    return "".join(_REPLACEMENT if unicodedata.category(char) in _UNPRINTABLE else char for char in str(value))


def cells(text: str) -> int:
    """The columns of a terminal that plain text takes."""
    return sum(_columns(char) for char in text)


def fit(value: object, width: int) -> str:
    """`plain(value)`, cut with an ellipsis when it is wider than `width` columns."""
    text = plain(value)
    if cells(text) <= width:
        return text
    kept, used = "", 0
    for char in text:
        used += _columns(char)
        if used > width - 1:
            break
        kept += char
    return kept + "…"


def pad(value: object, width: int) -> str:
    """`fit`, filled with blanks to exactly `width` columns (negative: right-aligned)."""
    text = fit(value, abs(width))
    blanks = " " * (abs(width) - cells(text))
    return blanks + text if width < 0 else text + blanks


def grouped(number: float | None, decimals: int = 0, *, indian: bool = False, sign: bool = False) -> str:
    """`12,345,678.90`, or by lakh and crore (`1,23,45,678.90`)."""
    if number is None or not math.isfinite(number):
        return NONE
    text = f"{number:{'+' if sign else ''},.{decimals}f}"
    return _lakhs(text) if indian else text


def price(number: float | None, *, indian: bool = False, sign: bool = False) -> str:
    """Two decimals, four for what two cannot say (`0.1234`)."""
    if number is None or not math.isfinite(number):
        return NONE
    decimals = 2 if abs(number * 100 - round(number * 100)) < 1e-6 else 4
    return grouped(number, decimals, indian=indian, sign=sign)


def percent(number: float | None, *, decimals: int = 1, sign: bool = False) -> str:
    """A number that is a percentage already: `62.0 %`."""
    if number is None or not math.isfinite(number):
        return NONE
    return f"{number:{'+' if sign else ''}.{decimals}f} %"


def ratio(number: float | None) -> str:
    return NONE if number is None or not math.isfinite(number) else f"{number:.2f}"


def short_volume(number: float | None, *, indian: bool = False) -> str:
    """A volume in at most eight characters: `12.3M`, `1.2B`, or in India's units `1.2L`, `12.3Cr`."""
    if number is None or not math.isfinite(number):
        return NONE
    steps = ((10**7, "Cr"), (10**5, "L")) if indian else ((10**9, "B"), (10**6, "M"), (10**5, "K"))
    for size, unit in steps:
        if abs(number) >= size:
            divisor = 1000 if unit == "K" else size
            return f"{number / divisor:,.1f}{unit}"
    return grouped(number, indian=indian)


def byte_size(number: float | None) -> str:
    """`1.4 GiB`."""
    if number is None:
        return NONE
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def duration(seconds: float | None) -> str:
    """`20 ms`, `12 s`, `3 min`, `2.5 h`."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if 0 < abs(seconds) < 1:
        return f"{1000 * seconds:.0f} ms"
    if abs(seconds) < 10:
        return f"{seconds:.1f} s"
    if abs(seconds) < 120:
        return f"{seconds:.0f} s"
    if abs(seconds) < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def change_pct(last: float | None, previous: float | None) -> float | None:
    """Percent change from `previous` to `last`; None when it is undefined."""
    if last is None or previous is None or previous <= 0:
        return None
    return 100 * (last - previous) / previous


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 poll`, `75 polls`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def clock(poll_time: object) -> str:
    """The time of `2026-11-26 09:20:00` or `2026-11-26T09:20:00+05:30`; empty for none."""
    return str(poll_time)[11:19] if poll_time else ""


def section(mapping: Mapping[str, Any] | None, key: str) -> Mapping[str, Any]:
    """`mapping[key]` when it is a mapping, else an empty one: a status may lack any part."""
    value = (mapping or {}).get(key)
    return value if isinstance(value, Mapping) else {}


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1


def _lakhs(text: str) -> str:
    """Groups by 3, then by 2: `12,345,678.90` to `1,23,45,678.90`."""
    head, point, tail = text.replace(",", "").partition(".")
    sign = head[0] if head[:1] in "+-" and head else ""
    digits = head[len(sign) :]
    groups = [digits[-3:]]
    digits = digits[:-3]
    while digits:
        groups.append(digits[-2:])
        digits = digits[:-2]
    return sign + ",".join(reversed(groups)) + point + tail
