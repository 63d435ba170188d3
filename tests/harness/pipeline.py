"""`breadth-pipeline run` as a process that tests start, watch, hurt and end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil

from pipeline import status
from pipeline.errors import JournalError
from pipeline.journal import NAME as JOURNAL
from pipeline.journal import JournalReader

ROOT = Path(__file__).resolve().parents[2]
STEP_S = 0.01
_Found = TypeVar("_Found")


class Overdue(AssertionError):
    """What was waited for did not come in time."""


def wait_until(found: Callable[[], _Found], seconds: float = 30.0, what: str = "") -> _Found:
    """The first true answer of `found`. Raises Overdue, naming `what`, when none comes in `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Overdue(f"{what or found} did not come about in {seconds:g} s")
        time.sleep(STEP_S)


def clean_environment(more: Mapping[str, str] | None = None, package: Path = ROOT) -> dict[str, str]:
    """The environment of a run: nothing of the tester's own settings; `package`: where `pipeline` is imported from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BREADTH_", "MYSQL_", "PYTEST_"))}
    return kept | {"PYTHONPATH": str(package), "PYTHONUNBUFFERED": "1"} | dict(more or {})


class Pipeline:
    """One state directory and the runs on it, one after the other. `arguments`: those of `run`, without --state-dir."""

    def __init__(
        self,
        directory: Path,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        package: Path = ROOT,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.state_dir = directory / "state"
        self.arguments = list(arguments)
        self.environment = clean_environment(environment, package)
        self.process: subprocess.Popen[bytes] | None = None
        self.longest_orphan_s = 0.0
        self._terminal: int | None = None

    @property
    def log_file(self) -> Path:
        return self.directory / "output.log"

    def command(self, *more: str) -> list[str]:
        dies = [setpriv, "--pdeathsig", "KILL"] if (setpriv := shutil.which("setpriv")) else []
        run = [sys.executable, "-m", "pipeline", "run", "--state-dir", str(self.state_dir)]
        return [*dies, *run, *self.arguments, *more]

    def start(self, *more: str, terminal: bool = False) -> None:
        """Starts a run in a session of its own; with `terminal` on a terminal of its own (see `hang_up`)."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        output = self.log_file.open("ab")
        options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "start_new_session": True}
        slave = None
        if terminal:
            self._terminal, slave = pty.openpty()

            def take_terminal() -> None:
                os.setsid()
                signal.signal(signal.SIGHUP, signal.SIG_DFL)  # else under nohup the run would outlive its terminal
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

            options = {"stdin": slave, "stdout": slave, "preexec_fn": take_terminal}
        self.process = subprocess.Popen(
            self.command(*more), stderr=output, env=self.environment, cwd=self.directory, **options
        )
        output.close()
        if slave is not None:
            os.close(slave)

    def hang_up(self) -> None:
        """The terminal is closed."""
        assert self._terminal is not None
        os.close(self._terminal)
        self._terminal = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """To the supervisor alone."""
        os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait_exit(self, seconds: float = 40.0) -> int:
        """The exit code; the children must be gone with it."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Overdue(f"the pipeline did not end in {seconds:g} s:\n{self.log_tail()}") from None

    def stop(self, seconds: float = 40.0) -> int:
        self.signal(signal.SIGTERM)
        return self.wait_exit(seconds)

    def children(self) -> list[psutil.Process]:
        """All processes below the supervisor, helpers of multiprocessing included."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def kill_supervisor(self) -> float:
        """SIGKILL to the supervisor; the seconds until the last of its children was gone."""
        children = self.children()
        self.signal(signal.SIGKILL)
        begin = time.monotonic()
        self.wait_exit()
        wait_until(lambda: not any(_lives(child) for child in children), 20, "the end of the orphans")
        orphan_s = time.monotonic() - begin
        self.longest_orphan_s = max(self.longest_orphan_s, orphan_s)
        return orphan_s

    def kill_all(self) -> None:
        """SIGKILL to the whole group; returns when all are gone."""
        if self.process is None:
            return
        children = self.children()
        self.signal_group(signal.SIGCONT)
        self.signal_group(signal.SIGKILL)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.wait()
        wait_until(lambda: not any(_lives(child) for child in children), 20, "the end of all processes")

    def close(self) -> None:
        self.kill_all()
        if self._terminal is not None:
            self.hang_up()

    def status(self) -> dict[str, Any]:
        """The newest status, {} when there is none of this run."""
        found = status.read(self.state_dir)
        return found if found is not None and found.get("pid") == self.pid else {}

    def row(self, role: str) -> dict[str, Any]:
        """The status' line of a process; {} when there is none (yet). A role may be cut: `writer:sqlite`."""
        return next((row for row in self.status().get("processes", ()) if row["role"].startswith(role)), {})

    def database(self, role: str) -> dict[str, Any]:
        return next((row for row in self.status().get("databases", ()) if row["role"].startswith(role)), {})

    def pid_of(self, role: str, seconds: float = 60.0) -> int:
        """The pid of a role that runs; waits for it."""

        def found() -> int:
            row = self.row(role)
            pid = row.get("pid") or 0
            alive = pid and self._owns(pid) and row["state"] in ("running", "degraded", "starting")
            return pid if alive else 0

        return wait_until(found, seconds, f"a running {role}")

    def _owns(self, pid: int) -> bool:
        """Whether it is our child: numbers of processes are used again."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            return bool(process.ppid() == self.pid and process.status() != psutil.STATUS_ZOMBIE)
        return False

    def wait_status(self, test: Callable[[dict[str, Any]], Any], what: str, seconds: float = 60.0) -> Any:
        return wait_until(lambda: (found := self.status()) and test(found), seconds, what)

    def reader(self) -> JournalReader:
        return JournalReader(self.state_dir)

    def last_seq(self) -> int:
        """The journal's newest number; 0 when it cannot be read just now."""
        reader = self.reader()
        try:
            return reader.identity().last_seq if reader.path.exists() else 0
        except JournalError:
            return 0
        finally:
            reader.close()

    def taken_at(self) -> list[datetime]:
        """When each record of the journal was appended, in order."""
        with closing(sqlite3.connect(self.state_dir / JOURNAL)) as connection:
            found = connection.execute("SELECT taken_at FROM record ORDER BY seq")
            return [datetime.fromisoformat(text) for (text,) in found]

    def wait_polls(self, number: int = 2, seconds: float = 60.0) -> None:
        """Until the journal grew by `number` records."""
        before = self.last_seq()

        def grown() -> bool:
            assert self.running, (
                f"the pipeline ended with {self.process and self.process.returncode}:\n{self.log_tail()}"
            )
            return self.last_seq() >= before + number

        try:
            wait_until(grown, seconds, f"{number} more polls in the journal")
        except Overdue as error:
            raise Overdue(f"{error}\n{self.picture()}") from None

    def wait_stored(self, seconds: float = 60.0, *roles: str) -> int:
        """Until every database (or those of `roles`) has what the journal has now; that number."""
        goal = self.last_seq()

        def stored() -> bool:
            rows = [row for row in self.status().get("databases", ()) if not roles or row["role"].startswith(roles)]
            return bool(rows) and all((row["cursor"] or 0) >= goal for row in rows)

        wait_until(stored, seconds, f"record {goal} in {' and '.join(roles) or 'every database'}")
        return goal

    def picture(self) -> str:
        """What every process is doing, for the message of a failure."""
        lines = []
        for process in [psutil.Process(self.pid), *self.children()] if self.running else []:
            with contextlib.suppress(psutil.Error, OSError):
                where = Path(f"/proc/{process.pid}/wchan").read_text(encoding="ascii")
                threads = process.num_threads()
                lines.append(f"{process.pid} {process.status()} in {where}, {threads} threads: {process.cmdline()[:4]}")
        rows = [f"{row['role']} {row['pid']} {row['state']}" for row in self.status().get("processes", ())]
        return "\n".join([*lines, *rows])

    def log_text(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def log_tail(self) -> str:
        return self.log_text()[-3000:]


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
