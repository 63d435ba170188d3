"""`python -m tests.bench.bench_dashboard`: what viewers cost the dashboard, and what goes over the wire.

500 viewers in a process of their own hold compressed streams open while 500 stocks get a poll a second, 200 of them
moved; CPU is the server process's own time over the wall time, memory its resident set. Prints one line a measure.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path

import psutil

from pipeline.dashboard.static import DIRECTORY, INDEX
from pipeline.dburl import DatabaseUrl
from tests.market_day import MarketDay, random_prices, session_around, universe_of
from tests.page_server import PageServer

VIEWERS, STOCKS, MOVED, POLLS = 500, 500, 200, 20


def viewers(host: str, port: int, count: int) -> None:
    """Holds `count` streams open and reads them; says `ready` and, for each update, when the last viewer had it."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 256,) * 2)
    chooser = selectors.DefaultSelector()
    request = f"GET /api/v1/stream?watch=bench HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    for _ in range(count):
        connection = socket.create_connection((host, port))
        connection.sendall(request)
        connection.setblocking(False)
        chooser.register(connection, selectors.EVENT_READ, [0])
    print("ready", flush=True)
    while True:
        for key, _ in chooser.select():
            if not key.fileobj.recv(1 << 20):  # type: ignore[union-attr]
                return


def main() -> int:
    universe = universe_of("bench", [f"SYMBOL{number}.NS" for number in range(STOCKS)], sectors=21)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "breadth.db"
        day = MarketDay(DatabaseUrl("sqlite", path=file), universe, session_around(datetime.now(UTC)), 1).begin()
        day.poll(day.at(0), random_prices(universe, 0))
        server = PageServer("--db", f"sqlite:///{file}")
        crowd = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, server.host, str(server.port), str(VIEWERS)],
            stdout=subprocess.PIPE,
        )
        try:
            assert crowd.stdout is not None
            crowd.stdout.readline()
            measure(server, day)
        finally:
            crowd.kill()
            crowd.wait()
            server.stop()
    return 0


def measure(server: PageServer, day: MarketDay) -> None:
    process = psutil.Process(server.process.pid)
    probe = server.watch("?watch=bench", {"Accept-Encoding": "gzip"})
    inflate = zlib.decompressobj(31)
    take(probe, inflate, b"event: snapshot")
    store(day, 1)
    take(probe, inflate, b"event: change")
    before, began = process.cpu_times(), time.monotonic()
    sizes, delays = [], []
    for number in range(2, POLLS + 2):
        wait_until(began + number - 2)
        committed = store(day, number)
        size, arrived = take(probe, inflate, b"event: change")
        sizes.append(size)
        delays.append((arrived - committed) * 1000)
    wait_until(began + POLLS)
    after, wall = process.cpu_times(), time.monotonic() - began
    used = after.user + after.system - before.user - before.system
    rss = process.memory_info().rss / 1e6
    watching = server.json("/api/v1/operations")["viewers"]
    assert watching > VIEWERS, f"only {watching} viewers stayed"
    snapshot = server.wire_size("/api/v1/snapshot?universe=bench")
    series = server.wire_size("/api/v1/series?universe=bench")
    say(f"{VIEWERS} viewers, 1 update/s: CPU of a core", [100 * used / wall], "%", "15 %")
    say(f"{VIEWERS} viewers: resident memory", [rss], "MB", "100 MB")
    say(f"snapshot of {STOCKS} stocks on the wire", [snapshot / 1024], "KB", "25 KB")
    say(f"update with {MOVED} changes on the wire", [size / 1024 for size in sizes], "KB", "6 KB")
    say("commit to a viewer's socket", delays, "ms")
    say("series of the day on the wire", [series / 1024], "KB")
    if (DIRECTORY / INDEX).exists():
        names = [
            path.relative_to(DIRECTORY).as_posix() for path in DIRECTORY.rglob("*") if path.suffix in (".js", ".css")
        ]
        page = server.wire_size("/") + sum(server.wire_size(f"/static/{name}") for name in names)
        say("page on the wire, first visit", [page / 1024], "KB", "300 KB")
    probe.close()


def store(day: MarketDay, number: int) -> float:
    """Stores a poll; the moment after its commit."""
    day.poll(day.at(number), random_prices(day.universe, number, moved=MOVED))
    return time.monotonic()


def take(probe: object, inflate: object, event: bytes) -> tuple[int, float]:
    """(bytes on the wire, moment of arrival) of the next event of that kind and what came before it."""
    size, text = 0, b""
    while True:
        block = probe.answer.read1(1 << 20)  # type: ignore[attr-defined]
        size += len(block)
        text += inflate.decompress(block)  # type: ignore[attr-defined]
        if event in text and text.endswith(b"\n\n"):
            return size, time.monotonic()


def wait_until(moment: float) -> None:
    while (left := moment - time.monotonic()) > 0:
        time.sleep(left)


def say(what: str, values: list[float], unit: str, limit: str = "") -> None:
    figures = f"min {min(values):6.1f}   median {statistics.median(values):6.1f}   max {max(values):6.1f} {unit}"
    print(f"{what:<41} {figures}" + (f"   (at most {limit})" if limit else ""))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        viewers(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main())
