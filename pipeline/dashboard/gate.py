"""The way from the event loop to the databases: threads that own a connection each. Dashboard process.

The loop never waits in a database call. A call that hangs times out for the asker while its thread stays behind, but an
answer that is long to read or to prepare is waited for; the threads are daemons, so a hung database never holds up the
end of the process. What one call reads is of one moment. Of several databases the first one that answers is read, by
every thread.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.dburl import DatabaseUrl
from pipeline.errors import PipelineError
from pipeline.reader import Reader

T = TypeVar("T")
LANES: Mapping[str, int] = {"feed": 1, "page": 2}
PATIENCE_S: Mapping[str, float] = {"feed": 10.0, "page": 30.0}
"""For a whole question. The feed's heartbeat waits with it, and viewers miss that after 25 s."""
WAITING_MAX = 64
TIMEOUT_S = 3.0
"""For the database to connect or to answer one query."""
LOOK_S = 0.1


class Unreachable(Exception):
    """No database answered; the message is one line for the viewer."""


class Busy(Exception):
    """Too many questions wait already, or this one is too long."""


@dataclass(slots=True)
class _Job:
    question: Callable[[Reader], Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    connection: _Connection | None = None
    """Which works at it, once one does."""


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
        self._connections = {lane: [_Connection(self) for _ in range(count)] for lane, count in LANES.items()}
        for lane, connections in self._connections.items():
            for number, connection in enumerate(connections):
                name = f"database-{lane}-{number}"
                threading.Thread(target=self._work, args=(lane, connection), name=name, daemon=True).start()

    @property
    def role(self) -> str:
        """The database that is read, as it may be shown."""
        return self._urls[self._chosen].role

    async def ask(self, question: Callable[[Reader], T], lane: str = "page") -> T:
        """The answer, from a thread of `lane`. Raises Unreachable or Busy."""
        if all(connection.silent_s() >= self._timeout_s for connection in self._connections[lane]):
            raise self._unreachable()  # or what nobody waits for any more would fill the lane
        if self._jobs[lane].qsize() >= WAITING_MAX:
            raise Busy(f"{WAITING_MAX} questions wait for the database")
        loop = asyncio.get_running_loop()
        job = _Job(question, loop, loop.create_future())
        self._jobs[lane].put(job)
        until = loop.time() + PATIENCE_S[lane]
        try:
            while loop.time() < until:
                await asyncio.wait([job.answer], timeout=LOOK_S)
                if job.answer.done():
                    return job.answer.result()  # type: ignore[no-any-return]
                asked = [job.connection] if job.connection else self._connections[lane]
                if all(connection.silent_s() >= self._timeout_s for connection in asked):
                    raise self._unreachable()
            raise Busy(f"the answer was not ready within {PATIENCE_S[lane]:g} s")
        finally:
            job.answer.cancel()

    def _unreachable(self) -> Unreachable:
        return Unreachable(f"{self.role} did not answer within {self._timeout_s:g} s")

    def _work(self, lane: str, connection: _Connection) -> None:
        while True:
            job = self._jobs[lane].get()
            if job.answer.cancelled():
                continue
            job.connection = connection
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
        self._waits_since: float | None = None

    def silent_s(self) -> float:
        """How long the database has owed this thread an answer."""
        since = self._waits_since
        return 0.0 if since is None else time.monotonic() - since

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a Reader asks."""
        with self._waiting():
            return self._database.query(sql, params)  # type: ignore[no-any-return]

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self._waits_since = time.monotonic()
        try:
            yield
        finally:
            self._waits_since = None

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
            with self._waiting():
                self._connect()
        answer: T | LookupError
        try:
            with self._waiting():
                self._database.begin_reading()
            try:
                answer = question(Reader(self))
            except LookupError as absent:
                answer = absent
            with self._waiting():
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
