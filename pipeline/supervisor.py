"""The supervisor: spawns fetcher, writers and page, keeps them alive, relays hints, reports, drains. Layer 4.

The main process of `breadth-pipeline run`. It never touches a quote or a database, and nothing it does or fails to do
can lose a record: the journal has them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue as queues
import signal
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from types import FrameType
from typing import Any

from pipeline import report, status
from pipeline.clock import Clock
from pipeline.config import Settings
from pipeline.errors import EXIT_CONFIG, EXIT_DONE, EXIT_TERMINATED, EXIT_UNFINISHED, JournalError
from pipeline.fleet import Fleet
from pipeline.journal import JournalReader
from pipeline.logs import Warnings
from pipeline.process import Child

TICK_S, PAGE_END_S = 0.1, 2.5
STATUS_S, HISTORY_S, PRUNE_S = 1.0, 5.0, 600.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
REFUSING = ("refused", "schema")
log = logging.getLogger(__name__)


class Supervisor:
    """One run. `observer` gets every status (progress on a terminal)."""

    def __init__(
        self,
        settings: Settings,
        fleet: Fleet,
        warnings: Warnings,
        clock: Clock,
        observer: Callable[[dict[str, Any]], None],
    ) -> None:
        self._settings, self._fleet, self._warnings = settings, fleet, warnings
        self._clock, self._observer = clock, observer
        self._meter = report.Meter()
        self._phase = "running"
        self._signals = 0
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_w, False)
        self._told = -1
        self._low_disk = False
        self._begin = report.utc_now()
        self._next = dict.fromkeys(("status", "history", "prune"), 0.0)
        self.status: dict[str, Any] = {}
        self.message = ""

    def run(self, leave: Callable[[], bool] | None = None) -> int:
        """The main loop; returns the exit code. With `leave` the page stays up after the drain until it says so."""
        self._install_signals()
        self._fleet.start()
        try:
            while (code := self._ending()) is None:
                self._turn()
            code = self._drain(code)
            self._phase = "stopped"
            self._report(self._phase)
            while leave is not None and not self._signals and not leave():
                self._turn()
            if self._fleet.dashboard and code != EXIT_TERMINATED:  # its viewers get the last poll, and a goodbye
                self._stop([self._fleet.dashboard], "stop", time.monotonic() + PAGE_END_S)
        finally:
            self._fleet.kill()
            self._report("stopped")
            for number in SIGNALS:  # else Python's own end brings the default back: a late one would take the exit code
                signal.signal(number, signal.SIG_IGN)
        return code

    def _turn(self) -> None:
        """One turn: sleep until something happens, take it in, pass hints on, mend what broke, say how it goes."""
        ready = wait([self._wake_r, *self._fleet.waitables()], TICK_S)
        if self._wake_r in ready:
            os.read(self._wake_r, 64)
        news = self._fleet.listen()
        self._relay()
        self._fleet.mend()
        self._serve()
        self._report(self._phase, news=news)

    def _ending(self) -> int | None:
        """The exit code to drain with, when the run is over; None while it goes on."""
        fetcher = self._fleet.fetcher
        if self._signals:
            return EXIT_DONE
        if fetcher.ended:
            self.message = fetcher.state.get("closed", "")
            return EXIT_DONE
        if fetcher.fatal is not None:
            self.message = fetcher.fatal
            return fetcher.exit_code
        if self._settings.cron and fetcher.state.get("phase") in (None, "closed"):
            return None  # a closed market is no news for a mail, whatever the databases say
        refusals = [self._refusal(writer) for writer in self._fleet.writers]
        if all(refusals) and not self._polled():
            self.message = "; ".join(dict.fromkeys(refusals))
            return EXIT_CONFIG
        return None

    @staticmethod
    def _refusal(writer: Child) -> str:
        """Why the writer's database will not take anything until somebody changes something; empty while it may."""
        if writer.fatal is not None:
            return writer.fatal
        return str(writer.state.get("message")) if writer.state.get("database") in REFUSING else ""

    def _polled(self) -> bool:
        return bool(self._fleet.fetcher.state.get("poll"))

    def _serve(self) -> None:
        """Words for the fetcher: go, rotate, prune."""
        fetcher, writers = self._fleet.fetcher, self._fleet.writers
        states = [writer.state.get("database") for writer in writers]
        if self._told != fetcher.restarts and (any(s in ("ok", "retrying") for s in states) or self._polled()):
            self._told = fetcher.restarts
            fetcher.say("go")
        for writer in writers:
            if writer.state.get("database") == "journal-behind" and writer.state.get("journal_id"):
                fetcher.say(f"rotate {writer.state['journal_id']}")
        journal = fetcher.state.get("journal") or {}
        stored = [w.state.get("cursor") for w in writers if w.state.get("journal_id") == journal.get("id")]
        cursors = [cursor for cursor in stored if cursor is not None]
        if len(cursors) == len(writers) and self._due("prune", PRUNE_S):
            fetcher.say(f"prune {journal['id']} {min(cursors)}")

    def _relay(self) -> None:
        """Hints from the fetcher's queue to one queue a writer; what does not fit is dropped, the journal has it."""
        while True:
            try:
                hint = self._fleet.fetcher.hints.get_nowait()
            except (queues.Empty, OSError, ValueError, AttributeError):
                return
            for writer in self._fleet.writers:
                writer.hint(hint)

    def _drain(self, code: int) -> int:
        """Stops upstream first, then lets the writers finish; what the deadline leaves is in the journal."""
        self._phase = "draining"
        deadline = time.monotonic() + self._settings.drain_s
        half = time.monotonic() + self._settings.drain_s / 2
        if not self._stop([self._fleet.fetcher], "stop", half):
            return EXIT_TERMINATED
        self._relay()
        fetcher = self._fleet.fetcher
        journal = fetcher.state.get("journal") or {}
        goal = f" {journal['id']} {journal['last_seq']}" if journal else ""
        if not self._stop(self._fleet.writers, f"finish{goal}", deadline):
            return EXIT_TERMINATED
        left = ", ".join(writer.role for writer in self._fleet.writers if not writer.ended)
        last_seq = journal["last_seq"] if journal else self._last_seq()
        if left and last_seq != 0:
            log.error("not every record is in %s yet, or it does not answer: the next start writes them", left)
            return code or EXIT_UNFINISHED
        if fetcher.state.get("unstored"):
            self.message = "polls could not be journaled for want of room on the disk and are lost"
            return code or EXIT_UNFINISHED
        if code == EXIT_DONE and fetcher.deaths and not fetcher.ended and not self._polled():
            self.message = "nothing was fetched: the fetcher ended again and again before its first poll"
            return EXIT_UNFINISHED
        polls = fetcher.state.get("polls") or {}
        if code == EXIT_DONE and polls.get("failed") and not (polls.get("taken") or polls.get("partial")):
            self.message = "nothing was fetched: every poll failed"
            return EXIT_UNFINISHED
        return code

    def _stop(self, children: list[Child], word: str, deadline: float) -> bool:
        """Says `word` until the children ended or the deadline came; False on a second signal."""
        signals = self._signals
        while time.monotonic() < deadline:
            running = [child for child in children if child.alive or child.expected]
            if not running:
                return True
            for child in running:
                child.stopping = True
                child.say(word)
                if child in self._fleet.writers and not child.depth():
                    child.hint(None)  # wakes one that waits for a hint
            self._turn()
            if self._signals > max(signals, 1):
                return False
        for child in children:
            if child.alive and not child.ended:
                log.warning("%s did not end by the deadline and is killed", child.role)
                child.give_up()
        return True

    def _last_seq(self) -> int | None:
        reader = JournalReader(self._settings.state_dir)
        try:
            return reader.identity().last_seq if reader.path.exists() else 0
        except JournalError:
            return None

    def _due(self, name: str, period_s: float) -> bool:
        now = time.monotonic()
        if now < self._next[name]:
            return False
        self._next[name] = now + period_s
        return True

    def _report(self, phase: str, *, news: bool = False) -> None:
        """Status file, history line, progress, and the warning before the disk is full."""
        if not (self._due("status", STATUS_S) or (news and self._fresh_poll()) or phase == "stopped"):
            return
        self.status = self._status(phase)
        self._watch_disk()
        with contextlib.suppress(OSError):  # a full disk: the journal says so itself
            status.write(self._settings.state_dir, self.status)
            if self._due("history", HISTORY_S):
                now = self._clock.now()
                status.append_history(self._settings.state_dir, now, report.history_sample(self.status))
                status.prune_history(self._settings.state_dir, now)
        self._observer(self.status)

    def _fresh_poll(self) -> bool:
        shown = (self.status.get("poll") or {}).get("poll_time")
        return bool((self._fleet.fetcher.state.get("poll") or {}).get("poll_time") != shown)

    def _watch_disk(self) -> None:
        free = self.status["journal"].get("free_bytes")
        low = free is not None and free < self._settings.min_free_mb * 1_000_000
        if low and not self._low_disk:
            log.error(
                "only %d MB are free in %s (limit %d): journaling stops when it is full",
                free // 1_000_000,
                self._settings.state_dir,
                self._settings.min_free_mb,
            )
        self._low_disk = low

    def _status(self, phase: str) -> dict[str, Any]:
        fetcher = self._fleet.fetcher.state
        journal = fetcher.get("journal") or {}
        processes = [
            report.process_row(self._meter, "supervisor", os.getpid(), "running", time.monotonic(), self._begin, 0)
        ]
        processes += [
            report.process_row(self._meter, c.role, c.pid, c.condition, c.last_beat, c.since, max(0, c.restarts))
            for c in self._fleet.children
        ]
        databases = [
            report.database_row(writer, str(url), journal)
            for writer, url in zip(self._fleet.writers, self._settings.db, strict=True)
        ]
        poll = dict(fetcher.get("poll") or {})
        if poll:
            poll |= {"sectors": fetcher.get("sectors"), "next_poll": fetcher.get("next_poll")}
        page = self._fleet.dashboard
        return {
            "version": report.VERSION,
            "state": report.overall(phase, processes, databases, fetcher.get("unstored", 0)),
            "pid": os.getpid(),
            "started_at": self._begin,
            "updated_at": report.utc_now(),
            "universe": fetcher.get("universe") or self._fleet.stream,
            "stream": self._fleet.stream,
            "source": fetcher.get("source") or self._settings.source,
            "interval_s": fetcher.get("interval_s"),
            "state_dir": str(self._settings.state_dir),
            "dashboard": page.state.get("address") if page else None,
            "market": report.market_part(fetcher),
            "poll": poll or None,
            "next_poll": fetcher.get("next_poll"),
            "polls": fetcher.get("polls"),
            "unstored": fetcher.get("unstored", 0),
            "journal": journal,
            "queue": {"depth": self._fleet.queue_depth(), "dropped": self._fleet.dropped_hints()},
            "processes": processes,
            "databases": databases,
            "warnings": list(self._warnings.last),
        }

    def _install_signals(self) -> None:
        def note(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGHUP and self._signals:
                return  # a closed terminal may say so twice: the shell, and the kernel at the shell's end
            self._signals += 1
            with contextlib.suppress(BlockingIOError):
                os.write(self._wake_w, b"!")

        hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        resource_tracker.ensure_running()  # while it inherits that: it must outlive the terminal to clean up
        for number in SIGNALS:
            if number != signal.SIGHUP or hang_up != signal.SIG_IGN:  # nohup: it shall go on without a terminal
                signal.signal(number, note)
