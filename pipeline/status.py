"""The status file and the day's history in the state directory: written by the supervisor, read by anybody. Layer 2.

`status.json` is replaced atomically about once a second. `history-YYYY-MM-DD.jsonl` (UTC day) gets a line every few
seconds, so that the day's operations survive a restart of the page and of the pipeline.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import ConfigError

FILE = "status.json"
HISTORY_DAYS = 7
FRESH_S = 10.0
"""A status older than this belongs to a pipeline that no longer runs."""
PADDED_BYTES = 16 * 1024
MAX_STATUS_BYTES = 4 * 1024 * 1024


def write(directory: Path, status: dict[str, Any]) -> None:
    """Replaces the status file. Raises OSError.

    Two files take turns, each written over in place: a full disk has no room for another one, and that is just when
    the status matters. Blanks at the end keep their sizes alike.
    """
    file, spare, kept = directory / FILE, directory / f".{FILE}.new", directory / f".{FILE}.old"
    data = msgspec.json.encode(status)
    data += b" " * (-(len(data) + 1) % PADDED_BYTES) + b"\n"
    if spare.is_symlink():
        spare.unlink()
    descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as turn:
        turn.write(data)
        turn.truncate()
    kept.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):  # the first status replaces none
        os.link(file, kept, follow_symlinks=False)
    spare.replace(file)
    with contextlib.suppress(FileNotFoundError):
        kept.replace(spare)


def read(directory: Path) -> dict[str, Any] | None:
    """The newest status, None when there is none, or a torn one. A symbolic link is not followed.

    Raises ConfigError for one that this user may not read: whether a pipeline runs is unknown then.
    """
    return _read(directory) or _read(directory)  # the first may have been overtaken: its file was written over


def _read(directory: Path) -> dict[str, Any] | None:
    try:
        descriptor = os.open(directory / FILE, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            found = msgspec.json.decode(file.read(MAX_STATUS_BYTES))
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        return None
    except OSError as error:
        raise ConfigError(f"{directory / FILE} cannot be read: {error.strerror}") from None
    return found if isinstance(found, dict) else None


def age_s(status: dict[str, Any], now: datetime) -> float:
    """Seconds since the status was written."""
    return (now - datetime.fromisoformat(status["updated_at"])).total_seconds()


def history_file(directory: Path, day: datetime) -> Path:
    return directory / f"history-{day.astimezone(UTC):%Y-%m-%d}.jsonl"


def append_history(directory: Path, now: datetime, sample: dict[str, Any]) -> None:
    """Adds a line to the day's history. Raises OSError (a full disk)."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    descriptor = os.open(history_file(directory, now), flags, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(sample) + b"\n")
    finally:
        os.close(descriptor)


def prune_history(directory: Path, now: datetime) -> None:
    """Removes history files older than a week."""
    oldest = history_file(directory, now - timedelta(days=HISTORY_DAYS)).name
    for file in directory.glob("history-????-??-??.jsonl"):
        if file.name < oldest:
            file.unlink(missing_ok=True)
