"""A backlog of 100,000 records of 10 rows: how fast a writer works it off while polls go on, and in how much memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from pipeline import wire
from pipeline.journal import repair
from pipeline.model import Record
from pipeline.tables import POLL, STOCK
from tests.harness import Rig, rig, wait_until
from tests.harness.rig import MYSQL, NAME, SQLITE
from tests.mariadb import MariaDb, running
from tests.torture.ordeal import SERVER_OPTIONS

RECORDS = 100_000
ROWS = 10
DEADLINE_S = 600.0
MEMORY_LIMIT = 1.1
"""The writer's memory at its most against that after its first batches: a list of the backlog would take more."""


@dataclass(frozen=True)
class CatchUp:
    """Of one database: records and rows a second, the writer's memory before and at its most, polls taken meanwhile."""

    role: str
    records_s: float
    rows_s: float
    rss_before: int
    rss_most: int
    polls: int

    @property
    def flat(self) -> bool:
        return self.rss_most <= MEMORY_LIMIT * self.rss_before

    def __str__(self) -> str:
        speed = f"{self.records_s:8,.0f} records/s, {self.rows_s:9,.0f} rows/s"
        memory = f"writer {self.rss_before / 1e6:.1f} MB, at most {self.rss_most / 1e6:.1f} MB"
        return f"catch-up {self.role.removeprefix('writer:'):<8} {speed}; {memory}; {self.polls} polls meanwhile"


def records(number: int) -> Iterator[tuple[str, bytes]]:
    """(taken_at, payload) of polls of nine stocks each, a second apart."""
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    for index in range(number):
        moment = begin + timedelta(seconds=index)
        day, text = f"{moment:%Y-%m-%d}", f"{moment:%Y-%m-%d %H:%M:%S}"
        price = 100 + index % 1000 / 100
        range_ = (100.0, price, 99.5)
        stocks = [
            ("backlog", day, text, f"B{stock}", price, 100.0, price - 100, price - 100, index, "ADVANCE", *range_, text)
            for stock in range(ROWS - 1)
        ]
        rows = {POLL.name: [("backlog", day, text, "taken", None, 100, 1)], STOCK.name: stocks}
        key = f"backlog|{day}|{text}|yahoo"
        yield f"{moment:%Y-%m-%dT%H:%M:%S}.000Z", wire.encode(Record(key, "backlog", day, "yahoo", rows))


def prepare(state_dir: Path, number: int = RECORDS) -> None:
    """A journal with the backlog in it."""
    state_dir.mkdir(mode=0o700, parents=True)
    repair.build(state_dir, NAME, records(number), lambda: datetime.now(UTC))


def catch_up(it: Rig, role: str, number: int = RECORDS) -> CatchUp:
    """Starts the pipeline on a prepared journal and watches one database until it has the backlog."""
    pipeline = it.pipeline
    pipeline.start()
    writer = psutil.Process(pipeline.pid_of(role))
    wait_until(lambda: (pipeline.database(role).get("cursor") or 0) > 0, 60, "the first batches")
    before = most = writer.memory_info().rss
    begin, first, start_seq = time.monotonic(), pipeline.database(role), pipeline.last_seq()
    assert first["cursor"] < number, f"{role} took the whole backlog at once"

    def done() -> bool:
        nonlocal most
        most = max(most, writer.memory_info().rss)
        return (pipeline.database(role).get("cursor") or 0) >= number

    wait_until(done, DEADLINE_S, f"the backlog in {role}")
    took, last = time.monotonic() - begin, pipeline.database(role)
    rates = [(last[name] - first[name]) / took for name in ("records_written", "rows_written")]
    polls = pipeline.last_seq() - start_seq
    return CatchUp(role, *rates, before, most, polls)


def run(directory: Path, server: MariaDb, role: str, number: int = RECORDS) -> CatchUp:
    """One database's catch-up, alone on a fresh state directory."""
    with rig(directory, server, audit=False) as it:
        own = it.pipeline.arguments
        unwanted = "mysql:" if role == SQLITE else "sqlite:"
        places = [place for place, part in enumerate(own) if part.startswith(unwanted)]
        it.pipeline.arguments = [part for place, part in enumerate(own) if place not in (places[0], places[0] - 1)]
        prepare(it.pipeline.state_dir, number)
        return catch_up(it, role, number)


def measure(directory: Path) -> list[CatchUp]:
    """Each database's."""
    with running(directory / "m", options=SERVER_OPTIONS) as server:
        return [run(directory / role[-6:], server, role) for role in (SQLITE, MYSQL)]
