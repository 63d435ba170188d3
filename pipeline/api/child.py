"""The logger's handle on its writer process: starts it, starts it again, knows how far it is. Layer 4.

Lives in the user's program: one daemon thread, no signal handler, nothing that the program could trip over.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import IO, Any, cast

import pipeline
from pipeline import health
from pipeline.dburl import DatabaseUrl

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.2, 30.0
SILENT_S = 60.0
log = logging.getLogger("pipeline.api")


class WriterChild:
    """`behind`: called, in the watching thread, with the message of a database that is ahead of its journal."""

    def __init__(self, url: DatabaseUrl, slot: Path, behind: Callable[[str], None]) -> None:
        self._url, self._slot, self._behind = url, slot, behind
        self._state: dict[str, Any] = {}
        self._errors_before = 0
        self._finishing = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Connection | None = None

    def start(self) -> None:
        """Raises OSError when no process can be started at all."""
        pipes = self._spawn()
        threading.Thread(target=self._keep, args=pipes, name="breadth-writer", daemon=True).start()

    @property
    def alive(self) -> bool:
        process = self._process
        return process is not None and process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def cursor(self, journal_id: str) -> int | None:
        """The last record of that journal in the database, None when not known."""
        return self._state.get("cursor") if self._state.get("journal_id") == journal_id else None

    @property
    def left_ahead(self) -> int:
        """Records of journals that earlier programs left, not in the database yet."""
        return int(self._state.get("left_ahead") or 0)

    @property
    def errors(self) -> int:
        names = ("errors", "dead_letters", "left_errors")
        return self._errors_before + sum(int(self._state.get(name) or 0) for name in names)

    @property
    def message(self) -> str:
        return str(self._state.get("message") or "")

    def hint(self) -> None:
        """Says that there is something to write; a full pipe or a dead writer is no concern of the caller."""
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                os.write(process.stdin.fileno(), b".")

    def finish(self, timeout: float) -> bool:
        """Lets it write what is there and ends it; True when it ended by itself, with everything written."""
        self._finishing.set()
        self._say_finish()
        drained = self._ended.wait(max(0.0, timeout))
        if not drained:
            self.kill()
            self._ended.wait(5.0)
        return drained and self._process is not None and self._process.returncode == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _say_finish(self) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._control is not None:
                self._control.send_bytes(b"finish")

    def _spawn(self) -> tuple[Connection, Connection]:
        health_r, health_w = Pipe(duplex=False)
        control_r, control_w = Pipe(duplex=False)
        logs_r, logs_w = Pipe(duplex=False)
        theirs = (health_w, control_r, logs_w)
        numbers = [pipe.fileno() for pipe in theirs]
        roots = (str(Path(pipeline.__file__).resolve().parent.parent), os.environ.get("PYTHONPATH"))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(root for root in roots if root)}
        try:
            process = subprocess.Popen(
                # -P: the program's working directory may hold a `pipeline` of its own
                [sys.executable, "-P", "-m", "pipeline.api.writer", *map(str, numbers)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=numbers,
                env=environment,
            )
        finally:
            for pipe in theirs:
                pipe.close()
        stdin = cast("IO[bytes]", process.stdin)
        fields = {**asdict(self._url), "path": str(self._url.path) if self._url.path else None}
        plan = {"url": fields, "slot": str(self._slot), "parent": os.getpid()}
        with contextlib.suppress(OSError):
            stdin.write(json.dumps(plan).encode() + b"\n")
            stdin.flush()
        os.set_blocking(stdin.fileno(), False)
        os.set_blocking(control_w.fileno(), False)
        with self._lock:
            self._process, self._control = process, control_w
        return health_r, logs_r

    def _keep(self, reports: Connection, logs: Connection) -> None:
        """Watches the writer, and replaces it when it dies before it was told to finish."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            started = time.monotonic()
            self._watch(reports, logs)
            code = cast("subprocess.Popen[bytes]", self._process).wait()
            self._close(reports, logs)
            if self._finishing.is_set():
                break
            log.warning("the writer process ended (exit code %d); it is started again in %.1f s", code, backoff_s)
            if self._finishing.wait(backoff_s):
                break
            backoff_s = FIRST_BACKOFF_S if time.monotonic() - started > 60 else min(2 * backoff_s, LONGEST_BACKOFF_S)
            self._errors_before = self.errors + 1
            self._state = {}
            try:
                reports, logs = self._spawn()
            except OSError as error:
                log.error("no writer process can be started: %s; records stay in the journal", error)  # noqa: TRY400
                break
            if self._finishing.is_set():
                self._say_finish()
        self._ended.set()

    def _watch(self, reports: Connection, logs: Connection) -> None:
        """Until the process has closed its ends."""
        last_beat, open_pipes = time.monotonic(), [reports, logs]
        while open_pipes:
            for pipe in wait(open_pipes, timeout=1.0):
                try:
                    if pipe is reports:
                        last_beat = time.monotonic()
                        self._take(health.receive(reports) or {})
                    else:
                        level, text = json.loads(logs.recv_bytes())
                        log.log(level, "%s", text)
                except (EOFError, OSError):
                    open_pipes.remove(cast("Connection", pipe))
            if time.monotonic() - last_beat > SILENT_S:
                log.warning("the writer process is silent for %.0f s; it is replaced", SILENT_S)
                last_beat = time.monotonic()
                self.kill()

    def _take(self, report: dict[str, Any]) -> None:
        before = self._state.get("database")
        self._state = report
        if report.get("database") == "journal-behind" != before:
            self._behind(self.message)

    def _close(self, reports: Connection, logs: Connection) -> None:
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None
            stdin = self._process.stdin if self._process is not None else None
        with contextlib.suppress(OSError):
            if stdin is not None:
                stdin.close()
        reports.close()
        logs.close()
