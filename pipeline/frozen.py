"""The previous closes that a run without stock rows has frozen, in a file of the state directory. Layer 2.

Such a run's records do not show them, and a restart has to count from the same ones.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import msgspec

from pipeline.lock import open_private

NAME = "references.json"


class Frozen(msgspec.Struct, frozen=True):
    """`references`: {symbol: previous close in units}, frozen on `trade_date`."""

    trade_date: date
    references: dict[str, int]


def keep(directory: Path, trade_date: date, references: Mapping[str, int]) -> None:
    """Replaces the file. Raises OSError (a full disk) or ConfigError (a symbolic link)."""
    spare = directory / f".{NAME}.new"
    with os.fdopen(open_private(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(msgspec.json.encode(Frozen(trade_date, dict(references))))
    spare.replace(directory / NAME)


def kept(directory: Path) -> Frozen | None:
    """What was kept last; None when there is nothing that can be read."""
    try:
        with os.fdopen(os.open(directory / NAME, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return msgspec.json.decode(file.read(), type=Frozen)
    except (OSError, msgspec.MsgspecError):
        return None
