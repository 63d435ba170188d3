"""One torture: a schedule of faults, each followed by a look at the books, and the figures at the end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.harness import Balance, Rig, rig
from tests.harness.pipeline import ROOT, Overdue
from tests.harness.rig import MYSQL, SQLITE
from tests.mariadb import MariaDb, running
from tests.torture.faults import HEARTBEAT_S, Fault, schedule
from tests.torture.field import Field, failing_disk_environment, small_disk

SETTLE_EVERY = 5
SETTLE_S = 90.0
OPTIONS = ("--heartbeat", f"{HEARTBEAT_S:g}s", "--drain", "30s", "--min-free-mb", "1")
SERVER_OPTIONS = ("--skip-ssl", "--max-connect-errors=1000000")


@dataclass
class Report:
    """What a torture found. `caught`: the first thing that went wrong."""

    balance: Balance = field(default_factory=Balance)
    faults: Counter[str] = field(default_factory=Counter)
    polls: int = 0
    longest_delay_s: float = 0.0
    longest_orphan_s: float = 0.0
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    caught: str = ""

    @property
    def clean(self) -> bool:
        return self.balance.clean and not self.caught

    def remember_memory(self, role: str, rss: int) -> None:
        least, most = self.memory.get(role, (rss, rss))
        self.memory[role] = min(least, rss), max(most, rss)


@contextmanager
def battlefield(directory: Path, seed: int, package: Path = ROOT) -> Iterator[tuple[Field, set[str]]]:
    """A server, a rig and what this machine allows (`root`, `fiu`); at the end everything is gone."""
    place = directory / "rig"
    failing = failing_disk_environment(directory)
    with running(directory / "m", options=SERVER_OPTIONS) as server, small_disk(place / "disk") as mounted:
        with rig(place, server, options=OPTIONS, package=package, environment=failing) as made:
            made.pipeline.state_dir = place / "disk" / "state"
            available = {name for name, there in (("root", mounted), ("fiu", failing is not None)) if there}
            yield Field(made, random.Random(seed)), available


def run(
    directory: Path, plan: int | list[Fault], seed: int, *, package: Path = ROOT, only: str | None = None
) -> Report:
    """`plan`: a number of rounds, or the faults themselves. Stops at the first round after which the books are wrong."""
    report = Report()
    with battlefield(directory, seed, package) as (it, available):
        rounds = schedule(seed, plan, available) if isinstance(plan, int) else plan
        if only:
            matching = [fault for fault in schedule(seed, 1000, available) if only in fault.name]
            rounds = matching[: len(rounds)]
        it.start()
        begin = time.monotonic()
        for number, fault in enumerate(rounds, 1):
            _round(it, report, number, len(rounds), fault, begin)
            if not report.clean:
                break
        if report.clean:
            _last_words(it, report)
        report.balance.add(it.balance)
        report.longest_orphan_s = it.rig.pipeline.longest_orphan_s
        if not report.clean:
            print(it.rig.pipeline.log_tail(), file=sys.stderr)
    return report


def _round(it: Field, report: Report, number: int, of: int, fault: Fault, begin: float) -> None:
    print(f"{time.monotonic() - begin:6.1f} s  {number:4d}/{of}  {fault.name}", flush=True)
    report.faults[fault.name] += 1
    it.chance.seed(f"{number} {it.chance.random()}")
    try:
        fault.inflict(it)
        it.check_journals()
        if number % SETTLE_EVERY == 0 or number == of:
            _settle(it, report)
    except AssertionError as error:
        kind = "lost" if isinstance(error, Overdue) else "notes"
        report.caught = f"round {number}, {fault.name}: {error}"
        if kind == "lost":
            report.balance.note("lost", report.caught)
    report.balance.add(it.balance)
    it.balance = Balance()


def _settle(it: Field, report: Report) -> None:
    report.balance.add(it.rig.settle(SETTLE_S))
    for row in it.rig.pipeline.status().get("processes", ()):
        if row.get("rss_bytes"):
            report.remember_memory(row["role"].split(":127")[0], row["rss_bytes"])


def _last_words(it: Field, report: Report) -> None:
    """Ends the run in order, compares everything once more, and measures the fetch's delay."""
    pipeline = it.rig.pipeline
    if pipeline.stop() != 0:
        report.caught = f"the last shutdown did not end with 0:\n{pipeline.log_tail()}"
    journal_id, must = it.rig.expected()
    for role in (SQLITE, MYSQL):
        if it.rig.cursor(role, journal_id) != must.numbers[-1]:
            report.balance.note("lost", f"{role} is not at the journal's end")
    report.balance.add(it.rig.balance(journal_id, must))
    report.polls = len(must.numbers) - 1
    report.longest_delay_s = longest_delay_s(it)


def longest_delay_s(it: Field) -> float:
    """Longest time between two polls beyond their period, while only databases, writers or the supervisor were hurt."""
    taken = [datetime.fromisoformat(text).timestamp() for text in it.rig.taken_at()]
    longest = 0.0
    for before, after in zip(taken, taken[1:], strict=False):
        if not any(start - 1 < after and before < end + 1 for start, end in it.fetch_faults):
            longest = max(longest, after - before - it.rig.period_s)
    return longest


def main(directory: Path, rounds: int, seed: int, *, only: str | None, catch_up: bool) -> int:
    from tests.torture import backlog

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"torture: {rounds} rounds, seed {seed}")
    begin = time.monotonic()
    report = run(directory / "t", rounds, seed, only=only)
    shutil.rmtree(directory / "t", ignore_errors=True)
    print(f"\n{sum(report.faults.values())} faults of {len(report.faults)} kinds in {time.monotonic() - begin:.0f} s, ")
    print(f"{report.polls} polls in the journal at the end; seed {seed}")
    print(f"lost={report.balance.lost} twice={report.balance.twice} gaps={report.balance.gaps}")
    for note in report.balance.notes:
        print(f"  {note}")
    if report.caught:
        print(f"stopped: {report.caught}")
    print(f"longest fetch delay   {report.longest_delay_s * 1000:8.0f} ms (while the fetch itself was not hurt)")
    print(f"longest orphan        {report.longest_orphan_s * 1000:8.0f} ms")
    for role, (least, most) in sorted(report.memory.items()):
        print(f"memory {role:<14} {least / 1e6:8.1f} MB to {most / 1e6:.1f} MB")
    if report.clean and catch_up:
        print(backlog.measure(directory / "b"))
    print("clean" if report.clean else f"NOT CLEAN: python -m tests.torture --rounds {rounds} --seed {seed}")
    return 0 if report.clean else 1


__all__ = ["MariaDb", "Report", "Rig", "main", "os", "run"]
