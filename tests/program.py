"""Runs the real command as a user would: `breadth-pipeline …` in a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "pipeline"]
DEADLINE_S = 110.0


def environment(home: Path, **more: str) -> dict[str, str]:
    """The test's environment: no settings of the machine, neither ours nor Python's, a home of its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BREADTH_", "MYSQL_", "XDG_", "PYTHON"))
    }
    return {**kept, "HOME": str(home), "COLUMNS": "80", **more}


def run(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The finished command; text of stdout and stderr apart."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(home, **env),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


class Running:
    """A command that goes on while the test does something to it; killed with all its children at the end."""

    def __init__(self, home: Path, *arguments: str, **env: str) -> None:
        self.output = home / "output.txt"
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                env=environment(home, **env),
                cwd=home,
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait(self, timeout_s: float = DEADLINE_S) -> int:
        return self.process.wait(timeout_s)

    def terminate(self) -> None:
        self.process.terminate()


def status_of(state_dir: Path) -> dict[str, Any]:
    """The newest status, {} when there is none yet."""
    try:
        found: dict[str, Any] = json.loads((state_dir / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def pids(state_dir: Path) -> dict[str, int]:
    """{role: pid} of the processes that run now."""
    rows: Sequence[dict[str, Any]] = status_of(state_dir).get("processes", [])
    return {row["role"]: row["pid"] for row in rows if row["pid"]}


def until(condition: Callable[[], Any], what: str, timeout_s: float = DEADLINE_S) -> Any:
    """The condition's first true value. Fails when it stays false until the deadline."""
    deadline = time.monotonic() + timeout_s
    pause = 0.01
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
    raise AssertionError(f"not within {timeout_s:.0f} s: {what}")
