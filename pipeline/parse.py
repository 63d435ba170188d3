"""Checks for single values of settings: text in, value out, UsageError with one line otherwise. Layer 1, pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.symbols import symbol_problem

DAY_S = 86_400
MILLENNIUM_S = 365_000 * DAY_S
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY_S}


def text(flag: str, value: str) -> str:
    if not value.strip() or any(ord(c) < 32 for c in value):
        raise UsageError(f"{flag} {value!r} must be plain text that is not empty")
    return value


def index(flag: str, value: str) -> str:
    """A symbol in capitals, as Yahoo answers it; or the words `auto` and `none`."""
    symbol = value.strip().upper()
    if problem := symbol_problem(symbol):
        raise UsageError(f"{flag} {value[:80]!r} {problem}: use one symbol such as ^NSEI, or none")
    return symbol.lower() if symbol in ("AUTO", "NONE") else symbol


def duration(least: int, most: int) -> Callable[[str, str], int]:
    """Whole seconds, from `least` to `most`, of `30s`, `5m`, `1h`, `7d` or a bare number of seconds."""

    def check(flag: str, value: str) -> int:
        match = re.fullmatch(r"(\d{1,9})([smhd]?)", value.strip(), re.ASCII)
        seconds = int(match[1]) * _UNITS[match[2] or "s"] if match else -1
        if not least <= seconds <= most:
            limits = f"from {_time(least)} to {_time(most)}"
            raise UsageError(f"{flag} {value!r} is not a time {limits}: use 30s, 5m, 1h or 7d")
        return seconds

    return check


def _time(seconds: int) -> str:
    return f"{seconds // DAY_S}d" if seconds >= DAY_S else f"{seconds}s"


def speed(flag: str, value: str) -> float | None:
    """Times real time; None for `max`."""
    if value == "max":
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise UsageError(f"{flag} {value!r} is not a speed: use a number above 0, or max")
    return number


def integer(least: int, most: int) -> Callable[[str, str], int]:
    def check(flag: str, value: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", value) or not least <= int(value) <= most:
            raise UsageError(f"{flag} {value!r} is not a whole number from {least} to {most}")
        return int(value)

    return check


def choice(*words: str) -> Callable[[str, str], str]:
    by_lower = {word.lower(): word for word in words}

    def check(flag: str, value: str) -> str:
        if value.lower() not in by_lower:
            raise UsageError(f"{flag} {value!r} must be one of {', '.join(words)}")
        return by_lower[value.lower()]

    return check


def yes_no(flag: str, value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in ("true", "yes", "on", "1"):
        return True
    if lowered in ("false", "no", "off", "0"):
        return False
    raise UsageError(f"{flag} {value!r} must be true or false")


def path(flag: str, value: str) -> Path:
    if "\0" in value or not value.strip():
        raise UsageError(f"{flag} {value!r} is not a path")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise UsageError(f"{flag} {value!r} is not a path: there is no such home directory") from None


def existing(flag: str, value: str) -> Path:
    found = path(flag, value)
    try:
        there = found.is_file()
    except OSError as error:  # too long, no right to look
        raise UsageError(f"{flag} {value[:80]!r} cannot be read: {error.strerror}") from None
    if not there:
        raise UsageError(f"{flag} {value!r} is not a file")
    return found


def port_number(value: str) -> int | None:
    """The number of a TCP port, 0 to 65535; None for any other text."""
    return int(value) if re.fullmatch(r"\d{1,5}", value, re.ASCII) and int(value) <= 65535 else None


def address(flag: str, value: str) -> str:
    """`HOST:PORT`, `:PORT` or `PORT`; the host defaults to 127.0.0.1; port 0 takes a free one."""
    host, _, port = value.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if port_number(port) is None:
        raise UsageError(f"{flag} {value!r} is not an address: use HOST:PORT, for example 127.0.0.1:8321")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
