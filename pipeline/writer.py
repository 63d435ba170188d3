"""The writer process: one per database. Drains the journal into it and retries; owns no data. Layer 3.

Retry lives here alone. A lost connection is tried again with full jitter for ever; a database that refuses (password,
rights, schema) every 60 s. Nothing that happens here can reach the fetcher.
"""

from __future__ import annotations

import logging
import queue as queues
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import schema
from pipeline.dburl import DatabaseUrl
from pipeline.drain import Drain, JournalBehind
from pipeline.errors import CursorMoved, JournalDamagedError, JournalError, SinkError, SinkRefused, SinkSchemaError
from pipeline.health import Reporter
from pipeline.journal import JournalReader
from pipeline.process import Ends
from pipeline.sinks import open_sink

IDLE_S = 0.5
"""Without a hint the journal is looked at this often: a lost hint costs this much and no data."""
REFUSED_S = 60.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.25, 30.0
FINISHING_RETRY_S = 1.0
STEP_BUDGET_S = 120.0
"""Longest silence of one step: connecting, statements and COMMIT each end by their own timeouts."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What a writer needs; pickled into the child, never in its arguments."""

    url: DatabaseUrl
    state_dir: Path
    create: bool


class Backoff:
    """Full jitter, doubling from 0.25 s to 30 s; reset by a committed batch."""

    def __init__(self, random_source: random.Random) -> None:
        self._random = random_source
        self._ceiling = FIRST_RETRY_S

    def reset(self) -> None:
        self._ceiling = FIRST_RETRY_S

    def next_s(self) -> float:
        wait_s = self._random.uniform(0, self._ceiling)
        self._ceiling = min(2 * self._ceiling, LONGEST_RETRY_S)
        return wait_s


def run(plan: WritePlan, ends: Ends, reporter: Reporter) -> None:
    """Drains until told to finish and nothing is left. The target of a writer child."""
    Writer(plan, ends, reporter).run()


class Writer:
    def __init__(self, plan: WritePlan, ends: Ends, reporter: Reporter) -> None:
        self._plan, self._ends, self._reporter = plan, ends, reporter
        self._drain = Drain(JournalReader(plan.state_dir), open_sink(plan.url))
        self._backoff = Backoff(random.Random())
        self._ready = False
        self._finishing = False
        self._goal: tuple[str, int] | None = None
        self._errors = self._retries = 0
        self._arrived: dict[int, float] = {}
        self._lag_s: float | None = None
        self._seen_dead = 0
        self._trouble = ""
        self._trouble_began = 0.0

    def run(self) -> None:
        while True:
            self._reporter.allow(STEP_BUDGET_S)
            wait_s = 0.0
            finishing = self._listen()  # before the look at the journal, which then sees all that was taken before
            try:
                moved = self._step()
            except (SinkError, JournalError) as error:
                moved, wait_s = 0, self._failed(error)
                if finishing and isinstance(error, SinkRefused | SinkSchemaError):
                    raise  # nobody will mend it within the drain
            if finishing and moved == 0 and not wait_s:
                break
            if moved == 0:
                self._wait(wait_s)
        self._drain.close()

    def _step(self) -> int:
        if not self._ready:
            schema.ensure(self._plan.url, create=self._plan.create)
            self._ready = True
        moved = self._drain.step(last=self._finishing)
        if self._finishing and not moved:
            self._check_goal()
        self._backoff.reset()
        self._measure_lag()
        dead = self._drain.totals.dead_letters
        if dead > self._seen_dead:
            log.error(
                "%d rows were refused by %s and kept in pipeline_dead_letter: see breadth-pipeline dead-letter list",
                dead - self._seen_dead,
                self._ends.role,
            )
            self._seen_dead = dead
        self._recovered()
        self._report("ok", "")
        return moved

    def _check_goal(self) -> None:
        """Raises JournalError while the journal, as this process sees it, lacks what the fetcher said is in it."""
        identity = self._drain.identity
        if self._goal is None or (identity is not None and identity.journal_id != self._goal[0]):
            return
        last_seq = identity.last_seq if identity is not None else 0
        if last_seq < self._goal[1]:
            raise JournalError(
                f"journal {self._goal[0]} ends at record {last_seq} here, {self._goal[1]} were taken: its files were "
                "deleted or replaced"
            )

    def _failed(self, error: SinkError | JournalError) -> float:
        """Says what went wrong, once in a while, and how long to wait before the next try."""
        self._drain.reset()
        if isinstance(error, CursorMoved):
            log.warning("%s", error)
            return 0.01
        self._ready = False  # what answers next may be another file, or a database that was made anew
        self._errors += 1
        if isinstance(error, JournalBehind | JournalDamagedError):
            self._say(logging.ERROR, str(error), "a new journal begins with what can be read")
            self._report("journal-behind", str(error))
            return 1.0
        if isinstance(error, SinkRefused | SinkSchemaError):
            state = "schema" if isinstance(error, SinkSchemaError) else "refused"
            self._say(logging.ERROR, str(error), f"polls are journaled, tried again every {REFUSED_S:.0f} s")
            self._report(state, str(error))
            return REFUSED_S
        self._retries += 1
        level = logging.ERROR if getattr(error, "alarm", False) else logging.WARNING
        self._say(level, str(error), "polls are journaled, tried again until it works")
        self._report("retrying", str(error))
        return self._backoff.next_s()

    def _say(self, level: int, trouble: str, remedy: str) -> None:
        """Each trouble once, not each try."""
        if not self._trouble:
            self._trouble_began = time.monotonic()
        if trouble != self._trouble:
            log.log(level, "%s; %s", trouble, remedy)
            self._trouble = trouble

    def _recovered(self) -> None:
        if self._trouble:
            lasted_s = time.monotonic() - self._trouble_began
            log.warning("takes records again after %.0f s; %d wait in the journal", lasted_s, self._drain.behind)
            self._trouble = ""

    def _report(self, state: str, message: str) -> None:
        drain = self._drain
        self._reporter.report(
            state="running",
            database=state,
            message=message[:500],
            journal_id=drain.journal_id,
            cursor=drain.cursor.seq if drain.cursor else None,
            ahead=drain.behind,
            records_written=drain.totals.records,
            rows_written=drain.totals.rows,
            dead_letters=drain.totals.dead_letters,
            superseded=drain.totals.superseded,
            errors=self._errors,
            retries=self._retries,
            lag_s=self._lag_s,
        )

    def _measure_lag(self) -> None:
        """From the quotes' arrival to the commit here, for records whose hint arrived."""
        cursor = self._drain.cursor
        if cursor is None:
            return
        done = [seq for seq in self._arrived if seq <= cursor.seq]
        for seq in sorted(done):
            self._lag_s = round(max(0.0, time.time() - self._arrived.pop(seq)), 4)

    def _listen(self) -> bool:
        """Whether it is time to finish; the word may say which journal was written last, and up to which record."""
        while self._ends.control.poll():
            word, *goal = self._ends.control.recv_bytes().decode().split()
            if word == "finish":
                self._finishing = True
                self._goal = (goal[0], int(goal[1])) if goal else None
        return self._finishing

    def _wait(self, wait_s: float) -> None:
        """Until a hint comes or it is time to look again; a back-off is not cut short by hints."""
        if wait_s:
            self._reporter.allow(wait_s + STEP_BUDGET_S)
            if self._finishing:
                time.sleep(min(wait_s, FINISHING_RETRY_S))  # the word to finish is said again and again
            else:
                self._ends.control.poll(wait_s)
            return
        self._take_hint(IDLE_S)
        while self._take_hint(0):
            pass

    def _take_hint(self, timeout: float) -> bool:
        try:
            hint: Any = self._ends.hints.get(timeout=timeout) if timeout else self._ends.hints.get_nowait()
        except queues.Empty:
            return False
        if isinstance(hint, tuple) and len(self._arrived) < 10_000:
            self._arrived[hint[0]] = hint[1]
        return True
