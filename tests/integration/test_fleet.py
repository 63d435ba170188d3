"""The supervisor's children as one, with real processes: their last words, and who is silent."""

from __future__ import annotations

import subprocess
import sys

from tests import program

LINES = 250
TALKER = """
import logging, time
def run(plan, ends, reporter):
    reporter.report(state="running")
    for number in range(plan):
        logging.getLogger("talker").warning("said %d", number)
    while not plan:
        time.sleep(1)
"""
BEGIN = """
import multiprocessing, os, signal, time
from pipeline import logs
from pipeline.fleet import Fleet
from pipeline.process import Child
def fleet_of(plan, heartbeat_s):
    multiprocessing.set_start_method("spawn")
    logs.configure("info", "text", None)
    child = Child("fetcher", "talker:run", plan, log_level="info", queue_size=10)
    fleet = Fleet("stream", child, [], None, heartbeat_s)
    fleet.start()
    return fleet, child
"""


def run(folder, text: str) -> str:
    """What the program `text`, which begins as a supervisor does, logs."""
    (folder / "talker.py").write_text(TALKER)
    (folder / "talk.py").write_text(BEGIN + 'if __name__ == "__main__":\n' + text)
    done = subprocess.run(
        [sys.executable, "talk.py"],
        env=program.environment(folder, PYTHONPATH=str(folder)),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_last_words_of_a_child_are_logged_before_the_run_ends(tmp_path):
    said = run(
        tmp_path,
        f"""
    fleet, child = fleet_of({LINES}, 60)
    while child.alive:
        time.sleep(0.001)
    fleet.kill()
""",
    )
    assert said.count("said ") == LINES


def test_a_supervisor_that_was_stopped_kills_the_silent_and_nobody_else(tmp_path):
    """It may be stopped between its turn to listen and its turn to mend, and its children with it (Ctrl-Z)."""
    said = run(
        tmp_path,
        """
    fleet, child = fleet_of(0, 2.5)
    while child.state.get("state") != "running":
        child.listen()
    os.kill(child.pid, signal.SIGSTOP)
    child.listen()
    time.sleep(3)
    fleet.mend()
    time.sleep(0.5)
    assert child.alive, "killed though it was stopped together with this process"
    os.kill(child.pid, signal.SIGCONT)
    time.sleep(3)
    fleet.mend()
    time.sleep(0.5)
    assert child.alive, "killed though it had reported"
    os.kill(child.pid, signal.SIGSTOP)
    while child.alive:
        fleet.listen()
        fleet.mend()
        time.sleep(0.1)
    fleet.kill()
""",
    )
    assert said.count(" s and is killed") == 1
