"""How fast records become rows, as ratios measured in one run: `python -m tests.bench.bench_store [ROUNDS]`.

- sink into MariaDB against the server's own LOAD DATA of the same rows with the same commits (lean tables, fsync at
  every commit)
- sink into MariaDB against the seed's way: a thread, a queue, one INSERT a transaction, six secondary indexes
- SQLite with synchronous=FULL, rows a second

The poll is 2,000 stocks. Nothing here asserts; the numbers go into docs/.
"""

from __future__ import annotations

import gc
import queue
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from pipeline import schema, wire
from pipeline.dburl import DatabaseUrl
from pipeline.model import Cursor, Entry, Record, Row
from pipeline.process import GC_THRESHOLDS
from pipeline.sinks import Sink, open_sink
from pipeline.tables import POLL, SESSION, STOCK
from tests.mariadb import MariaDb, running

SYMBOLS = 2_000
POLLS_A_COMMIT = (1, 5)
SEED_ROWS = 600
DAY = "2026-11-26"

SEED_TABLE = """
CREATE TABLE seed_stock_prices (
    id INT AUTO_INCREMENT PRIMARY KEY, poll_time DATETIME NOT NULL, trade_date DATE NOT NULL,
    symbol VARCHAR(50) NOT NULL, ltp DECIMAL(12,2), prev_close DECIMAL(12,2), change_amt DECIMAL(12,2),
    change_pct DECIMAL(8,4), volume BIGINT, status VARCHAR(20), data_timestamp DATETIME,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    KEY a (poll_time), KEY b (trade_date), KEY c (symbol), KEY d (status), KEY e (symbol, poll_time),
    KEY f (trade_date, symbol)
) ENGINE = InnoDB
"""
SEED_INSERT = (
    "INSERT INTO seed_stock_prices (poll_time, trade_date, symbol, ltp, prev_close, change_amt, change_pct, volume, "
    "status, data_timestamp) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


class Market:
    """Stocks that walk in ticks of 0.05: closes and opens stay, highs and lows seldom move, some do not trade."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        self._close = [round(self._random.uniform(10, 5000), 2) for _ in range(SYMBOLS)]
        self._open = [round(close * self._random.uniform(0.99, 1.01), 2) for close in self._close]
        self._last, self._high, self._low = list(self._open), list(self._open), list(self._open)
        self._volume = [0] * SYMBOLS
        self._minute = 0

    def poll(self) -> list[Row]:
        """The rows of the next minute."""
        moment = f"{DAY} {self._minute // 60:02d}:{self._minute % 60:02d}:00"
        self._minute += 1
        return [self._row(index, moment) for index in range(SYMBOLS)]

    def _row(self, index: int, moment: str) -> Row:
        if self._random.random() < 0.8:
            self._last[index] = max(0.05, round(self._last[index] + self._random.randint(-20, 20) * 0.05, 2))
            self._volume[index] += self._random.randrange(1, 10_000)
        price, close = self._last[index], self._close[index]
        self._high[index], self._low[index] = max(price, self._high[index]), min(price, self._low[index])
        change = round(price - close, 4)
        state = "ADVANCE" if change > 0 else "DECLINE" if change < 0 else "UNCHANGED"
        row = ("bench", DAY, moment, f"SYM{index:04d}.NS", price, close, change, 100 * change / close)
        day = (self._open[index], self._high[index], self._low[index])
        return (*row, self._volume[index], state, *day, moment)


def entry(number: int, rows: list[Row], previous: bytes) -> Entry:
    moment = rows[0][2]
    session = ("bench", DAY, "Asia/Kolkata", f"{DAY} 00:00:00", f"{DAY} 23:59:00", 60, "yahoo")
    tables = {
        SESSION.name: [session],
        POLL.name: [("bench", DAY, moment, "taken", None, 100, 4)],
        STOCK.name: rows,
    }
    payload = wire.encode(Record(f"bench|{DAY}|{moment}|yahoo", "bench", DAY, "yahoo", tables))
    return Entry(number, wire.digest(previous, payload), payload)


class SinkRun:
    """A sink at work on an endless journal."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._after = Cursor(0)

    def write(self, polls: list[list[Row]]) -> float:
        """Seconds to store polls in one transaction, from the journal's bytes to the commit."""
        entries: list[Entry] = []
        seq, digest = self._after.seq, self._after.digest
        for rows in polls:
            entries.append(entry(seq + 1, rows, digest))
            seq, digest = entries[-1].seq, entries[-1].digest
        begun = time.perf_counter()
        self._sink.write("bench", "journal", self._after, entries)
        took = time.perf_counter() - begun
        self._after = Cursor(seq, digest)
        return took


def load_data(server: MariaDb, database: str, directory: Path) -> Callable[[list[list[Row]]], float]:
    """The server reading files of its own disk: no client can be faster."""
    server.execute(f"CREATE TABLE loaded LIKE {STOCK.name}", database=database)
    connection = server.connect(database, autocommit=False)
    path = directory / "rows.tsv"
    names = ", ".join(STOCK.column_names)

    def run(polls: list[list[Row]]) -> float:
        lines = ("\t".join(str(value) for value in row) for rows in polls for row in rows)
        path.write_text("\n".join(lines) + "\n")
        begun = time.perf_counter()
        connection.cmd_query(f"LOAD DATA INFILE '{path}' INTO TABLE loaded ({names})")
        connection.cmd_query("COMMIT")
        return time.perf_counter() - begun

    return run


def seed_logger_rate(server: MariaDb, database: str) -> float:
    """Rows a second of the seed's design: a thread that takes one row from a queue, inserts it and commits."""
    server.execute(SEED_TABLE, database=database)
    insert, close = _seed_insert(server, database)
    waiting: queue.Queue[tuple[object, ...] | None] = queue.Queue()
    for row in Market().poll()[:SEED_ROWS]:
        waiting.put((row[2], row[1], row[3], *row[4:10], row[13]))
    waiting.put(None)

    def work() -> None:
        while (values := waiting.get()) is not None:
            insert(values)

    thread = threading.Thread(target=work)
    begun = time.perf_counter()
    thread.start()
    thread.join()
    took = time.perf_counter() - begun
    close()
    return SEED_ROWS / took


def _seed_insert(server: MariaDb, database: str) -> tuple[Callable[[tuple[object, ...]], None], Callable[[], None]]:
    """(insert and commit one row, close): by SQLAlchemy and pymysql as the seed did, else by our faster driver."""
    try:
        import pymysql  # noqa: F401
        import sqlalchemy
    except ImportError:
        connection = server.connect(database, autocommit=False)

        def insert(values: tuple[object, ...]) -> None:
            cursor = connection.cursor()
            cursor.execute(SEED_INSERT, values)
            connection.commit()
            cursor.close()

        return insert, connection.close
    engine = sqlalchemy.create_engine(server.url(database).replace("mysql://", "mysql+pymysql://"))
    names = SEED_INSERT.partition("(")[2].partition(")")[0].split(", ")
    statement = sqlalchemy.text(
        f"INSERT INTO seed_stock_prices ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"
    )

    def insert_by_engine(values: tuple[object, ...]) -> None:
        with engine.begin() as connection:
            connection.execute(statement, dict(zip(names, values, strict=True)))

    return insert_by_engine, engine.dispose


def seed_driver() -> str:
    return "SQLAlchemy, pymysql" if find_spec("sqlalchemy") and find_spec("pymysql") else "mysql-connector-python"


def polls(count: int) -> Iterator[list[list[Row]]]:
    """Lists of `count` polls, minute after minute."""
    market = Market()
    while True:
        yield [market.poll() for _ in range(count)]


def spread(values: list[float]) -> str:
    return f"min {min(values):8.2f}   median {statistics.median(values):8.2f}   max {max(values):8.2f}"


def bench_mariadb(rounds: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="bp-"))
    with running(directory / "server", durable=True) as server:
        for count in POLLS_A_COMMIT:
            database = server.create_database()
            url = DatabaseUrl.parse(server.url(database))
            schema.ensure(url, create=True)
            load, sink = load_data(server, database, directory), open_sink(url)
            run = SinkRun(sink)
            loads, sinks = [], []
            for number, batch in zip(range(rounds + 3), polls(count), strict=False):
                pair = load(batch), run.write(batch)
                if number >= 3:  # the first ones prepare statements and warm caches
                    loads.append(pair[0])
                    sinks.append(pair[1])
            rows = SYMBOLS * count
            print(f"MariaDB, lean tables, {count} poll(s) of {SYMBOLS} a commit")
            print(f"  LOAD DATA      rows/s  {spread([rows / took for took in loads])}")
            print(f"  sink           rows/s  {spread([rows / took for took in sinks])}")
            ratio = [a / b for a, b in zip(loads, sinks, strict=True)]
            print(f"  sink/LOAD DATA ratio   {spread(ratio)}   (at least 0.6)")
            sink.close()
            if count == 1:
                seeds = [seed_logger_rate(server, server.create_database("seed")) for _ in range(5)]
                print(f"  seed's logger  rows/s  {spread(seeds)}   ({seed_driver()})")
                median = rows / statistics.median(sinks)
                print(f"  sink/seed      ratio   {spread([median / seed for seed in seeds])}")
    shutil.rmtree(directory, ignore_errors=True)


def bench_sqlite(rounds: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="bp-"))
    url = DatabaseUrl.parse(f"sqlite:///{directory}/bench.db")
    schema.ensure(url, create=True)
    sink = open_sink(url)
    run = SinkRun(sink)
    takes = [run.write(batch) for _, batch in zip(range(rounds), polls(1), strict=False)]
    print(f"SQLite, WAL, synchronous=FULL, one poll of {SYMBOLS} a commit")
    print(f"  sink           rows/s  {spread([SYMBOLS / took for took in takes])}")
    sink.close()
    shutil.rmtree(directory)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    gc.set_threshold(*GC_THRESHOLDS)  # as in every child of the supervisor
    bench_mariadb(rounds)
    bench_sqlite(rounds)


if __name__ == "__main__":
    main()
