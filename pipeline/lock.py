"""State directories and the locks in them. Layer 2; any process of ours.

A lock is a `flock` on a file that stays: it is free the moment its holder is gone, however that went. The file's text
(pid and start time) only serves to name the holder; it never decides anything. Never follows a symbolic link.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from pipeline.errors import AlreadyRunningError, ConfigError, UnfinishedError

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600
_RETRY_S = 0.05
_TO_MEND = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.ENXIO}
"""Why a file stays closed to us until somebody changes something; a lack of room or descriptors passes."""


def state_directory(path: Path) -> Path:
    """`path`, made with mode 0700 when missing. Raises ConfigError for one that is not ours or not writable."""
    try:
        path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        facts = path.stat()
    except OSError as error:
        raise ConfigError(f"state directory {path}: {error.strerror}; choose another with --state-dir") from error
    if facts.st_uid != os.geteuid():
        raise ConfigError(f"state directory {path} belongs to user {facts.st_uid}; choose another with --state-dir")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(f"state directory {path} is not writable; choose another with --state-dir")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        _close_to_others(path, stat.S_IMODE(facts.st_mode))
    return path


def _close_to_others(path: Path, mode: int) -> None:
    """A directory of ours alone gets mode 0700; one with foreign files in it is not ours to close."""
    names = {entry.name for entry in path.iterdir()}
    if not names or "lock" in names or "journal.lock" in names:
        path.chmod(PRIVATE_DIRECTORY)
    elif mode & 0o022:
        raise ConfigError(
            f"state directory {path} is writable by others and not empty; choose another with --state-dir"
        )


def open_private(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int:
    """A descriptor of a file of ours, mode 0600.

    Raises ConfigError for a symbolic link or a file out of reach, OSError for a lack of room, inodes or descriptors.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    except OSError as error:
        if path.is_symlink():
            raise ConfigError(
                f"{path} is a symbolic link; remove it, files of the state directory are plain"
            ) from error
        if error.errno in _TO_MEND:
            raise ConfigError(f"{path} cannot be opened: {error.strerror}") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ConfigError(f"{path} is not a plain file; remove it")
    return descriptor


class FileLock:
    """An exclusive `flock` on `path`, kept until close() or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, wait_s: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> bool:
        """True when the lock is ours, within `wait_s` seconds. Raises as open_private() does."""
        descriptor = open_private(self.path)
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                sleep(_RETRY_S)
        os.ftruncate(descriptor, 0)
        _sign(descriptor)
        self._descriptor = descriptor
        return True

    def holder(self) -> str:
        """`process 123, started 2026-11-26T03:45:00Z`, as the file's text says, or `another process`."""
        try:
            descriptor = open_private(self.path, os.O_RDONLY)
        except (ConfigError, OSError):
            return "another process"
        try:
            words = os.read(descriptor, 200).decode("ascii", "replace").split()
        finally:
            os.close(descriptor)
        if len(words) != 2 or not words[0].isdigit():
            return "another process"
        return f"process {words[0]}, started {words[1]}"

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _sign(descriptor: int) -> None:
    """Writes pid and time. A full disk leaves the lock unsigned, not untaken."""
    text = f"{os.getpid()} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n"
    try:
        os.pwrite(descriptor, text.encode("ascii"), 0)
    except OSError:
        os.ftruncate(descriptor, 0)


class InstanceLock:
    """One instance per state directory: taken when made.

    Raises AlreadyRunningError naming who holds it, UnfinishedError when there is no room for the lock's file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)
        try:
            taken = self._lock.acquire()
        except OSError as error:
            raise UnfinishedError(f"{path} cannot be opened: {error.strerror}; try again when it can") from error
        if not taken:
            raise AlreadyRunningError(f"{path.parent} is in use by {self._lock.holder()}; stop it first")

    def close(self) -> None:
        self._lock.close()

    def __enter__(self) -> InstanceLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
