"""What a fault works on: the rig, the seeded chance, and the books of what the pipeline acknowledged."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import JournalError
from pipeline.wire import decode
from tests.harness import Balance, Rig, wait_until

ROOM_MB = 256
PRELOAD = Path("/usr/lib/fiu")
KEPT_ASIDE = 1


@dataclass(frozen=True)
class Acknowledged:
    """What the status said was journaled: a poll of a journal, and that journal's newest number."""

    journal_id: str
    last_seq: int
    poll_time: str | None


@dataclass
class Field:
    """`asides`: journals set aside so far by damage that a fault did on purpose. `torn`: something went wrong here."""

    rig: Rig
    chance: random.Random
    balance: Balance = field(default_factory=Balance)
    asides: int = 0
    fetch_faults: list[tuple[float, float]] = field(default_factory=list)
    torn: bool = False

    def pause(self, longest_s: float) -> None:
        """A random instant within `longest_s` seconds: a fault may come at any."""
        time.sleep(self.chance.uniform(0, longest_s))

    def start(self, *more: str, terminal: bool = False) -> None:
        self.rig.pipeline.start(*more, terminal=terminal)
        self.rig.pipeline.wait_polls(1)

    @contextlib.contextmanager
    def fetch_fault(self) -> Iterator[None]:
        """While it lasts the fetch itself is hurt: its delay is not held against the pipeline."""
        begin = time.time()
        try:
            yield
        finally:
            self.fetch_faults.append((begin, time.time()))

    def acknowledged(self) -> Acknowledged | None:
        status = self.rig.pipeline.status()
        poll, journal = status.get("poll") or {}, status.get("journal") or {}
        if not journal.get("id"):
            return None
        return Acknowledged(journal["id"], journal["last_seq"], poll.get("poll_time") if poll.get("stored") else None)

    def check(self, said: Acknowledged | None) -> None:
        """What was acknowledged before a kill must be in the journal right after it."""
        if said is None:
            return
        reader = self.rig.pipeline.reader()
        try:
            identity = reader.identity()
            if identity.journal_id != said.journal_id:
                return
            if identity.last_seq < said.last_seq:
                missing = said.last_seq - identity.last_seq
                self.balance.note("lost", f"the journal ends at {identity.last_seq}, {said} was acknowledged", missing)
            newest = [decode(entry.payload).key for entry in reader.read(max(0, identity.last_seq - 50))]
            if said.poll_time and not any(said.poll_time in key for key in newest):
                self.balance.note("lost", f"{said} was acknowledged and is not in the journal")
        except JournalError as error:
            self.balance.note("lost", f"the journal cannot be read after a kill: {error}")
        finally:
            reader.close()

    def check_journals(self, damaged: bool = False) -> None:
        """A journal may only be replaced when a fault damaged it."""
        aside = sorted(self.rig.pipeline.state_dir.glob("journal-*.sqlite3"), key=lambda file: file.stat().st_mtime)
        now = len(aside)
        if now > self.asides and not damaged:
            lines = [line for line in self.rig.pipeline.log_text().splitlines() if "is replaced" in line]
            self.balance.note("lost", f"a sound journal was replaced: {lines[-1:]}", now - self.asides)
        for old in aside[:-KEPT_ASIDE]:  # many faults would fill the small disk with them
            for file in old.parent.glob(f"{old.name}*"):
                file.unlink()
        self.asides = min(now, KEPT_ASIDE)

    def kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    @contextlib.contextmanager
    def stopped(self, *pids: int) -> Iterator[None]:
        """SIGSTOP, and SIGCONT at the end."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def failing_calls(self) -> Iterator[None]:
        """Runs that are started meanwhile can be ordered to fail (`order_failure`)."""
        pipeline = self.rig.pipeline
        own = pipeline.environment
        pipeline.environment = own | (failing_disk_environment(pipeline.directory) or {})
        try:
            yield
        finally:
            pipeline.environment = own

    def restarted(self, role: str, pid: int, seconds: float = 60.0) -> int:
        """The pid of the role's next incarnation."""
        return wait_until(
            lambda: (now := self.rig.pipeline.row(role).get("pid")) and now != pid and now, seconds, f"a new {role}"
        )


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int = ROOM_MB) -> Iterator[bool]:
    """A tmpfs at `place` when that is possible (root); whether it was."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "breadth-test", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)


def fill_up(place: Path) -> Path:
    """A file that leaves no free byte on the disk of `place`."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 65536):
            pass
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 512):
            pass
    return ballast


def failing_disk_environment(directory: Path) -> dict[str, str] | None:
    """The environment in which fiu-ctrl can make a process' system calls fail; None when fiu-utils is not here."""
    libraries = [PRELOAD / "fiu_run_preload.so", PRELOAD / "fiu_posix_preload.so"]
    if shutil.which("fiu-ctrl") is None or not all(library.exists() for library in libraries):
        return None
    return {
        "LD_PRELOAD": " ".join(map(str, libraries)),
        "FIU_CTRL_FIFO": str(directory / "fiu"),
        "FIU_ENABLE": "",
    }


def order_failure(environment: dict[str, str], pid: int, point: str, probability: float) -> None:
    """From now on calls named by `point` of process `pid` fail with EIO, each with that probability."""
    order = f"enable_random name={point},probability={probability},failinfo=5"
    command = ["fiu-ctrl", "-f", environment["FIU_CTRL_FIFO"], "-c", order, str(pid)]
    subprocess.run(command, check=True, timeout=10)
