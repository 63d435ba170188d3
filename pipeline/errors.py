"""The exception tree and the exit codes of the program. Layer 0: imports nothing of ours.

    PipelineError
    ├── UsageError          exit 2    a flag, a file or a value that the user gave
    ├── UnfinishedError     exit 69   nothing was fetched, or a database lacks records after the drain
    ├── AlreadyRunningError exit 75   another instance holds the state directory
    ├── ConfigError         exit 78   settings, rights, schema or password that cannot work
    ├── JournalError                  the journal cannot be written or read
    │   ├── JournalFullError          no room on the disk; try again when there is
    │   └── JournalDamagedError       bytes are not what was written
    └── SinkError                     a database did not take a batch
        ├── SinkUnavailable           send all of it again, later
        ├── SinkRefused               rights, password, database name: alarm, again every 60 s
        ├── SinkSchemaError           tables or columns differ: that stream stops, alarm
        ├── SinkRejected              rows that the database will never take: quarantine them
        └── CursorMoved               the cursor is not where the writer believed: read it again

Every message is one line that names the thing, the value and what to do.
"""

from __future__ import annotations

EXIT_DONE = 0
EXIT_DEGRADED = 1
EXIT_USAGE = 2
EXIT_NOT_RUNNING = 3
EXIT_UNFINISHED = 69
EXIT_OUTPUT = 74
EXIT_ALREADY_RUNNING = 75
EXIT_CONFIG = 78
EXIT_TERMINATED = 143


class PipelineError(Exception):
    """Base of all our errors. `exit_code` is what the command line returns for it."""

    exit_code = 1


class UsageError(PipelineError):
    exit_code = EXIT_USAGE


class UnfinishedError(PipelineError):
    exit_code = EXIT_UNFINISHED


class AlreadyRunningError(PipelineError):
    exit_code = EXIT_ALREADY_RUNNING


class ConfigError(PipelineError):
    exit_code = EXIT_CONFIG


class JournalError(PipelineError):
    exit_code = EXIT_UNFINISHED


class JournalFullError(JournalError):
    pass


class JournalDamagedError(JournalError):
    pass


class SinkError(PipelineError):
    exit_code = EXIT_UNFINISHED


class SinkUnavailable(SinkError):
    """`alarm`: somebody has to help before trying again can work (a full disk, a read-only server)."""

    def __init__(self, message: str, *, alarm: bool = False) -> None:
        super().__init__(message)
        self.alarm = alarm


class SinkRefused(SinkError):
    exit_code = EXIT_CONFIG


class SinkSchemaError(SinkError):
    exit_code = EXIT_CONFIG


class SinkRejected(SinkError):
    """`rows`: indices, within the rows that were sent, of those the database refused (empty: unknown)."""

    def __init__(self, message: str, rows: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.rows = rows


class CursorMoved(SinkError):
    """`seq`: where the cursor stands in the database now."""

    def __init__(self, message: str, seq: int) -> None:
        super().__init__(message)
        self.seq = seq
