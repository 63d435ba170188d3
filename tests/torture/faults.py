"""The faults, one function a row of the fault matrix (docs/reliability.md). Each leaves the pipeline running.

A fault says by assertions what its row promises besides lost, twice and gaps, which the caller compares.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.model import Session
from pipeline.session import local_text, session_grid
from tests.harness import Proxy, clocked, wait_until
from tests.harness.rig import MYSQL, SQLITE
from tests.torture import journals
from tests.torture.field import Field, fill_up, order_failure

BOTH = (SQLITE, MYSQL)
ORPHAN_LIMIT_S = 2.0
HEARTBEAT_S = 6.0
ZONE = ZoneInfo("Asia/Kolkata")
OPEN = datetime(2026, 11, 26, 9, 15, tzinfo=ZONE)


@dataclass(frozen=True)
class Fault:
    """`weight`: how often it is drawn, relative to others. `needs`: root, fiu or nothing."""

    name: str
    inflict: Callable[[Field], None]
    weight: float = 1.0
    needs: str = ""


def fetcher_killed(it: Field) -> None:
    pipeline = it.rig.pipeline
    pid = pipeline.pid_of("fetcher")
    with it.fetch_fault():
        it.pause(2 * it.rig.period_s)
        said = it.acknowledged()
        it.kill(pid)
        it.check(said)
        it.restarted("fetcher", pid)
        pipeline.wait_polls(2)


def writer_killed(it: Field) -> None:
    """At once, or in the middle of a backlog, or at its COMMIT."""
    pipeline, role = it.rig.pipeline, it.chance.choice(BOTH)
    fetcher, pid = pipeline.pid_of("fetcher"), pipeline.pid_of(role)
    if role == MYSQL and it.chance.random() < 0.5:
        it.rig.proxy.at_commit(lambda: it.kill(pid))
        it.rig.proxy.obeyed.wait(5)
        it.kill(pid)
    else:
        if it.chance.random() < 0.5:
            with it.stopped(pid):
                pipeline.wait_polls(it.chance.randint(2, 10))
        it.pause(0.05)
        it.kill(pid)
    it.restarted(role, pid)
    pipeline.wait_polls(2)
    assert pipeline.pid_of("fetcher") == fetcher, "the fetcher was started again for the death of a writer"


def supervisor_killed(it: Field) -> None:
    """Perhaps while some of its children are stopped: those must not be left behind either."""
    with it.fetch_fault():
        pipeline = it.rig.pipeline
        it.pause(it.rig.period_s)
        said = it.acknowledged()
        chosen = [role for role in ("fetcher", *BOTH) if it.chance.random() < 0.15]
        for role in chosen:  # one that is stopped while it starts cannot have arranged to end with its parent
            wait_until(lambda role=role: pipeline.row(role).get("state") == "running", 60, f"{role} at work")
        stopped = [pipeline.pid_of(role) for role in chosen]
        with it.stopped(*stopped):
            orphan_s = pipeline.kill_supervisor()
        it.check(said)
        it.start()
    assert orphan_s < ORPHAN_LIMIT_S, f"children outlived the supervisor by {orphan_s:.1f} s"


def everything_killed(it: Field) -> None:
    with it.fetch_fault():
        it.pause(it.rig.period_s)
        said = it.acknowledged()
        it.rig.pipeline.kill_all()
        it.check(said)
        it.start()


def writer_stopped(it: Field) -> None:
    pipeline = it.rig.pipeline
    with it.stopped(pipeline.pid_of(it.chance.choice(BOTH))):
        pipeline.wait_polls(it.chance.randint(3, 10))


def writer_silent(it: Field) -> None:
    """Stopped for longer than the heartbeat's limit: it is replaced, and polls go on meanwhile."""
    pipeline, role = it.rig.pipeline, it.chance.choice(BOTH)
    pid = pipeline.pid_of(role)
    with it.stopped(pid):
        pipeline.wait_polls(5)
        it.restarted(role, pid)


def fetcher_stopped(it: Field) -> None:
    pipeline = it.rig.pipeline
    with it.fetch_fault():
        with it.stopped(pipeline.pid_of("fetcher")):
            it.pause(1.0)
        pipeline.wait_polls(2)


def fetcher_silent(it: Field) -> None:
    pipeline = it.rig.pipeline
    pid = pipeline.pid_of("fetcher")
    with it.fetch_fault():
        with it.stopped(pid):
            it.restarted("fetcher", pid)
        pipeline.wait_polls(2)


def supervisor_stopped(it: Field) -> None:
    """Past the heartbeat's limit: nothing blocks on its pipes, and it replaces nobody when it goes on."""
    pipeline = it.rig.pipeline
    pids = {role: pipeline.pid_of(role) for role in ("fetcher", *BOTH)}
    with it.stopped(pipeline.pid):
        pipeline.wait_polls(int(1.2 * HEARTBEAT_S / it.rig.period_s))
    pipeline.wait_polls(3)
    assert {role: pipeline.pid_of(role) for role in pids} == pids, "a child that lived was replaced"


def supervisor_stopped_shortly(it: Field) -> None:
    pipeline = it.rig.pipeline
    with it.stopped(pipeline.pid):
        pipeline.wait_polls(it.chance.randint(2, 12))


def everything_stopped(it: Field) -> None:
    """Ctrl-Z or a paused container, past the heartbeat's limit: nobody is taken for silent when it goes on."""
    pipeline = it.rig.pipeline
    pids = {role: pipeline.pid_of(role) for role in ("fetcher", *BOTH)}
    with it.fetch_fault():
        pipeline.signal_group(signal.SIGSTOP)
        time.sleep(1.2 * HEARTBEAT_S)
        pipeline.signal_group(signal.SIGCONT)
        pipeline.wait_polls(3)
    assert {role: pipeline.pid_of(role) for role in pids} == pids, "a child that lived was replaced"


def database_hung(it: Field) -> None:
    it.rig.server.freeze()
    try:
        it.rig.pipeline.wait_polls(it.chance.randint(3, 15))
    finally:
        it.rig.server.thaw()


def database_killed(it: Field) -> None:
    """In the middle of a COMMIT, when one comes."""
    server = it.rig.server
    it.rig.proxy.at_commit(server.kill)
    if not it.rig.proxy.obeyed.wait(2):
        it.rig.proxy.at_commit(None)
        server.kill()
    it.rig.pipeline.wait_polls(2)
    server.start()


def database_down(it: Field) -> None:
    it.rig.server.stop()
    it.rig.pipeline.wait_polls(it.chance.randint(10, 30))
    it.rig.server.start()


def database_locked(it: Field) -> None:
    pipeline = it.rig.pipeline
    if it.chance.random() < 0.5:
        with it.rig.sqlite_locked():
            pipeline.wait_polls(it.chance.randint(3, 15))
        return
    with contextlib.closing(it.rig.server.connect(it.rig.database)) as connection:
        connection.cmd_query("LOCK TABLES pipeline_poll WRITE, pipeline_cursor WRITE")
        pipeline.wait_polls(it.chance.randint(3, 15))


def database_slow(it: Field) -> None:
    it.rig.proxy.delay_s = it.chance.uniform(0.3, 1.0)
    try:
        it.rig.pipeline.wait_polls(it.chance.randint(5, 15))
    finally:
        it.rig.proxy.delay_s = 0.0


def database_full(it: Field) -> None:
    """The server answers that a table is full (1114): unavailable, with an alarm, until there is room."""
    pipeline = it.rig.pipeline
    body = "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'"
    it.rig.execute(MYSQL, f"CREATE TRIGGER test_full BEFORE INSERT ON intraday_stock_prices FOR EACH ROW {body}")
    try:
        pipeline.wait_status(lambda _: pipeline.database(MYSQL).get("state") == "retrying", "the full table's alarm")
        pipeline.wait_polls(3)
    finally:
        it.rig.execute(MYSQL, "DROP TRIGGER test_full")


def commit_unknown(it: Field) -> None:
    """The connection is lost in COMMIT: before the server has it, or after."""
    it.rig.proxy.at_commit(it.chance.choice((Proxy.CUT_BEFORE, Proxy.CUT_AFTER)))
    it.rig.proxy.obeyed.wait(8)
    it.rig.pipeline.wait_polls(2)


def connection_cut(it: Field) -> None:
    it.pause(it.rig.period_s)
    it.rig.proxy.cut()


def shutdown(it: Field) -> None:
    number = it.chance.choice((signal.SIGTERM, signal.SIGINT))
    with it.fetch_fault():
        it.pause(it.rig.period_s)
        if number == signal.SIGINT:
            it.rig.pipeline.signal_group(number)
        else:
            it.rig.pipeline.signal(number)
        code = it.rig.pipeline.wait_exit()
        it.start()
    assert code == 0, f"exit code {code} after {signal.Signals(number).name}:\n{it.rig.pipeline.log_tail()}"


def shutdown_at_once(it: Field) -> None:
    """A second SIGTERM while the drain cannot end."""
    pipeline = it.rig.pipeline
    with it.fetch_fault():
        it.rig.server.freeze()
        try:
            pipeline.wait_polls(3)
            pipeline.signal(signal.SIGTERM)
            pipeline.wait_status(lambda found: found["state"] == "draining", "draining")
            pipeline.signal(signal.SIGTERM)
            code = pipeline.wait_exit(15)
        finally:
            it.rig.server.thaw()
        it.start()
    assert code == 143, f"exit code {code} after the second SIGTERM"


def terminal_closed(it: Field) -> None:
    pipeline = it.rig.pipeline
    with it.fetch_fault():
        assert pipeline.stop() == 0
        it.start("--progress", "on", terminal=True)
        pipeline.wait_polls(2)
        pipeline.hang_up()
        code = pipeline.wait_exit()
        it.start()
    assert code == 0, f"exit code {code} after the terminal was closed:\n{pipeline.log_tail()}"


def started_twice(it: Field) -> None:
    pipeline = it.rig.pipeline
    second = subprocess.run(
        pipeline.command(), env=pipeline.environment, cwd=pipeline.directory, capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 75, second
    assert f"is in use by process {pipeline.pid}" in second.stderr, second.stderr


def queue_full(it: Field) -> None:
    """Room for one hint, a stopped writer and a stopped supervisor: nothing blocks, hints are dropped."""
    pipeline = it.rig.pipeline
    with it.fetch_fault():
        assert pipeline.stop() == 0
        it.start("--queue-size", "1")
    with it.stopped(pipeline.pid_of(it.chance.choice(BOTH)), pipeline.pid):
        pipeline.wait_polls(it.chance.randint(4, 10))
    pipeline.wait_status(lambda found: found["queue"]["dropped"] > 0, "dropped hints")


def disk_full(it: Field) -> None:
    """The state directory's disk: a clear error, the journal stays readable, all resumes without a restart."""
    pipeline = it.rig.pipeline
    pid = pipeline.pid_of("fetcher")
    said = pipeline.log_text().count("no room on the disk")
    with it.fetch_fault():
        ballast = fill_up(pipeline.state_dir.parent)
        try:
            wait_until(lambda: pipeline.log_text().count("no room on the disk") > said, 60, "the full disk's error")
            assert pipeline.last_seq() > 0, "the journal cannot be read while the disk is full"
        finally:
            ballast.unlink()
        pipeline.wait_polls(3)
    assert pipeline.pid_of("fetcher") == pid, "the fetcher was started again for a full disk"


def io_error(it: Field) -> None:
    """The fetcher's flushes or writes fail with EIO: it exits, the next one recovers."""
    pipeline = it.rig.pipeline
    point = it.chance.choice(("posix/io/sync/fdatasync", "posix/io/rw/pwrite*"))
    with it.fetch_fault():
        assert pipeline.stop() == 0
        with it.failing_calls():
            it.start()
            pid = pipeline.pid_of("fetcher")
            order_failure(pipeline.environment, pid, point, 0.5)
            it.restarted("fetcher", pid)
            pipeline.wait_polls(2)
            assert pipeline.stop() == 0
        it.start()


TORN = (journals.cut_log, journals.flip_log, journals.flip_file, journals.cut_file)
DELETED = (journals.delete_log, journals.delete_log_and_mark)


def torn_journal(it: Field) -> None:
    journals.hurt(it, it.chance.choice(TORN))


def deleted_log(it: Field) -> None:
    """The write-ahead log is gone; with the mark gone too only the databases know of what was in it."""
    journals.hurt(it, it.chance.choice(DELETED))


def journal_deleted(it: Field) -> None:
    journals.delete_running(it)


def journal_overwritten(it: Field) -> None:
    journals.overwrite_running(it)


def copied_state(it: Field) -> None:
    journals.copied(it)


def restored_backup(it: Field) -> None:
    """A database goes back to what it was some polls ago and gets what it misses by itself."""
    role = it.chance.choice(BOTH)
    backup = it.rig.backup(role)
    it.rig.pipeline.wait_polls(it.chance.randint(3, 10))
    it.rig.restore(role, backup)
    it.rig.pipeline.wait_polls(2)


POISON = {
    SQLITE: "CREATE TRIGGER test_poison BEFORE INSERT ON intraday_stock_prices FOR EACH ROW "
    "WHEN NEW.symbol = '{0}' BEGIN SELECT RAISE(ABORT, 'poison'); END",
    MYSQL: "CREATE TRIGGER test_poison BEFORE INSERT ON intraday_stock_prices FOR EACH ROW "
    "IF NEW.symbol = '{0}' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'poison'; END IF",
}


def bad_row(it: Field) -> None:
    """A database refuses one symbol's rows: they become dead letters, the rest of their batches is stored."""
    pipeline, role = it.rig.pipeline, it.chance.choice(BOTH)
    before = it.rig.dead_letters(role)
    it.rig.execute(role, POISON[role].format(f"T{it.chance.randrange(8):03d}"))
    try:
        wait_until(lambda: it.rig.dead_letters(role) >= before + 2, 60, f"dead letters in {role}")
    finally:
        it.rig.execute(role, "DROP TRIGGER test_poison")
    pipeline.wait_polls(1)


def schema_drift(it: Field) -> None:
    """A column is renamed under one writer: its stream stops with an alarm, everything else goes on."""
    pipeline, role = it.rig.pipeline, it.chance.choice(BOTH)
    other = MYSQL if role == SQLITE else SQLITE
    rename = "ALTER TABLE intraday_advance_decline RENAME COLUMN {} TO {}"
    it.rig.execute(role, rename.format("rana", "drifted"))
    try:
        pipeline.wait_status(lambda _: pipeline.database(role).get("state") == "schema", "the drift's alarm")
        pipeline.wait_polls(3)
        pipeline.wait_stored(60, other)
    finally:
        it.rig.execute(role, rename.format("drifted", "rana"))
    pid = pipeline.pid_of(role)
    it.kill(pid)  # else it looks again after a minute
    it.restarted(role, pid)


def clock_turned(it: Field) -> None:
    """A live session in this process whose wall clock is turned back and forth at random."""
    session = Session(OPEN.date(), OPEN, OPEN + timedelta(hours=1), ZONE)
    turns = []
    for _ in range(it.chance.randint(1, 4)):
        turn = timedelta(seconds=it.chance.randint(-5000, 900))
        turns.append((OPEN + timedelta(seconds=it.chance.randrange(3600)), turn))
    with tempfile.TemporaryDirectory(dir=it.rig.directory) as directory:
        balance, outcomes = clocked.play(Path(directory), session, 300, OPEN, turns)
    planned = {local_text(point) for point in session_grid(session, 300)}
    assert set(outcomes) == planned, f"clock turned by {turns}: {sorted(outcomes)} is not the grid"
    it.balance.add(balance)


FAULTS = (
    Fault("fetcher killed", fetcher_killed, 2),
    Fault("writer killed", writer_killed, 3),
    Fault("supervisor killed", supervisor_killed),
    Fault("everything killed", everything_killed),
    Fault("writer stopped", writer_stopped),
    Fault("writer silent", writer_silent, 0.3),
    Fault("fetcher stopped", fetcher_stopped),
    Fault("fetcher silent", fetcher_silent, 0.3),
    Fault("supervisor stopped", supervisor_stopped, 0.3),
    Fault("supervisor stopped shortly", supervisor_stopped_shortly),
    Fault("everything stopped", everything_stopped, 0.3),
    Fault("database hung", database_hung),
    Fault("database killed", database_killed, 1.5),
    Fault("database down", database_down),
    Fault("database locked", database_locked),
    Fault("database slow", database_slow),
    Fault("database full", database_full),
    Fault("commit unknown", commit_unknown, 2),
    Fault("connection cut", connection_cut),
    Fault("shutdown", shutdown),
    Fault("shutdown at once", shutdown_at_once),
    Fault("terminal closed", terminal_closed, 0.5),
    Fault("started twice", started_twice, 0.5),
    Fault("queue full", queue_full),
    Fault("disk full", disk_full, needs="root"),
    Fault("fsync or write error", io_error, needs="fiu"),
    Fault("torn journal", torn_journal),
    Fault("deleted log", deleted_log),
    Fault("journal deleted", journal_deleted),
    Fault("journal overwritten", journal_overwritten, 0.5),
    Fault("copied state", copied_state, 0.3),
    Fault("restored backup", restored_backup),
    Fault("bad row", bad_row),
    Fault("schema drift", schema_drift, 0.7),
    Fault("clock turned", clock_turned, 0.5),
)


def schedule(seed: int, rounds: int, available: set[str]) -> list[Fault]:
    """Which fault comes when: each one once, in random order, then by weight. The same for the same seed."""
    chance = random.Random(seed)
    able = [fault for fault in FAULTS if not fault.needs or fault.needs in available]
    first = chance.sample(able, len(able))
    more = chance.choices(able, [fault.weight for fault in able], k=max(0, rounds - len(first)))
    return [*first, *more][:rounds]
