"""What a child logs just before it ends is in the log when the run ends."""

from __future__ import annotations

import subprocess
import sys

from tests import program

LINES = 250
TALKER = """
import logging
def run(plan, ends, reporter):
    for number in range(plan):
        logging.getLogger("talker").warning("said %d", number)
"""
RUN = f"""
import multiprocessing, time
from pipeline import logs
from pipeline.fleet import Fleet
from pipeline.process import Child
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    logs.configure("info", "text", None)
    child = Child("fetcher", "talker:run", {LINES}, log_level="info", queue_size=10)
    fleet = Fleet("stream", child, [], None, 60)
    fleet.start()
    while child.alive:
        time.sleep(0.001)
    fleet.kill()
"""


def test_the_last_words_of_a_child_are_logged_before_the_run_ends(tmp_path):
    (tmp_path / "talker.py").write_text(TALKER)
    (tmp_path / "talk.py").write_text(RUN)
    done = subprocess.run(
        [sys.executable, "talk.py"],
        env=program.environment(tmp_path, PYTHONPATH=str(tmp_path)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr.count("said ") == LINES
