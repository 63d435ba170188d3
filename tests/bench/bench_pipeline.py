"""The whole pipeline, processes and all, as ratios of one run: `python -m tests.bench.bench_pipeline [ROUNDS]`.

- end to end (fetcher, journal, queue, writer) into MariaDB and SQLite, polls of 2,000 stocks, against the seed's logger
  (a thread, one INSERT a transaction)
- catch-up of 100,000 records of 10 rows while polls go on, against a writer's loop alone on the same records
- what a poll pays for the journal and the queue while the database is up, and while it hangs
- memory after 10,000 polls against 1,000, of every process; `--help` against an empty click program

Nothing here asserts; `python -m tests.bench --write` keeps the numbers in docs/speed.md.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline import schema
from pipeline.dburl import DatabaseUrl
from pipeline.drain import Drain
from pipeline.journal import Journal, JournalReader
from pipeline.process import GC_THRESHOLDS, Child
from pipeline.sinks import open_sink
from pipeline.writer import WritePlan
from tests.bench.bench_journal import record
from tests.bench.bench_store import Market, seed_logger_rate
from tests.harness import Pipeline, make_recording, rig, wait_until
from tests.harness.pipeline import ROOT, clean_environment
from tests.harness.rig import MYSQL, NAME, SQLITE
from tests.mariadb import MariaDb, running
from tests.torture import backlog
from tests.torture.ordeal import SERVER_OPTIONS

SYMBOLS = 2_000
POLLS = 150
EMPTY = "import click\n@click.group()\ndef cli(): ...\ncli()"
FEW, MANY = 1_000, 10_000


def say(name: str, values: list[float], limit: str = "", digits: int = 2) -> None:
    text = f"  {name:<52} min {min(values):10,.{digits}f}   median {statistics.median(values):10,.{digits}f}"
    print(f"{text}   max {max(values):10,.{digits}f}" + (f"   ({limit})" if limit else ""), flush=True)


def end_to_end(directory: Path, recording: Path, url: str, number: int) -> float:
    """Rows a second from the first commit to the last, of a run at full speed."""
    run = ["--source", f"recording:{recording}", "--speed", "max", "--interval", "60s", "--polls", str(number)]
    pipeline = Pipeline(directory, [*run, "--db", url])
    try:
        pipeline.start()
        first = wait_until(
            lambda: (row := pipeline.database("writer")).get("rows_written") and row, 60, "the first rows"
        )
        begin = time.perf_counter()
        goal = number + 1
        wait_until(lambda: (pipeline.database("writer").get("cursor") or 0) >= goal, 120, "the last rows")
        took = time.perf_counter() - begin
        last = pipeline.database("writer")
        pipeline.wait_exit()
    finally:
        pipeline.close()
    return float((last["rows_written"] - first["rows_written"]) / took)


def stored_by_another_process(directory: Path, url: str, number: int) -> float:
    """Rows a second from the first append to the last commit: a producer (this process) with its journal and queue, a
    writer process, the server; polls that are ready, so that no source and no breadth is in it."""
    market, journal = Market(), Journal.open(directory, "bench")
    ready = [record(market, each) for each in range(number)]
    child = Child(
        "writer",
        "pipeline.writer:run",
        WritePlan(DatabaseUrl.parse(url), directory, True),
        log_level="error",
        queue_size=1000,
    )
    child.start()
    try:
        wait_until(lambda: child.listen() and child.state.get("database") == "ok", 30, "the writer")
        begin = time.perf_counter()
        for each in ready:
            child.hint((journal.append(each), time.time()))
            child.listen()
        wait_until(lambda: child.listen() and child.state.get("cursor") == number, 120, "the last rows")
        took = time.perf_counter() - begin
    finally:
        child.give_up()
        child.reap()
        journal.close()
    return sum(each.row_count for each in ready) / took


def bench_end_to_end(directory: Path, server: MariaDb, rounds: int) -> None:
    recording = make_recording(directory / "recording", "wide", symbols=SYMBOLS)
    print(f"end to end, {POLLS} polls of {SYMBOLS} stocks, fsync at every commit")
    stored, seeds, lite, handed = [], [], [], []
    for number in range(rounds):
        url = server.url(server.create_database("handed"))
        handed.append(stored_by_another_process(directory / f"p{number}", url, POLLS))
        url = server.url(server.create_database("whole"))
        stored.append(end_to_end(directory / f"m{number}", recording, url, POLLS))
        seeds.append(seed_logger_rate(server, server.create_database("seed")))
        lite.append(end_to_end(directory / f"s{number}", recording, f"sqlite:///{directory}/s{number}.db", POLLS))
    say("MariaDB, rows/s", stored, digits=0)
    say("the seed's logger, rows/s", seeds, digits=0)
    say("MariaDB / the seed's logger", [a / b for a, b in zip(stored, seeds, strict=True)], "at least 80", 1)
    say("producer, queue, writer, MariaDB, rows/s", handed, digits=0)
    say("the same / the seed's logger", [a / b for a, b in zip(handed, seeds, strict=True)], "at least 40", 1)
    say("SQLite, rows/s", lite, "at least 50,000", 0)


def drain_alone(directory: Path, url: str) -> float:
    """Records a second of a writer's loop in this process, on the backlog, without a fetcher beside it."""
    backlog.prepare(directory)
    Journal.open(directory, NAME).close()  # puts it in place
    drain = Drain(JournalReader(directory), open_sink(DatabaseUrl.parse(url)))
    drain.step()
    begin, done = time.perf_counter(), 0
    while moved := drain.step():
        done += moved
    took = time.perf_counter() - begin
    drain.close()
    return done / took


def bench_catch_up(directory: Path, server: MariaDb, rounds: int) -> None:
    print(f"catch-up of {backlog.RECORDS:,} records of {backlog.ROWS} rows while polls go on")
    for role in (MYSQL, SQLITE):
        found, alone = [], []
        for number in range(rounds):
            place = directory / f"{role[-6:]}{number}"
            url = f"sqlite:///{place}.db" if role == SQLITE else server.url(server.create_database("alone"))
            schema.ensure(DatabaseUrl.parse(url), create=True)
            alone.append(drain_alone(place / "alone", url))
            found.append(backlog.run(place / "whole", server, role))
            shutil.rmtree(place)
        name = role.removeprefix("writer:")
        say(f"{name}: rows/s", [each.rows_s for each in found], digits=0)
        ratio = [each.records_s / rate for each, rate in zip(found, alone, strict=True)]
        say(f"{name}: catch-up / a writer's loop alone", ratio, "at least 0.8")
        say(f"{name}: the writer's memory, at most / at first", [each.rss_most / each.rss_before for each in found])


def bench_independence(directory: Path, server: MariaDb, polls: int) -> None:
    """Append and put of one process, a real writer behind the queue; first the database works, then it hangs."""
    url = DatabaseUrl.parse(server.url(server.create_database("free")))
    market, journal = Market(), Journal.open(directory, "bench")
    child = Child("writer", "pipeline.writer:run", WritePlan(url, directory, True), log_level="error", queue_size=1000)
    child.start()
    costs: dict[str, list[float]] = {}
    try:
        wait_until(lambda: child.listen() and child.state.get("database") == "ok", 30, "the writer")
        for state in ("works", "hangs"):
            if state == "hangs":
                server.freeze()
            costs[state] = []
            for number in range(polls):
                each = record(market, number)
                begin = time.perf_counter()
                child.hint((journal.append(each), time.time()))
                costs[state].append(time.perf_counter() - begin)
                child.listen()
    finally:
        server.thaw()
        child.give_up()
        child.reap()
        journal.close()
    print(f"append and put of a poll of {SYMBOLS} stocks, {polls} polls each")
    for state, seconds in costs.items():
        say(f"while the database {state}, milliseconds", [1000 * each for each in seconds])
    blocks = range(0, polls - 19, 20)
    ratio = [
        statistics.median(costs["hangs"][at : at + 20]) / statistics.median(costs["works"][at : at + 20])
        for at in blocks
    ]
    say("hangs / works", ratio, "1 within noise")


def bench_memory(directory: Path, server: MariaDb) -> None:
    print(f"memory after {MANY:,} polls against {FEW:,}, eight stocks, both databases")
    with rig(directory, server, speed=1e6, audit=False) as it:
        pipeline = it.pipeline
        pipeline.start()
        writers = [pipeline.pid_of(role) for role in (SQLITE, MYSQL)]
        for pid in writers:  # the largest batch comes first, so that it is not taken for growth later
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: pipeline.last_seq() >= FEW, 60, f"{FEW} records in the journal")
        for pid in writers:
            os.kill(pid, signal.SIGCONT)
        early = _memory_at(pipeline, FEW)
        late = _memory_at(pipeline, MANY)
        for role, rss in early.items():
            name = role.split(":127")[0]
            sizes = f"{rss / 1e6:6.1f} MB   {late[role] / 1e6:6.1f} MB   ratio {late[role] / rss:.3f}"
            print(f"  {name:<30} {sizes}   (at most 1.1)")
        pipeline.kill_all()


def _memory_at(pipeline: Pipeline, records: int) -> dict[str, int]:
    def found() -> dict[str, int]:
        status = pipeline.status()
        if not status or any((row["cursor"] or 0) < records for row in status["databases"]):
            return {}
        return {row["role"]: row["rss_bytes"] for row in status["processes"]}

    return wait_until(found, 300, f"{records} records in both databases")


def bench_help(rounds: int) -> None:
    def seconds(*command: str) -> float:
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, *command], env=clean_environment(), cwd=ROOT, stdout=subprocess.DEVNULL, check=True
        )
        return time.perf_counter() - begin

    print(f"start of the command, {rounds} pairs")
    pairs = [(seconds("-m", "pipeline", "--help"), seconds("-c", EMPTY, "--help")) for _ in range(rounds)]
    say("--help / an empty click program", [ours / empty for ours, empty in pairs], "at most 2")


def main() -> None:
    multiprocessing.set_start_method("spawn", force=True)
    gc.set_threshold(*GC_THRESHOLDS)  # a writer's loop alone is measured here, as it is in a child
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    directory = Path(tempfile.mkdtemp(prefix="bp-"))
    try:
        with running(directory / "m", durable=True, options=SERVER_OPTIONS) as server:
            bench_end_to_end(directory / "e", server, rounds)
            bench_independence(directory / "i", server, 200)
            bench_catch_up(directory / "c", server, rounds)
            bench_memory(directory / "r", server)
        bench_help(10)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
