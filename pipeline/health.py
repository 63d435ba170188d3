"""Health reports from a child to the supervisor: one-way, never waiting, dropped when they do not fit. Layer 2.

A report is the child's whole present state (counters are cumulative), so a dropped one costs nothing. Heartbeats come
from a thread, but only while the main loop is within the time it announced for what it is doing: a hung main loop
falls silent and is replaced.
"""

from __future__ import annotations

import os
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import msgspec

MAX_REPORT_BYTES = 4000
"""Below PIPE_BUF with the frame's header: a write is whole or does not happen."""
BEAT_S = 1.0


class Reporter:
    """The child's end of the health pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        os.set_blocking(pipe.fileno(), False)
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {}
        self._allowed_until = time.monotonic() + 60.0
        self.dropped = 0
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def allow(self, seconds: float) -> None:
        """Announces that the main loop may be silent for `seconds` from now."""
        self._allowed_until = time.monotonic() + seconds

    def report(self, **changes: Any) -> None:
        """Merges `changes` into the state and sends it; returns at once in any case."""
        with self._lock:
            self._state.update(changes)
            self._send()

    def _send(self) -> None:
        data = msgspec.json.encode(self._state)
        if len(data) > MAX_REPORT_BYTES:
            slim = {k: v for k, v in self._state.items() if k != "sectors"}
            data = msgspec.json.encode(slim)
        try:
            self._pipe.send_bytes(data)
        except BlockingIOError:
            self.dropped += 1
        except OSError:
            pass  # the supervisor is gone; the watch on the parent ends this process

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT_S)
            if time.monotonic() < self._allowed_until:
                self.report()


def receive(pipe: Connection) -> dict[str, Any] | None:
    """The newest report waiting in `pipe`, None when there is none. Raises EOFError when the child is gone."""
    newest = None
    try:
        while pipe.poll():
            newest = pipe.recv_bytes()
    except EOFError:  # after its last report a child's end is closed
        if newest is None:
            raise
    return None if newest is None else msgspec.json.decode(newest)
