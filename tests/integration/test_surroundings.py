"""A run whose surroundings go away: terminal, log file, descriptors. It goes on, or ends as it should."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time

import pytest

from tests import program
from tests.harness import Pipeline, make_recording
from tests.unit.test_journal_disk import fill_up, small_disk, use_up_inodes  # noqa: F401 - a fixture

RUN = ("run", "--source", "recording:in_nifty50_5m_2026-06-18", "--state-dir", "state", "--speed")


def polls(state) -> int:
    return (program.status_of(state).get("poll") or {}).get("number") or 0


def stored(state) -> bool:
    rows = program.status_of(state).get("databases") or [{}]
    return all(row.get("cursor") for row in rows)


def writer_of(state) -> int:
    """The pid of the writer that runs, 0 when there is none."""
    return next((pid for role, pid in program.pids(state).items() if role.startswith("writer")), 0)


def test_a_closed_terminal_that_says_so_until_the_very_end_is_one_orderly_end(tmp_path):
    """A shell passes the hang-up on, and the kernel sends more at the shell's end, when we may be at ours."""
    state = tmp_path / "state"
    with program.Running(tmp_path, *RUN, "100") as running:
        program.until(lambda: stored(state), "stored polls")
        while running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGHUP)
            time.sleep(0.002)
        assert running.wait() == 0, running.text
        assert "resource_tracker" not in running.text  # it cleans up at the end: the terminal may not take it along


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path):
    state = tmp_path / "state"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = program.Running(tmp_path, *RUN, "300")
    finally:
        signal.signal(signal.SIGHUP, before)
    with running:
        program.until(lambda: stored(state), "stored polls")
        os.killpg(running.process.pid, signal.SIGHUP)
        seen = polls(state)
        program.until(lambda: polls(state) > seen + 1 or running.process.poll() is not None, "more polls")
        assert running.process.poll() is None, running.text
        running.terminate()
        assert running.wait() == 0, running.text


def test_a_log_file_that_is_moved_away_with_its_directory_ends_nothing(tmp_path):
    state, logs = tmp_path / "state", tmp_path / "logs"
    logs.mkdir()
    with program.Running(tmp_path, *RUN, "300", "--log-file", str(logs / "run.log")) as running:
        program.until(lambda: stored(state), "stored polls")
        logs.rename(tmp_path / "elsewhere")
        first = writer_of(state)
        os.kill(first, signal.SIGKILL)
        program.until(lambda: "cannot be written" in running.text or running.process.poll() is not None, "a complaint")
        logs.mkdir()
        second = program.until(lambda: (pid := writer_of(state)) != first and pid, "the next writer")
        os.kill(second, signal.SIGKILL)
        program.until(lambda: (logs / "run.log").exists() or running.process.poll() is not None, "a log again")
        running.terminate()
        assert running.wait() == 0, running.text
    assert "killed by signal 9" in (logs / "run.log").read_text()
    assert running.text.count("cannot be written") == 1


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process: Linux only")
def test_a_lack_of_descriptors_delays_a_writer_and_ends_nothing(tmp_path):
    state = tmp_path / "state"
    with program.Running(tmp_path, *RUN, "300") as running:
        program.until(lambda: stored(state), "stored polls")
        limits = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
        fetcher, writer = program.pids(state)["fetcher"], writer_of(state)
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (8, limits[1]))
        os.kill(writer, signal.SIGKILL)
        program.until(lambda: "Too many open" in running.text or running.process.poll() is not None, "a failed start")
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, limits)
        program.until(
            lambda: writer_of(state) not in (0, writer) or running.process.poll() is not None, "another writer"
        )
        assert program.pids(state)["fetcher"] == fetcher
        running.terminate()
        assert running.wait() == 0, running.text


def test_hints_that_a_stopped_writer_has_no_room_for_are_counted(tmp_path):
    recording = make_recording(tmp_path / "recording", "made")
    database = ["--db", f"sqlite:///{tmp_path}/breadth.db"]
    pipeline = Pipeline(tmp_path, ["--source", f"recording:{recording}", *database, "--queue-size", "1"])
    pipeline.start("--interval", "2s", "--speed", "5")  # 0.4 s: the supervisor keeps up
    try:
        pipeline.wait_stored()
        os.kill(pipeline.pid_of("writer"), signal.SIGSTOP)
        before = pipeline.status()["queue"]["dropped"]
        pipeline.wait_status(lambda found: found["queue"]["dropped"] > before + 3, "dropped hints")
        os.kill(pipeline.pid_of("writer"), signal.SIGCONT)
        assert pipeline.stop() == 0, pipeline.log_tail()
    finally:
        pipeline.close()


def test_polls_for_which_the_disk_never_had_room_are_told_by_the_exit_code(small_disk, tmp_path):  # noqa: F811
    run = (*RUN[:3], "--state-dir", str(small_disk / "state"), "--db", f"sqlite:///{tmp_path}/breadth.db")
    with program.Running(tmp_path, *run, "--speed", "300") as running:
        program.until(lambda: stored(small_disk / "state"), "stored polls")
        fill_up(small_disk)
        program.until(lambda: "polls wait in memory" in running.text, "a complaint")
        running.terminate()
        assert running.wait() == 69, running.text
        assert "are lost" in running.text


def test_a_disk_without_inodes_ends_no_run_and_what_could_not_be_kept_is_kept_later(small_disk, tmp_path):  # noqa: F811
    recording = make_recording(tmp_path / "recording", "made")
    run = ["--source", f"recording:{recording}", "--db", f"sqlite:///{tmp_path}/breadth.db", "--no-stocks"]
    pipeline = Pipeline(small_disk, [*run, "--min-free-mb", "0"])
    pipeline.start("--interval", "1m", "--speed", "60")  # the previous closes are seen by the sixth poll, in 5 s
    try:
        pipeline.wait_polls(2)
        ballast = use_up_inodes(small_disk)
        pipeline.wait_polls(6)
        assert not (pipeline.state_dir / "references.json").exists()
        for each in ballast:
            each.unlink()
        pipeline.wait_polls(2)
        assert (pipeline.state_dir / "references.json").exists()
        assert pipeline.stop() == 0, pipeline.log_tail()
        assert pipeline.row("fetcher")["restarts"] == 0
    finally:
        pipeline.close()


@pytest.mark.parametrize(
    ("shell", "code"), [("ulimit -n 16; exec", 69), ("exec >&-; exec", 0), ("trap '' PIPE; exec 1</dev/null; exec", 0)]
)
def test_a_start_without_descriptors_and_an_end_without_a_reader_are_no_trace(tmp_path, shell, code):
    command = [*program.COMMAND, *RUN, "max", "--progress", "off"]
    for _ in range(2):  # the second one has nothing to do, and says so
        done = subprocess.run(
            ["bash", "-c", f'{shell} "$@"', "bash", *command],
            env=program.environment(tmp_path),
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=program.DEADLINE_S,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
    assert ("cannot be started" in done.stderr) == (code == 69)
