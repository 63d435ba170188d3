"""Faults of the journal's files: torn, flipped, deleted, copied. The pipeline is down while they happen."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.journal import NAME
from tests.torture.field import Field

PAGE = 4096
Hurt = Callable[[Field, Path, Path], None]
"""(field, journal, its write-ahead log)"""


def cut_log(it: Field, journal: Path, log: Path) -> None:
    size = log.stat().st_size if log.exists() else 0
    if size:
        with log.open("r+b") as file:
            file.truncate(it.chance.randrange(max(0, size - 8 * PAGE), size))


def flip_log(it: Field, journal: Path, log: Path) -> None:
    _flip(it, log)


def flip_file(it: Field, journal: Path, log: Path) -> None:
    _flip(it, journal)


def cut_file(it: Field, journal: Path, log: Path) -> None:
    size = journal.stat().st_size
    with journal.open("r+b") as file:
        file.truncate(it.chance.randrange(size // 2, size))


def delete_log(it: Field, journal: Path, log: Path) -> None:
    log.unlink(missing_ok=True)
    log.with_name(f"{NAME}-shm").unlink(missing_ok=True)


def delete_log_and_mark(it: Field, journal: Path, log: Path) -> None:
    delete_log(it, journal, log)
    journal.with_name("journal.mark").unlink(missing_ok=True)


def _flip(it: Field, path: Path) -> None:
    size = path.stat().st_size if path.exists() else 0
    if not size:
        return
    with path.open("r+b") as file:
        for _ in range(it.chance.randint(1, 20)):
            place = it.chance.randrange(size)
            file.seek(place)
            byte = file.read(1)
            file.seek(place)
            file.write(bytes([byte[0] ^ it.chance.randrange(1, 256)]))


def _polled(status: dict[str, Any]) -> str:
    """The newest poll that this run took and journaled."""
    poll = status.get("poll") or {}
    return poll["poll_time"] if poll.get("stored") else ""


def hurt(it: Field, damage: Hurt) -> None:
    """Kills everything, damages the files, starts again, and takes what was destroyed once more."""
    pipeline = it.rig.pipeline
    with it.fetch_fault():
        pipeline.kill_all()
        newest = max(it.rig.newest_polls())
        journal = pipeline.state_dir / NAME
        damage(it, journal, journal.with_name(f"{NAME}-wal"))
        pipeline.start("--speed", "max")
        pipeline.wait_status(lambda found: _polled(found) > newest, f"the polls up to {newest}, once more", 90)
        pipeline.stop()
        it.check_journals(damaged=True)
        it.start()
        it.check_journals(damaged=True)


def copied(it: Field) -> None:
    """A state directory is copied, both go on: the one whose records the databases do not have is refused."""
    rig, pipeline = it.rig, it.rig.pipeline
    original = pipeline.state_dir
    copy = original.with_name(f"{original.name}+")
    with it.fetch_fault():
        assert pipeline.stop() == 0
        shutil.copytree(original, copy)
        # A fresh one: that of an earlier round knows records that this round's journal never had.
        aside = f"sqlite:///{rig.directory / f'elsewhere-{time.monotonic_ns()}.db'}"
        rig.run_elsewhere(aside, polls=12)
        pipeline.state_dir = copy
        pipeline.start()
        pipeline.wait_polls(4)
        assert pipeline.stop() == 0
        pipeline.state_dir = original
        said = pipeline.log_text().count("is a copy")
        pipeline.start()
        code = pipeline.wait_exit()
        assert code == 78, f"a copied state directory was taken: exit code {code}\n{pipeline.log_tail()}"
        assert pipeline.log_text().count("is a copy") > said, pipeline.log_tail()
        shutil.rmtree(original)
        copy.rename(original)
        it.start()
