"""One torture: a schedule of faults, each followed by a look at the books, and the figures at the end."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.harness import Balance, rig, wait_until
from tests.harness.pipeline import ROOT, Overdue
from tests.harness.rig import MYSQL, SQLITE
from tests.mariadb import MariaDb, running
from tests.torture.faults import HEARTBEAT_S, Fault, schedule
from tests.torture.field import Field, failing_disk_environment, small_disk

SETTLE_EVERY = 5
SETTLE_S = 90.0
DELAY_LIMIT_S = 2.0
"""Longest time that the fetch may lose while it is not hurt itself: nine times the worst of busy machines."""
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
    log_tail: str = ""

    @property
    def first_word(self) -> str:
        """The first thing that was found wrong."""
        return self.balance.notes[0] if self.balance.notes else self.caught.splitlines()[0]

    @property
    def clean(self) -> bool:
        return self.balance.clean and not self.caught

    def remember_memory(self, role: str, rss: int) -> None:
        least, most = self.memory.get(role, (rss, rss))
        self.memory[role] = min(least, rss), max(most, rss)


@contextmanager
def battlefield(
    directory: Path, seed: int, package: Path = ROOT, server: MariaDb | None = None
) -> Iterator[tuple[Field, set[str]]]:
    """A rig and what this machine allows (`root`, `fiu`), with a server of its own unless one is given."""
    place = directory / "rig"
    with ExitStack() as stack:
        server = server or stack.enter_context(running(directory / "m", options=SERVER_OPTIONS))
        mounted = stack.enter_context(small_disk(place / "disk"))
        made = stack.enter_context(rig(place, server, options=OPTIONS, package=package))
        made.pipeline.state_dir = place / "disk" / "state"
        available = {
            name for name, there in (("root", mounted), ("fiu", failing_disk_environment(place) is not None)) if there
        }
        yield Field(made, random.Random(seed)), available


def run(
    directory: Path,
    plan: int | list[Fault],
    seed: int,
    *,
    package: Path = ROOT,
    server: MariaDb | None = None,
    only: str | None = None,
    settle_every: int = SETTLE_EVERY,
    settle_s: float = SETTLE_S,
) -> Report:
    """`plan`: a number of rounds, or the faults themselves. Ends at the first round after which the books are wrong."""
    report = Report()
    with battlefield(directory, seed, package, server) as (it, available):
        rounds = schedule(seed, plan, available) if isinstance(plan, int) else plan
        if only:
            matching = [fault for fault in schedule(seed, 1000, available) if only in fault.name]
            rounds = matching[: len(rounds)]
        it.start()
        wait_until(lambda: all(it.rig.newest_polls()), 60, "rows in both databases before the first fault")
        begin = time.monotonic()
        for number, fault in enumerate(rounds, 1):
            print(f"{time.monotonic() - begin:6.1f} s  {number:4d}/{len(rounds)}  {fault.name}", flush=True)
            settle = settle_s if number % settle_every == 0 or number == len(rounds) else 0.0
            _round(it, report, number, fault, settle)
            if not report.clean:
                break
        if report.clean:
            _last_words(it, report)
        report.balance.add(it.balance)
        report.longest_orphan_s = it.rig.pipeline.longest_orphan_s
        report.log_tail = it.rig.pipeline.log_tail()
    return report


def _round(it: Field, report: Report, number: int, fault: Fault, settle_s: float) -> None:
    """One fault; with `settle_s` the databases then get that long to catch up before the books are compared."""
    report.faults[fault.name] += 1
    try:
        fault.inflict(it)
        it.check_journals()
        if settle_s:
            _settle(it, report, settle_s)
    except Overdue as error:
        report.balance.note("lost", f"round {number}, {fault.name}: {error}")
    except AssertionError as error:
        report.caught = f"round {number}, {fault.name}: {error}"
    report.balance.add(it.balance)
    it.balance = Balance()


def _settle(it: Field, report: Report, settle_s: float) -> None:
    report.balance.add(it.rig.settle(settle_s))
    _measure_delay(it, report)
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
    _measure_delay(it, report)


def _measure_delay(it: Field, report: Report) -> None:
    report.longest_delay_s = longest_delay_s(it)
    if report.longest_delay_s > DELAY_LIMIT_S:
        report.caught = report.caught or f"the fetch itself was not hurt and waited {report.longest_delay_s:.1f} s"


def longest_delay_s(it: Field) -> float:
    """Longest time between two polls beyond their period, while only databases, writers or the supervisor were hurt."""
    taken = [moment.timestamp() for moment in it.rig.pipeline.taken_at()]
    longest = 0.0
    for before, after in pairwise(taken):
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
        for found in backlog.measure(directory / "b"):
            print(found)
            if not found.flat:
                report.caught = f"the memory of {found.role} grew with its backlog"
                print(f"stopped: {report.caught}")
    if not report.clean:
        print(report.log_tail, file=sys.stderr)
    print("clean" if report.clean else f"NOT CLEAN: python -m tests.torture --rounds {rounds} --seed {seed}")
    return 0 if report.clean else 1
