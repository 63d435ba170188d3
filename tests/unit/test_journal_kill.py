"""SIGKILL at random instants: what was acknowledged is there, once, numbered without gaps."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time

import pytest

from pipeline.journal import Journal
from tests.unit.journals import STREAM, contents, record

ROUNDS = 25

APPENDER = """
import os
import sys
from pathlib import Path
from pipeline.journal import Journal
from tests.unit.journals import STREAM, record

def tell(text):
    os.write(1, f"{text}\\n".encode())  # one write: a kill never leaves half a line

journal = Journal.open(Path(sys.argv[1]), STREAM)
for finding in journal.findings:
    tell(f"finding {finding}")
number = journal.last_seq
while True:
    seq = journal.append(record(number, filler="x" * (number * 997 % 5000)))
    tell(f"{number} {seq}")
    number += 1
    if number % 150 == 0:
        journal.rotate("the test wants it")
        tell("rotated")
"""


def acknowledged(state, kill_after_s):
    """Lines that the appender printed until it was killed, `kill_after_s` after its first."""
    appender = subprocess.Popen([sys.executable, "-c", APPENDER, str(state)], stdout=subprocess.PIPE)
    assert appender.stdout is not None
    with appender:
        ready, _, _ = select.select([appender.stdout], [], [], 60)
        assert ready, "the appender never appended"
        timer = time.monotonic() + kill_after_s
        received = b""
        while time.monotonic() < timer:
            if select.select([appender.stdout], [], [], max(0.0, timer - time.monotonic()))[0]:
                received += os.read(appender.stdout.fileno(), 65536)
        appender.send_signal(signal.SIGKILL)
        received += appender.stdout.read()
    return received.decode().splitlines()


def test_no_acknowledged_record_is_lost_doubled_or_renumbered_by_kills(tmp_path):
    noise = random.Random(20261126)
    known = {}  # number -> seq, of every acknowledgement
    for _ in range(ROUNDS):
        for line in acknowledged(tmp_path, noise.uniform(0.0, 0.25)):
            words = line.split()
            if words[0].isdigit() and len(words) == 2:
                known[int(words[0])] = int(words[1])
            else:
                assert words[0] == "rotated" or "as an earlier start had begun" in line, line
        Journal.open(tmp_path, STREAM).close()  # a kill may have left a replacement unfinished
        keys = [each.key for each in contents(tmp_path)]
        for number, seq in known.items():
            assert keys[seq - 1] == record(number).key
        assert len(keys) - len(known) in (0, 1), "at most one record may lie beyond the last acknowledgement"
        known = {number: number + 1 for number in range(len(keys))}
    journal = Journal.open(tmp_path, STREAM)
    assert journal.findings == () or "as an earlier start had begun" in journal.findings[0]
    assert journal.last_seq > ROUNDS
    journal.close()


FORKED = """
import os, sys
from pathlib import Path
from pipeline.journal import Journal, JournalReader
reader = JournalReader(Path(sys.argv[1]))
while True:
    reader.read(0, 50)
    print("read", flush=True)
"""


@pytest.mark.parametrize("again", range(3))
def test_a_reader_killed_in_the_middle_of_reading_holds_up_nothing(tmp_path, again):
    journal = Journal.open(tmp_path, STREAM)
    for number in range(100):
        journal.append(record(number))
    reader = subprocess.Popen([sys.executable, "-c", FORKED, str(tmp_path)], stdout=subprocess.PIPE)
    assert reader.stdout is not None
    with reader:
        for _ in range(20 + again):
            assert reader.stdout.readline() == b"read\n"
        reader.kill()
    assert journal.append(record(100)) == 101
    journal.close()
    assert len(contents(tmp_path)) == 101
