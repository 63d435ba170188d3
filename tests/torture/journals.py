"""Faults of the journal's files: torn, flipped, deleted, copied, while the pipeline is down or while it runs."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.journal import NAME
from tests.harness.rig import MYSQL, SQLITE
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
        _take_again(it, newest)


def _take_again(it: Field, newest: str) -> None:
    """Starts a pipeline that is down, so that what was destroyed of the polls up to `newest` is taken once more."""
    pipeline = it.rig.pipeline
    pipeline.start("--speed", "max")
    pipeline.wait_status(lambda found: _polled(found) > newest, f"the polls up to {newest}, once more", 90)
    pipeline.stop()
    it.check_journals(damaged=True)
    it.start()
    it.check_journals(damaged=True)


@contextlib.contextmanager
def _replaced(it: Field) -> Iterator[Path]:
    """The journal of the running pipeline, to be hurt, and perhaps a writer with it: another one must begin."""
    pipeline = it.rig.pipeline
    journal_id = pipeline.wait_status(lambda found: found["journal"].get("id"), "a journal")
    with it.fetch_fault():
        yield pipeline.state_dir / NAME
        if it.chance.random() < 0.5:
            it.kill(pipeline.pid_of(it.chance.choice((SQLITE, MYSQL))))
        pipeline.wait_status(lambda found: found["journal"].get("id", journal_id) != journal_id, "another journal")
        pipeline.wait_status(lambda found: {row["state"] for row in found["databases"]} == {"ok"}, "sound databases")
    it.check_journals(damaged=True)


def delete_running(it: Field) -> None:
    """The fetcher still has the files that were deleted: no record is lost."""
    with _replaced(it) as journal:
        for part in it.chance.choice((("-shm",), ("-wal",), ("",), ("", "-wal", "-shm"))):
            journal.with_name(f"{NAME}{part}").unlink()


def overwrite_running(it: Field) -> None:
    """Not even which journal it is can be read any more; what was destroyed is taken once more by the next run."""
    with _replaced(it) as journal, journal.open("r+b") as file:
        file.write(it.chance.randbytes(journal.stat().st_size))
    with it.fetch_fault():
        assert it.rig.pipeline.stop() == 0, it.rig.pipeline.log_tail()
        _take_again(it, max(it.rig.newest_polls()))


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
