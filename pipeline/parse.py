"""Checks for single values of settings: text in, value out, UsageError with one line otherwise. Layer 1, pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def text(flag: str, value: str) -> str:
    if not value.strip() or any(ord(c) < 32 for c in value):
        raise UsageError(f"{flag} {value!r} must be plain text that is not empty")
    return value


def duration(flag: str, value: str, least: int = 1) -> int:
    """Whole seconds, at least `least`, of `30s`, `5m`, `1h`, `7d` or a bare number of seconds."""
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", value.strip())
    if not match or int(match[1]) * _UNITS[match[2] or "s"] < least:
        raise UsageError(f"{flag} {value!r} is not a time: use 30s, 5m, 1h or 7d (at least {least}s)")
    return int(match[1]) * _UNITS[match[2] or "s"]


def duration_or_none(flag: str, value: str) -> int:
    """As `duration`, but 0 is a time too."""
    return duration(flag, value, 0)


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
    return Path(value).expanduser().absolute()


def existing(flag: str, value: str) -> Path:
    found = path(flag, value)
    if not found.is_file():
        raise UsageError(f"{flag} {value!r} is not a file")
    return found


def address(flag: str, value: str) -> str:
    """`HOST:PORT`, `:PORT` or `PORT`; the host defaults to 127.0.0.1; port 0 takes a free one."""
    host, _, port = value.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{flag} {value!r} is not an address: use HOST:PORT, for example 127.0.0.1:8321")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
