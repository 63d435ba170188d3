"""What durability costs the fetch, as ratios measured in one run: `python -m tests.bench.bench_journal [ROUNDS] [DIR]`.

- journal append + queue put of a poll of 2,000 stocks against a bare write + fdatasync of the same bytes, in turns, on
  the disk of DIR (default: the working directory). `encoded`: the bytes are there already, as in the bare write;
  `whole`: with turning the rows into bytes, which a queue of records would have to do too (`pickle` shows its price)
- how fast a reader gets through a backlog of 100,000 records of 10 rows, and how long opening such a journal takes

Nothing here asserts; the numbers go into docs/.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline import wire
from pipeline.journal import Journal, JournalReader
from pipeline.model import Record
from pipeline.tables import POLL, STOCK
from tests.bench.bench_store import DAY, Market

BLOCK = 20
BACKLOG = 100_000
LIMIT = 2.5


def record(market: Market, number: int) -> Record:
    rows = market.poll()
    moment = f"{rows[0][2]}.{number}"
    tables = {POLL.name: [("bench", DAY, rows[0][2], "taken", None, 100, 4)], STOCK.name: rows}
    return Record(f"bench|{DAY}|{moment}|yahoo", "bench", DAY, "yahoo", tables)


def timed(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


class Costs:
    """The same poll, saved in four ways, in turns."""

    def __init__(self, directory: Path) -> None:
        self._journals = [Journal.open(directory / name, "bench") for name in ("encoded", "whole")]
        self._bare = os.open(directory / "bare", os.O_WRONLY | os.O_CREAT, 0o600)
        self._queue: multiprocessing.Queue[tuple[int, float]] = multiprocessing.get_context("spawn").Queue(1000)
        self.seconds: dict[str, list[float]] = {name: [] for name in ("bare", "encoded", "whole", "encode", "pickle")}

    def round(self, each: Record) -> None:
        payload = wire.encode(each)
        encoded, whole = self._journals
        steps: list[tuple[str, Callable[[], object]]] = [
            ("bare", lambda: (os.write(self._bare, payload), os.fdatasync(self._bare))),
            ("encoded", lambda: self._queue.put_nowait((encoded.append_payload(each.key, payload), time.time()))),
            ("whole", lambda: self._queue.put_nowait((whole.append(each), time.time()))),
            ("encode", lambda: wire.encode(each)),
            ("pickle", lambda: pickle.dumps(each)),
        ]
        for name, step in steps:
            self.seconds[name].append(timed(step))
        for _ in range(2):
            self._queue.get(timeout=10)

    def close(self) -> None:
        for journal in self._journals:
            journal.close()
        os.close(self._bare)
        self._queue.close()


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Minimum, median, maximum over blocks of the ratio of the blocks' medians."""
    found = [
        statistics.median(ours[start : start + BLOCK]) / statistics.median(theirs[start : start + BLOCK])
        for start in range(0, len(ours) - BLOCK + 1, BLOCK)
    ]
    return min(found), statistics.median(found), max(found)


def append_costs(directory: Path, rounds: int) -> None:
    market = Market()
    costs = Costs(directory)
    for number in range(rounds):
        costs.round(record(market, number))
    costs.close()
    for name, seconds in costs.seconds.items():
        print(
            f"  {name:<8} min {min(seconds) * 1e3:6.2f}  median {statistics.median(seconds) * 1e3:6.2f}  "
            f"max {max(seconds) * 1e3:6.2f} ms"
        )
    for name in ("encoded", "whole"):
        low, middle, high = ratios(costs.seconds[name], costs.seconds["bare"])
        limit = f"  (limit {LIMIT})" if name == "encoded" else ""
        print(f"  {name} / bare: min {low:.2f}  median {middle:.2f}  max {high:.2f}{limit}")


def backlog(directory: Path) -> None:
    journal = Journal.open(directory, "bench")
    row = (
        "bench",
        DAY,
        f"{DAY} 09:15:00",
        "SYM.NS",
        101.5,
        100.0,
        1.5,
        1.5,
        12345,
        "ADVANCE",
        100.0,
        102.0,
        99.0,
        None,
    )
    # the disk's flush is measured above; here it would only take the bench's time
    journal._connection.execute("PRAGMA synchronous = OFF")
    took = timed(
        lambda: [
            journal.append(Record(f"bench|{DAY}|{number}|yahoo", "bench", DAY, "yahoo", {STOCK.name: [row] * 10}))
            for number in range(BACKLOG)
        ]
    )
    print(f"  append without flush: {BACKLOG / took:,.0f} records/s")
    journal.close()
    opened: list[Journal] = []
    took = timed(lambda: opened.append(Journal.open(directory, "bench")))
    print(f"  open, every byte checked: {took:.2f} s")
    reader = JournalReader(directory)
    took = timed(lambda: [None for _ in reader.entries()])
    print(f"  read: {BACKLOG / took:,.0f} records/s")
    took = timed(lambda: opened[0].rotate("the bench wants it"))
    print(f"  rotate (carry over all): {took:.2f} s")
    reader.close()
    opened[0].close()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path.cwd()
    directory = Path(tempfile.mkdtemp(prefix="bench-journal-", dir=place))
    try:
        print(f"a poll of 2,000 stocks, {rounds} rounds:")
        append_costs(directory, rounds)
        print(f"a backlog of {BACKLOG:,} records of 10 rows:")
        backlog(directory / "backlog")
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
