"""`breadth-pipeline demo`: a recorded day of 499 NSE stocks through the real pipeline, from a fresh state."""

from __future__ import annotations

import contextlib
import select
import shutil
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
from pipeline.errors import UsageError
from pipeline.journal import JournalReader
from pipeline.lock import InstanceLock, state_directory

RECORDING = "recording:in_nifty500_15m_2023-04-05"
SPEED = 400.0
"""The day in about a minute."""


@click.command()
@with_settings("speed", "source", "db", "state_dir", "dashboard", "heartbeat_s", loaded=True)
def demo(loaded: Loaded) -> int:
    """Run a recorded day of 499 NSE stocks through the real pipeline, with its live page.

    Starts from a fresh state each time, and keeps the page up at the end until a key is pressed. Only its flags count:
    it never plays into the databases or the state directory that the environment or a file names for live runs.
    """
    given = {name: getattr(loaded.settings, name) for name, origin in loaded.origins.items() if origin == "flag"}
    directory = state_directory(given.get("state_dir") or default_state_dir("demo"))
    own = {
        "source": RECORDING,
        "speed": SPEED,
        "db": (DatabaseUrl("sqlite", path=directory / "breadth.db"),),
        "dashboard": "127.0.0.1:0",
        "progress": "auto",
        "log_level": "warning",
    }
    settings = Settings(**{**defaults(), **own, **given, "state_dir": directory})
    with InstanceLock(directory / "lock"):
        if "state_dir" in given:
            _refuse_journal_of_another(directory, universe_name(settings, ()))
        _clear(directory)
    key = KeyPress()
    try:
        return supervise(replace(loaded, settings=settings, origins={}), leave=key)
    finally:
        key.restore()


def _refuse_journal_of_another(directory: Path, stream: str) -> None:
    with contextlib.closing(JournalReader(directory)) as reader:
        owner = reader.identity().stream if reader.path.exists() else stream
    if owner != stream:
        raise UsageError(f"--state-dir {directory} holds the journal of {owner}, a demo would delete it: name another")


def _clear(directory: Path) -> None:
    """Removes what a former demo left; only files that a run makes."""
    for pattern in ("journal*", "status.json", "history-*.jsonl", "breadth.db*"):
        for file in directory.glob(pattern):
            shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink()


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
