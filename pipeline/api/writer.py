"""The writer process of a program that logs through the Python API: `python -m pipeline.api.writer`. Layer 4.

Started by the logger with subprocess, never by multiprocessing: spawning would import the user's script again. Its
pipes come by number in the arguments; the database, with its password, as the first line of stdin. A byte on stdin is
a hint that there is something to write, its end means that the program is gone, and this process goes at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue as queues
import resource
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from pipeline.dburl import DatabaseUrl
from pipeline.errors import PipelineError
from pipeline.health import Reporter
from pipeline.journal import NAME as JOURNAL
from pipeline.journal import Journal
from pipeline.lock import FileLock
from pipeline.process import Ends
from pipeline.writer import WritePlan, Writer

SLOT_LOCK = "slot.lock"
STREAM = "api"
_MESSAGE = 500
log = logging.getLogger(__name__)


def main(health: int, control: int, logs: int) -> None:
    """Drains the program's journal, and those that earlier programs left, until told to finish."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    plan = json.loads(sys.stdin.buffer.readline())
    hints: queues.Queue[None] = queues.Queue(1)
    threading.Thread(target=_watch, args=(hints,), daemon=True).start()
    _watch_parent(plan["parent"])
    logging.getLogger().addHandler(_PipeHandler(Connection(logs, readable=False)))
    logging.getLogger().setLevel(logging.INFO)
    reporter = Reporter(Connection(health, readable=False))
    url = _url(plan["url"])
    slot = Path(plan["slot"])
    left = threading.Thread(target=_drain_left, args=(slot, url, reporter), daemon=True)
    left.start()
    try:
        _drain(slot, url, Connection(control, writable=False), hints, reporter)
    except PipelineError as error:  # it was logged when it happened
        sys.exit(error.exit_code)
    left.join()


def _drain(slot: Path, url: DatabaseUrl, control: Any, hints: Any, reporter: Any) -> None:
    ends = Ends(url.role, cast("Connection", None), control, hints, None, "info")
    Writer(WritePlan(url, slot, create=True), ends, reporter).run()


def _drain_left(own: Path, url: DatabaseUrl, reporter: Reporter) -> None:
    """Writes the journals of programs that ended before their records were in the database, one after the other."""
    left = _Left(reporter)
    for slot in sorted(own.parent.iterdir()):
        if slot == own or not (slot / JOURNAL).is_file():
            continue
        lock = FileLock(slot / SLOT_LOCK)
        with contextlib.closing(lock), contextlib.suppress(PipelineError, OSError):  # the next start tries again
            if lock.acquire():
                _mend(slot)
                _drain(slot, url, _Finish(), queues.Queue(1), left)
        left = _Left(reporter, left.ahead, left.errors)


def _mend(slot: Path) -> None:
    """What a killed program left may be damaged, and no other process would begin a new journal for it."""
    try:
        with contextlib.closing(Journal.open(slot, STREAM)) as journal:
            for finding in journal.findings:
                log.warning("%s", finding)
    except PipelineError as error:
        log.warning("%s", error)
        raise


class _Finish:
    """A control pipe that says `finish` from the start: the journal has no writer any more."""

    def __init__(self) -> None:
        self._said = False
        self._never = threading.Event()

    def poll(self, timeout: float = 0.0) -> bool:
        if timeout and self._said:
            self._never.wait(timeout)
        return not self._said

    def recv_bytes(self) -> bytes:
        self._said = True
        return b"finish"


class _Left:
    """What the writer of a left journal reports, as a part of the process's own report, beside those before it."""

    def __init__(self, reporter: Reporter, ahead: int = 0, errors: int = 0) -> None:
        self._reporter, self._before = reporter, (ahead, errors)
        self.ahead, self.errors = ahead, errors

    def allow(self, seconds: float) -> None:
        """Its pace is its own."""

    def report(self, **changes: Any) -> None:
        ahead, errors = self._before
        self.ahead, self.errors = ahead + changes.get("ahead", 0), errors + changes.get("errors", 0)
        self._reporter.report(left_ahead=self.ahead, left_errors=self.errors)


class _PipeHandler(logging.Handler):
    """Hands log records to the program, without ever waiting for it."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        os.set_blocking(pipe.fileno(), False)
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            text = json.dumps([record.levelno, record.getMessage()[:_MESSAGE]], ensure_ascii=False)
            self._pipe.send_bytes(text.encode("utf-8", "replace"))  # short enough to go whole or not at all


def _watch(hints: queues.Queue[None]) -> None:
    while os.read(0, 4096):
        with contextlib.suppress(queues.Full):
            hints.put_nowait(None)
    os._exit(0)


def _watch_parent(pid: int) -> None:
    """A forked child of the program may keep our stdin open after its death: the pid tells, where the system can."""
    if not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        os._exit(0)
    if os.getppid() != pid:
        os._exit(0)

    def watch() -> None:
        import select

        select.select([descriptor], [], [])
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _url(fields: dict[str, Any]) -> DatabaseUrl:
    path = Path(fields["path"]) if fields["path"] else None
    return DatabaseUrl(**{**fields, "path": path})


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:4]))
