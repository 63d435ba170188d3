"""Logs of all processes in one stream, through multiprocessing-logging. Layer 2.

The supervisor owns the real handler (stderr, or a file that is reopened when it was renamed). Each incarnation of a
child gets a MultiProcessingHandler of its own around it, because a shared log queue is left locked when one of its
users is killed; the child sends through the standard QueueHandler and never waits.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import multiprocessing
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from multiprocessing_logging import MultiProcessingHandler

MAX_MESSAGE_BYTES = 2000
"""Of a message that crosses the queue: with its frame it stays below PIPE_BUF."""
REPEAT_WINDOW_S = 60.0
REPEAT_LIMIT = 5
MAX_DISTINCT = 1000
"""Warnings of one run that are told apart: what a day's mail counts, and a bound of its memory."""


class TextFormatter(logging.Formatter):
    """`2026-11-26T03:50:00.123Z WARNING fetcher: message`, one line a record, control characters made visible."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{_utc(record)} {record.levelname:<7} {record.processName}: {one_line(message_of(record))}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts (UTC), level, process, logger, text."""

    def format(self, record: logging.LogRecord) -> str:
        return msgspec.json.encode(
            {
                "ts": _utc(record),
                "level": record.levelname.lower(),
                "process": record.processName,
                "logger": record.name,
                "text": message_of(record),
            }
        ).decode()


def _utc(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message_of(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info and record.exc_info[0] is not None:
        text += f": {record.exc_info[0].__name__}: {record.exc_info[1]}"
    return text


def one_line(text: str) -> str:
    """`text` without line breaks and terminal control sequences: names and answers are data, not commands."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


class RepeatLimit(logging.Filter):
    """Lets a message through five times a minute, then counts; the next one that passes says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str | None, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if len(self._seen) > 1000:
            self._seen.clear()
        key = (record.processName, message_of(record))
        now = time.monotonic()
        start, count = self._seen.get(key, (now, 0))
        if now - start > REPEAT_WINDOW_S:
            hidden = count - REPEAT_LIMIT
            if hidden > 0:
                record.msg = f"{record.getMessage()} (and {hidden} more of these in the last minute)"
                record.args = None
            start, count = now, 0
        self._seen[key] = (start, count + 1)
        return count < REPEAT_LIMIT


class Warnings(logging.Handler):
    """Keeps the last warnings for the status and the dashboard, cut; whole and each once for the mail at a day's end.

    `distinct`: `warning fetcher: text`, as a set in the order of first appearance.
    """

    def __init__(self, size: int = 50) -> None:
        super().__init__(logging.WARNING)
        self.last: deque[dict[str, Any]] = deque(maxlen=size)
        self.distinct: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        level, text = record.levelname.lower(), one_line(message_of(record))
        self.last.append({"ts": _utc(record), "level": level, "process": record.processName, "text": text[:300]})
        if len(self.distinct) < MAX_DISTINCT:
            self.distinct[f"{level} {record.processName}: {text}"] = None


class _LogFile(logging.handlers.WatchedFileHandler):
    """A log never ends the run: lines that cannot be written are lost, which stderr is told once."""

    _failed = _told = False

    def emit(self, record: logging.LogRecord) -> None:
        self._failed = False
        try:
            super().emit(record)
        except OSError:  # it was moved away, and no new one can be made in its place
            self.handleError(record)
        self._told = self._failed

    def handleError(self, record: logging.LogRecord) -> None:
        self._failed = True
        if not self._told:
            why = getattr(sys.exc_info()[1], "strerror", None) or sys.exc_info()[1]
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"breadth-pipeline: log file {self.baseFilename} cannot be written: {why}\n")
                sys.stderr.flush()


class _Forward(logging.Handler):
    """The face that MultiProcessingHandler needs: hands a child's record to the root logger's handlers."""

    def emit(self, record: logging.LogRecord) -> None:
        for handler in logging.getLogger().handlers:
            if record.levelno >= handler.level:
                handler.handle(record)


class ChildLog:
    """The supervisor's end of one child incarnation's log."""

    def __init__(self, role: str) -> None:
        self._handler = MultiProcessingHandler(f"log-{role}", sub_handler=_Forward())

    @property
    def queue(self) -> Any:
        return self._handler.queue

    def close(self) -> threading.Thread:
        """Closes in the background: after a kill it can take five seconds."""
        thread = threading.Thread(target=self._handler.close, name="log-close", daemon=True)
        thread.start()
        return thread


class _ShortQueueHandler(logging.handlers.QueueHandler):
    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        text = message_of(record).encode("utf-8", "replace")[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore")
        record.msg, record.args, record.exc_info, record.exc_text, record.stack_info = text, None, None, None, None
        return record


def configure_child(role: str, queue: Any, level: str) -> None:
    """In a child: everything that is logged goes to the supervisor, under the child's role."""
    multiprocessing.current_process().name = role
    root = logging.getLogger()
    root.handlers[:] = [_ShortQueueHandler(queue)]
    _levels(root, level)


def configure(level: str, form: str, file: Path | None, *, quiet: bool = False) -> Warnings:
    """In the supervisor: the real handler, and the keeper of the last warnings (returned)."""
    handler: logging.Handler
    handler = _LogFile(file, encoding="utf-8") if file is not None else logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(RepeatLimit())
    if quiet and file is None:
        handler.setLevel(logging.ERROR)
    warnings = Warnings()
    root = logging.getLogger()
    root.handlers[:] = [handler, warnings]
    multiprocessing.current_process().name = "supervisor"
    _levels(root, level)
    return warnings


def _levels(root: logging.Logger, level: str) -> None:
    root.setLevel(level.upper())
    for chatty in ("yfinance", "peewee", "urllib3", "mysql.connector", "exchange_calendars", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(max(root.level, logging.WARNING))
