"""The way from the event loop to the databases: threads that own a connection each. Dashboard process.

The loop never waits in a database call. A call that hangs times out for the asker while its thread stays behind; the
threads are daemons, so a hung database never holds up the end of the process. What one call reads is of one moment. Of
several databases the first one that answers is read, by every thread.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.dburl import DatabaseUrl
from pipeline.errors import PipelineError
from pipeline.reader import Reader

T = TypeVar("T")
LANES: Mapping[str, int] = {"feed": 1, "page": 2}
WAITING_MAX = 64
TIMEOUT_S = 3.0


class Unreachable(Exception):
    """No database answered; the message is one line for the viewer."""


class Busy(Exception):
    """Too many questions wait already."""


@dataclass(slots=True)
class _Job:
    question: Callable[[Reader], Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]


def _open(url: DatabaseUrl) -> Any:
    from pipeline.sinks import open_database

    return open_database(url, readonly=True)


class Gate:
    """Asks a Reader off the loop: `await gate.ask(lambda reader: reader.dates("nifty50"))`."""

    def __init__(
        self,
        urls: Sequence[DatabaseUrl],
        *,
        opener: Callable[[DatabaseUrl], Any] = _open,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._urls = tuple(urls)
        self._opener = opener
        self._timeout_s = timeout_s
        self._chosen = 0
        self._jobs: dict[str, queue.SimpleQueue[_Job]] = {lane: queue.SimpleQueue() for lane in LANES}
        for lane, count in LANES.items():
            for number in range(count):
                threading.Thread(target=self._work, args=(lane,), name=f"database-{lane}-{number}", daemon=True).start()

    @property
    def role(self) -> str:
        """The database that is read, as it may be shown."""
        return self._urls[self._chosen].role

    async def ask(self, question: Callable[[Reader], T], lane: str = "page") -> T:
        """The answer, from a thread of `lane`. Raises Unreachable or Busy."""
        if self._jobs[lane].qsize() >= WAITING_MAX:
            raise Busy(f"{WAITING_MAX} questions wait for the database")
        loop = asyncio.get_running_loop()
        job = _Job(question, loop, loop.create_future())
        self._jobs[lane].put(job)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await job.answer  # type: ignore[no-any-return]
        except TimeoutError:
            raise Unreachable(f"{self.role} did not answer within {self._timeout_s:g} s") from None

    def _work(self, lane: str) -> None:
        connection = _Connection(self)
        while True:
            job = self._jobs[lane].get()
            if job.answer.cancelled():
                continue
            try:
                result: Any = connection.ask(job.question)
                error: Exception | None = None
            except Exception as failure:
                result, error = None, failure
            try:
                job.loop.call_soon_threadsafe(_deliver, job.answer, result, error)
            except RuntimeError:
                return  # the loop has ended, and with it the process


class _Connection:
    """One thread's connection, to the database that was chosen last; made again after any failure."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._database: Any = None
        self._index = -1
        self._file: tuple[int, int] | None = None

    def ask(self, question: Callable[[Reader], T]) -> T:
        if self._database is not None and (self._index != self._gate._chosen or self._file != self._file_now()):
            self._close()
        fresh = self._database is None
        try:
            return self._ask(question)
        except (Unreachable, LookupError):
            raise
        except Exception:
            # An idle connection may have died meanwhile: a server restarted, its wait_timeout passed.
            if fresh:
                raise
            return self._ask(question)

    def _ask(self, question: Callable[[Reader], T]) -> T:
        if self._database is None:
            self._connect()
        answer: T | LookupError
        try:
            self._database.begin_reading()
            try:
                answer = question(Reader(self._database))
            except LookupError as absent:
                answer = absent
            self._database.rollback()
        except Exception:
            self._close()
            raise
        if isinstance(answer, LookupError):
            raise answer
        return answer

    def _connect(self) -> None:
        self._close()
        urls = self._gate._urls
        problems = []
        for index in [*range(self._gate._chosen, len(urls)), *range(self._gate._chosen)]:
            try:
                self._database = self._gate._opener(urls[index])
            except (PipelineError, OSError) as error:
                problems.append(str(error))
                continue
            self._index = self._gate._chosen = index
            self._file = self._file_now()
            return
        raise Unreachable("; ".join(problems))

    def _file_now(self) -> tuple[int, int] | None:
        """Which file an SQLite path names now: one that was replaced would be read for ever through the old one."""
        path = self._gate._urls[self._index].path
        try:
            found = path.stat() if path is not None else None
        except OSError:
            found = None
        return None if found is None else (found.st_dev, found.st_ino)

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            try:
                database.close()
            except Exception:
                return  # it was broken already; a new one is made


def _deliver(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    elif isinstance(error, PipelineError):
        answer.set_exception(Unreachable(str(error)))
    else:
        answer.set_exception(error)
