"""What every child process has in common, and the supervisor's handle on one. Layer 3.

A child is spawned (never forked), ignores SIGINT and SIGTERM (the supervisor stops it, upstream first), exits at once
when its parent dies, and leaves no core file. Pipes, hint queue and log belong to one incarnation and are thrown away
with it: a killed user of a multiprocessing queue leaves its lock held for ever.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import multiprocessing
import os
import queue as queues
import resource
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from pipeline import health, logs
from pipeline.errors import EXIT_CONFIG, EXIT_USAGE, PipelineError

COUNTERS = ("records_written", "rows_written", "errors", "retries", "dead_letters", "superseded", "dropped")
"""Fields of reports that start at 0 in each incarnation; a Child adds them up."""
GC_THRESHOLDS = (50_000, 20, 20)
"""Rows are tuples without cycles; by its default the collector would go over thousands of them at every poll."""
SPAWN = multiprocessing.get_context("spawn")
_SET_PARENT_DEATH_SIGNAL = 1
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ends:
    """A child's ends: `health` is written, `control` is read (words such as "stop"), `hints` by role."""

    role: str
    health: Connection
    control: Connection
    hints: Any
    log_queue: Any
    log_level: str


def child_main(target: str, plan: Any, ends: Ends) -> None:
    """The first function of every child; `target` is `module:function`, called with (plan, ends, reporter)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.set_threshold(*GC_THRESHOLDS)
    _watch_parent()
    logs.configure_child(ends.role, ends.log_queue, ends.log_level)
    reporter = health.Reporter(ends.health)
    reporter.report(state="starting")
    code = _call(target, plan, ends, reporter)
    _leave(ends, code)


def _call(target: str, plan: Any, ends: Ends, reporter: health.Reporter) -> int:
    module, _, function = target.partition(":")
    try:
        getattr(import_module(module), function)(plan, ends, reporter)
    except PipelineError as error:
        reporter.report(state="stopped", fatal=str(error), exit_code=error.exit_code)
        return error.exit_code
    except Exception as error:
        log.error("stopped by a fault of the program: %s", _where(error))  # noqa: TRY400
        reporter.report(state="stopped", exit_code=1)
        return 1
    reporter.report(state="stopped", exit_code=0)
    return 0


def _where(error: Exception) -> str:
    """The fault and the lines it passed, on one line; no values of variables, which may be secrets."""
    steps = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__}: {error} (at {' > '.join(steps)})"


def _leave(ends: Ends, code: int) -> None:
    """Ends the process without waiting for anybody to read what it still has to say."""
    for queue in (ends.log_queue, ends.hints):
        if queue is not None:
            with contextlib.suppress(OSError, ValueError):
                queue.close()
                threading.Thread(target=queue.join_thread, daemon=True).start()
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline and any(t.name == "QueueFeederThread" for t in threading.enumerate()):
        time.sleep(0.01)
    os._exit(code)


def _watch_parent() -> None:
    """Ends this process with its parent; where the kernel can do it (Linux), even while this process is stopped."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


class Child:
    """The supervisor's handle on one role, through all its incarnations.

    `state`: the newest report. `restarts`: incarnations after the first. `restart_at`: when the next one is due.
    `fatal`: why it must not be started again. `ended`: it did all there was to do. `unheard`: hints that did not fit.
    """

    def __init__(self, role: str, target: str, plan: Any, *, log_level: str, queue_size: int) -> None:
        self.role, self.target, self.plan = role, target, plan
        self._log_level, self._queue_size = log_level, queue_size
        self.state: dict[str, Any] = {}
        self.restarts = -1
        self.last_beat = self.started = time.monotonic()
        self.since = ""
        self.backoff_s = 0.2
        self.deaths: list[float] = []
        self.restart_at: float | None = None
        self.stopping = self.ended = self.given_up = False
        self.fatal: str | None = None
        self.exit_code = self.unheard = 0
        self.process: Any = None
        self.hints: Any = None
        self._carried: dict[str, int] = {}
        self._closing_log: threading.Thread | None = None

    def start(self) -> None:
        """A new incarnation, with new pipes, a new queue and a new log.

        Raises OSError or RuntimeError, and leaves nothing open, when the machine has no room for one.
        """
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            self._health, health_w = SPAWN.Pipe(duplex=False)
            ours.callback(self._health.close)
            theirs.callback(health_w.close)
            control_r, self._control = SPAWN.Pipe(duplex=False)
            ours.callback(self._control.close)
            theirs.callback(control_r.close)
            os.set_blocking(self._control.fileno(), False)
            self.hints = SPAWN.Queue(self._queue_size)
            ours.callback(self.hints.close)
            self._log = logs.ChildLog(self.role)
            ours.callback(self._log.close)
            ends = Ends(self.role, health_w, control_r, self.hints, self._log.queue, self._log_level)
            process = SPAWN.Process(target=child_main, args=(self.target, self.plan, ends), name=self.role)
            process.start()
            ours.pop_all()
        self.process = process
        self.restarts += 1
        self.restart_at = None
        kept = {name: value for name, value in self.state.items() if name not in ("fatal", "exit_code")}
        self.state = {**kept, "state": "starting"}
        self.started = self.last_beat = time.monotonic()
        self.since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.exitcode is None

    @property
    def dead(self) -> bool:
        """It ended and was not buried yet."""
        return self.process is not None and self.process.exitcode is not None

    @property
    def expected(self) -> bool:
        """It is not running, but will be started again, or waits to be buried."""
        return self.dead or (self.restart_at is not None and not self.given_up)

    @property
    def condition(self) -> str:
        """starting, running, degraded, restarting, stopping or stopped."""
        if not self.alive:
            return "restarting" if self.restart_at is not None and not self.given_up else "stopped"
        if self.stopping:
            return "stopping"
        if len(self.deaths) > 5 and time.monotonic() - self.deaths[-1] < 60:
            return "degraded"
        state: str = self.state.get("state", "starting")
        return state

    def total(self, counter: str) -> int:
        """One of COUNTERS, over all incarnations."""
        return self._carried.get(counter, 0) + int(self.state.get(counter, 0))

    def settled(self, code: int) -> bool:
        """Whether the incarnation that ended with `code` was the last one.

        A setting that cannot work is fatal before the first poll; a failing disk never is: the next one recovers.
        """
        if code == 0:
            self.ended = True
        elif code in (EXIT_USAGE, EXIT_CONFIG) and code == self.state.get("exit_code") and not self.state.get("poll"):
            self.fatal, self.exit_code = self.state.get("fatal", "it did not say why"), code
        return self.ended or self.given_up or self.fatal is not None

    def give_up(self) -> None:
        """Kills it for good."""
        self.given_up = True
        self.kill()

    def depth(self) -> int:
        try:
            return int(self.hints.qsize())
        except (OSError, ValueError, AttributeError):
            return 0

    @property
    def waitables(self) -> list[Any]:
        return [self._health, self.process.sentinel] if self.alive else []

    def listen(self) -> bool:
        """Takes in what the child reported; True when there was something."""
        if self.process is None:
            return False
        try:
            news = health.receive(self._health)
        except (EOFError, OSError):
            return False
        if news is None:
            return False
        self.state = {**self.state, **news}
        self.last_beat = time.monotonic()
        return True

    def say(self, word: str) -> None:
        """Sends a word down the control pipe; dropped when the child is gone or does not read."""
        with contextlib.suppress(OSError, ValueError):
            self._control.send_bytes(word.encode())

    def hint(self, message: Any) -> None:
        """Puts a hint on the child's queue, None to wake it only, without waiting; one that does not fit is counted."""
        try:
            self.hints.put_nowait(message)
        except (queues.Full, ValueError, OSError):
            self.unheard += message is not None

    def kill(self) -> None:
        if self.alive:
            self.process.kill()

    def reap(self) -> int:
        """Throws the dead incarnation's pipes, queue and log away; returns its exit code (negative: signal)."""
        self.process.join()
        code = int(self.process.exitcode)
        self.listen()
        self._carried = {counter: self.total(counter) for counter in COUNTERS}
        self.state = {k: v for k, v in self.state.items() if k not in COUNTERS}
        for pipe in (self._health, self._control):
            pipe.close()
        self.hints.cancel_join_thread()
        self.hints.close()
        self._closing_log = self._log.close()
        self.process.close()
        self.process = None
        return code

    def hear_out(self, wait_s: float) -> None:
        """Waits until what the dead incarnation logged is written, as far as it can still be read."""
        if self._closing_log is not None:
            self._closing_log.join(max(0.0, wait_s))
