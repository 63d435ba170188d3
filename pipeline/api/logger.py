"""AsyncDataLogger: stores breadth and prices from any program, without the program waiting for a database. Layer 4.

Runs in the user's program. A call returns when its record is safe in a journal on the local disk; a process of its own
writes it to the database, now or at the next start. Nothing is dropped: not by a full queue, a database that is down,
a killed writer or a killed program.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any
from zoneinfo import ZoneInfo

import platformdirs

from pipeline.api.child import WriterChild
from pipeline.api.issue import ZONES, StockStatus, stock_status
from pipeline.api.rows import logged_rows, snapshot_record, stock_record
from pipeline.api.seconds import Seconds
from pipeline.api.writer import SLOT_LOCK, STREAM
from pipeline.config import APP, environment, load
from pipeline.dburl import DatabaseUrl
from pipeline.errors import JournalError, PipelineError, UsageError
from pipeline.journal import Journal
from pipeline.lock import FileLock, state_directory
from pipeline.model import Record
from pipeline.symbols import is_indian

HOME = "@api"
"""Directory of the journals beside those of the universes; no universe can have this name."""
KEEP, PRUNE_EVERY_S = timedelta(days=1), 60.0
"""What the database has leaves the journal after a day; often, so that little goes at a time."""
EXIT_TIMEOUT_S = 5.0
_MAX_SLOTS = 1000
_MAX_UNIVERSE = 64
log = logging.getLogger("pipeline.api")


class AsyncDataLogger:
    """`db_url`: `sqlite:///FILE` or `mysql://USER@HOST/DB`; None: the settings (BREADTH_DB, MYSQL_…, `.env`), else a
    SQLite file in the state directory. `queue_size`: only reported; nothing is ever dropped. `universe`: the rows'.
    `timezone`: of `poll_time`; None: India's for symbols that end in .NS or .BO, else New York's.

    Thread-safe. Two programs (or two loggers) may use the same database at once. After os.fork() make another one.
    """

    def __init__(
        self,
        db_url: str | None = None,
        queue_size: int = 1000,
        *,
        universe: str = "api",
        timezone: str | None = None,
        state_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        plain = isinstance(universe, str) and universe and universe.isprintable() and universe == universe.strip()
        if not plain or len(universe) > _MAX_UNIVERSE or "|" in universe:  # keys of records are divided by it
            raise UsageError(
                f"universe {universe!r} must be plain text of 1 to {_MAX_UNIVERSE} characters, without '|' and without "
                "a blank at its ends"
            )
        self._home = Path(state_dir) if state_dir else Path(platformdirs.user_state_dir(APP)) / HOME
        self._url = _database(db_url, self._home)
        self._universe, self._queue_size = universe, queue_size
        self._zone = _zone(timezone) if timezone else None
        self._symbols_zone = ZONES["NSE"]
        self._lock = threading.RLock()
        self._running: _Running | None = None
        self._logged = self._errors = self._left_over = 0

    def start(self) -> None:
        """Opens the journal and starts the writer process; harmless when it is started. Waits for no database."""
        with self._lock:
            if self._running is None:
                self._running = _Running(self._url, _directory(self._home, self._url))
                atexit.register(self.stop, EXIT_TIMEOUT_S)

    def stop(self, timeout: float = 30) -> bool:
        """Waits until everything is in the database, at most `timeout` seconds; True when it is.

        What is left stays in the journal and is written at the next start.
        """
        with self._lock:
            running, self._running = self._running, None
            if running is None or running.pid != os.getpid():
                return True
            atexit.unregister(self.stop)
            drained = running.close(timeout)
            self._left_over, self._errors = running.waiting, self._errors + running.child.errors
        if not drained:
            log.warning(
                "%d records are not in %s yet; they stay in %s and are written at the next start%s",
                *(self._left_over, self._url, running.slot),
                f" ({running.child.message})" if running.child.message else "",
            )
        return drained

    def log_breadth_snapshot(
        self, breadth: Mapping[str, Any], stock_details: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Stores a snapshot (`advances`, `declines`, `unchanged`) and its stocks (`{symbol: {ltp, prev_close, …}}`).

        Raises UsageError when a count is not a whole number, or when there are no such mappings.
        """
        if stock_details is not None and not isinstance(stock_details, Mapping):
            kind = type(stock_details).__name__
            raise UsageError(f"log_breadth_snapshot needs stock_details as {{symbol: {{ltp, …}}}}, not a {kind}")
        now = _now()
        stocks = [stock_status(symbol, info, now) for symbol, info in (stock_details or {}).items()]
        self._append(None, stocks, now, lambda at: snapshot_record(self._universe, at, breadth, stocks))

    def log_stock_update(
        self,
        symbol: str,
        ltp: Any,
        prev_close: Any = None,
        change_pct: Any = None,
        volume: Any = None,
        timestamp: Any = None,
    ) -> None:
        """Stores one stock's price. Raises UsageError when `ltp` is no price: there is nothing to store then."""
        now = _now()
        info = {"ltp": ltp, "prev_close": prev_close, "volume": volume, "timestamp": timestamp}
        stock = stock_status(symbol, info, now)
        if stock.ltp is None:
            raise UsageError(f"{symbol!r} has no usable price: {ltp!r}")
        self._append(stock.symbol, [stock], now, lambda at: stock_record(self._universe, at, stock, change_pct))

    def get_stats(self) -> dict[str, Any]:
        """`queue_size`: journal records not in the database yet. `records_logged`: snapshot and stock rows so far.
        `errors`: of calls and of the writer. `worker_alive`, `queue_maxsize`, `journal`, `database`."""
        running = self._running
        return {
            "queue_size": running.waiting if running else self._left_over,
            "queue_maxsize": self._queue_size,
            "records_logged": self._logged,
            "errors": self._errors + (running.child.errors if running else 0),
            "worker_alive": bool(running and running.child.alive),
            "database": self._url.masked,
            "journal": str(running.slot) if running else None,
        }

    def __enter__(self) -> AsyncDataLogger:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _append(
        self, symbol: str | None, stocks: list[StockStatus], now: datetime, record_at: Callable[[datetime], Record]
    ) -> None:
        """Journals the record under the next free second. Raises PipelineError when it could not be made safe."""
        with self._lock:
            running = self._running
            if running is None or running.pid != os.getpid():
                raise UsageError("the logger is not started in this process: call start(), or use it in a `with` block")
            try:
                at = running.seconds.claim(self._universe, now.astimezone(self._zone_of(stocks)), symbol)
                record = record_at(at)
                running.journal.append(record)
            except PipelineError:
                self._errors += 1
                raise
            self._logged += logged_rows(record)
            running.child.hint()
            running.prune(PRUNE_EVERY_S)

    def _zone_of(self, stocks: list[StockStatus]) -> ZoneInfo:
        """The parameter, else that of most of the symbols, else what it was before."""
        if self._zone is not None:
            return self._zone
        if stocks:
            indian = sum(is_indian(stock.symbol) for stock in stocks)
            self._symbols_zone = ZONES["NSE" if 2 * indian >= len(stocks) else "US"]
        return self._symbols_zone


class _Running:
    """What exists between start and stop: a slot of the database's journals, and its writer."""

    def __init__(self, url: DatabaseUrl, directory: Path) -> None:
        self.pid = os.getpid()
        self.slot, self._slot_lock = _free_slot(directory)
        try:
            self.journal = Journal.open(self.slot, STREAM)
            for finding in self.journal.findings:
                log.warning("%s", finding)
            self._pruned_at = time.monotonic()
            self.seconds = Seconds(directory)
            self.child = WriterChild(url, self.slot, self._begin_again)
            self.child.start()
        except BaseException:
            self._slot_lock.close()
            raise

    @property
    def waiting(self) -> int:
        """Records not in the database: the program's own and those left by earlier ones."""
        identity = self.journal.identity
        stored = self.child.cursor(identity.journal_id)
        own = identity.last_seq - (identity.first_seq - 1 if stored is None else stored)
        return max(0, own) + self.child.left_ahead

    def close(self, timeout: float) -> bool:
        drained = self.child.finish(timeout)
        self.prune(0)
        self.journal.close()
        self._slot_lock.close()
        return drained and self.waiting == 0

    def prune(self, every_s: float) -> None:
        """Removes old records that the database has, unless that was done within `every_s`."""
        stored = self.child.cursor(self.journal.journal_id)
        if not stored or time.monotonic() - self._pruned_at < every_s:
            return
        self._pruned_at = time.monotonic()
        try:
            self.journal.prune(stored, KEEP)
        except JournalError as error:
            log.warning("%s", error)

    def _begin_again(self, message: str) -> None:
        """The database has records that this journal has lost: a new journal, so that no number is used twice."""
        try:
            self.journal.rotate(message)
        except JournalError as error:
            log.warning("%s", error)


def _now() -> datetime:
    return datetime.now().astimezone()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):  # unknown, a path, no text, a directory of the zones
        raise UsageError(f"timezone {name!r} is not a time zone: use a name like Asia/Kolkata") from None


def _database(db_url: str | None, home: Path) -> DatabaseUrl:
    """The URL as the settings would read it: password from MYSQL_PASSWORD, relative files made absolute."""
    flags = {"db": (re.sub(r"^mysql\+\w+://", "mysql://", str(db_url)),)} if db_url is not None else {}
    found = load(flags, environment(), Path.cwd()).settings.db
    return found[0] if found else DatabaseUrl("sqlite", path=home / "breadth.db")


def _directory(home: Path, url: DatabaseUrl) -> Path:
    """Where the journals of a database are: a readable name and a digest of the URL without its password."""
    place = f"{url.dialect}|{url.path}|{url.host}|{url.port}|{url.user}|{url.database}"
    digest = hashlib.blake2b(place.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    name = re.sub(r"[^A-Za-z0-9.-]", "_", url.path.name if url.path else url.database)[:40]
    state_directory(home)
    return state_directory(home / f"{url.dialect}-{name}-{digest}")


def _free_slot(directory: Path) -> tuple[Path, FileLock]:
    """The first journal directory that no living program holds."""
    for number in range(_MAX_SLOTS):
        slot = state_directory(directory / f"{number:03d}")
        lock = FileLock(slot / SLOT_LOCK)
        try:
            free = lock.acquire()
        except OSError as error:
            raise JournalError(f"{slot / SLOT_LOCK} cannot be opened: {error.strerror}") from error
        if free:
            return slot, lock
    raise JournalError(f"{_MAX_SLOTS} programs log into the database of {directory} already; stop some")
