"""`breadth-pipeline demo`: a recorded day of 499 NSE stocks through the real pipeline, from a fresh state."""

from __future__ import annotations

import contextlib
import re
import select
import sys
import termios
import tty
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pipeline.cli.common import universe_name, with_settings
from pipeline.cli.run import supervise
from pipeline.config import Loaded, Settings, default_state_dir, defaults
from pipeline.dburl import DatabaseUrl
from pipeline.errors import ConfigError, JournalError, UsageError
from pipeline.journal import JournalReader
from pipeline.lock import InstanceLock, state_directory

RECORDING = "recording:in_nifty500_15m_2023-04-05"
SPEED = 400.0
"""The day in about a minute."""
DIRECTORY = "@demo"
"""Among the state directories, and no name that a universe can have."""
MARK = "made-by-demo"
"""File in a directory that a demo made, with the stream of its journal: only what stands beside it is ever removed."""
LOCK = "lock"
_MADE = re.compile(
    r"journal(\.building|\.next|-\w+\.damaged-\d+)?\.sqlite3(-wal|-shm)?|journal\.mark|"
    r"breadth\.db(-wal|-shm|-journal)?|status\.json|\.status\.json\.(new|old)|history-\d{4}-\d\d-\d\d\.jsonl"
)
"""Files that a run makes, by their whole names."""


@click.command()
@with_settings(
    *("speed", "source", "db", "state_dir", "dashboard", "heartbeat_s"),
    loaded=True,
    help={
        "speed": f"Times real time: a number, or max. [{SPEED:.0f}]",
        "source": f"Recording to play. [{RECORDING}]",
        "state_dir": f"Empty, or of a former demo, then cleared. Default: {DIRECTORY} among the universes'.",
        "dashboard": "Address of the live page. Default: a free port of 127.0.0.1.",
    },
)
def demo(loaded: Loaded) -> int:
    """Run a recorded day of 499 NSE stocks through the real pipeline, with its live page.

    Starts from a fresh state each time, and keeps the page up at the end until a key is pressed. Only its flags count:
    it never plays into the databases or the state directory that the environment or a file names for live runs.
    """
    given = {name: getattr(loaded.settings, name) for name, origin in loaded.origins.items() if origin == "flag"}
    directory = given.get("state_dir") or default_state_dir(DIRECTORY)
    own = {
        "source": RECORDING,
        "speed": SPEED,
        "db": (DatabaseUrl("sqlite", path=directory / "breadth.db"),),
        "dashboard": "127.0.0.1:0",
        "progress": "auto",
        "log_level": "warning",
    }
    settings = Settings(**{**defaults(), **own, **given, "state_dir": directory})
    _begin_anew(directory, universe_name(settings, ()))
    key = KeyPress()
    try:
        return supervise(replace(loaded, settings=settings, origins={}), leave=key)
    finally:
        key.restore()


def _begin_anew(directory: Path, stream: str) -> None:
    """Clears what a former demo left, and marks the directory. Raises UsageError for another's."""
    mark = state_directory(directory) / MARK
    names = {file.name for file in directory.iterdir()}
    if MARK not in names and names - {LOCK}:
        raise UsageError(f"--state-dir {directory} is not empty and not of a demo, which would clear it: name another")
    with InstanceLock(directory / LOCK):
        owner = _owner(directory)
        if owner is not None and owner != mark.read_text(encoding="utf-8"):
            raise UsageError(f"--state-dir {directory} holds the journal of {owner} by now: name another")
        try:
            for file in list(directory.iterdir()):
                if _MADE.fullmatch(file.name) and not file.is_dir():
                    file.unlink()
            mark.write_text(stream, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{error.filename or mark} cannot be removed or written: {error.strerror}") from None


def _owner(directory: Path) -> str | None:
    """Whose journal it is; None when there is none that says."""
    with contextlib.closing(JournalReader(directory)) as reader, contextlib.suppress(JournalError):
        return reader.identity().stream if reader.path.exists() else None
    return None


class KeyPress:
    """Says once that a key ends it, and is true when one was pressed; true at once when not on a terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._before: list[Any] | None = None

    def __call__(self) -> bool:
        if not self._terminal:
            return True
        if self._before is None:
            click.echo("The page stays up until you press a key.")
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return bool(select.select([sys.stdin], [], [], 0)[0])

    def restore(self) -> None:
        """The terminal as it was."""
        if self._before is not None:
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)
