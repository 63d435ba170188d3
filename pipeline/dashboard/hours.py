"""The exchange's hours for a dashboard that no pipeline tells them: asked of the calendar in a process of its own.

The calendar needs pandas, which this process never loads; so a short-lived child asks it, once a day and exchange, and
prints one line. Without an answer the next open is simply not shown.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime

from pipeline.dashboard.state import Hours

CALENDARS = {"Asia/Kolkata": "NSE", "America/New_York": "NYSE"}
TIMEOUT_S = 60
AGAIN_S = 3600.0


class MarketHours:
    """`of(zone)` never waits: it gives what is known and has the rest fetched."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[datetime, Hours]] = {}
        self._asked: dict[str, datetime] = {}
        self._children: list[subprocess.Popen[bytes]] = []
        self._closed = False

    def of(self, zone: str | None) -> Hours:
        name = CALENDARS.get(zone or "")
        if name is None:
            return Hours()
        now = datetime.now(UTC)
        kept = self._known.get(name)
        over = kept is None or (now >= kept[0])
        asked = self._asked.get(name)
        if over and not self._closed and (asked is None or (now - asked).total_seconds() > AGAIN_S):
            self._asked[name] = now
            threading.Thread(target=self._ask, args=(name,), name=f"hours-{name}", daemon=True).start()
        return kept[1] if kept else Hours()

    def close(self) -> None:
        self._closed = True
        for child in self._children:
            with contextlib.suppress(OSError):
                child.kill()

    def _ask(self, name: str) -> None:
        command = [sys.executable, "-m", "pipeline.dashboard.next_open", name]
        with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError, KeyError):
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._children.append(child)
            try:
                out, _ = child.communicate(timeout=TIMEOUT_S)
            finally:
                child.kill()
                child.wait()
                self._children.remove(child)
            found = json.loads(out)
            self._known[name] = (datetime.fromisoformat(found.pop("until")), Hours(**found))
            self._asked.pop(name, None)
