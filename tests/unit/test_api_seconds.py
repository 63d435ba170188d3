"""The seconds of the Python API: no two programs get the same key, however large the file has become."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from pipeline.api import seconds
from pipeline.api.seconds import FILE, Seconds

NOW = datetime(2026, 11, 26, 10, 0)


def test_a_file_that_is_large_within_a_day_is_not_written_anew_at_each_claim(tmp_path, monkeypatch):
    monkeypatch.setattr(seconds, "_FIRST_TRIM_BYTES", 2000)
    rewritten = []
    truncate = os.ftruncate
    monkeypatch.setattr(os, "ftruncate", lambda *arguments: (rewritten.append(1), truncate(*arguments)))
    ours = Seconds(tmp_path)
    claimed = {ours.claim("api", NOW, f"S{number}.NS") for number in range(2000)}
    assert claimed == {NOW}
    assert 1 <= len(rewritten) <= 10


def test_days_that_have_passed_leave_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(seconds, "_FIRST_TRIM_BYTES", 2000)
    ours = Seconds(tmp_path)
    for day in range(20):
        for number in range(100):
            ours.claim("api", NOW + timedelta(days=day), f"S{number}.NS")
    assert (tmp_path / FILE).stat().st_size < 4 * 100 * len("api\t2026-11-26 10:00:00\tS99.NS\n")


def test_a_program_that_slept_while_another_wrote_the_file_anew_meets_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(seconds, "_FIRST_TRIM_BYTES", 2000)
    sleeper, busy = Seconds(tmp_path), Seconds(tmp_path)
    for number in range(60):
        busy.claim("api", NOW - timedelta(days=2, seconds=number), None)
    sleeper.claim("api", NOW - timedelta(days=2), None)
    read_up_to = (tmp_path / FILE).stat().st_size
    taken = []
    while (tmp_path / FILE).stat().st_size >= read_up_to:  # until it is trimmed
        taken.append(busy.claim("api", NOW, None))
    while (tmp_path / FILE).stat().st_size <= read_up_to:  # and has grown past what the sleeper knows
        taken.append(busy.claim("api", NOW, None))
    assert sleeper.claim("api", NOW, None) not in taken
    assert len(set(taken)) == len(taken)
