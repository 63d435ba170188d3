"""What a poll of Yahoo costs beside its requests. Run as `python -m tests.bench.bench_fetch`.

The loopback server runs as a process of its own. The requests themselves: the same lists, by bare curl_cffi over as
many threads, bodies thrown away; measured in turn with the polls, in the same run.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from curl_cffi import requests

from pipeline.sources.yahoo import YahooSource
from pipeline.sources.yahoo_poll import chunks
from pipeline.sources.yahoo_rows import FIELDS
from tests.loopback_yahoo import quote_row

LIST, THREADS, LATENCY_S = 50, 4, 0.1
POLLED, ROUNDS = 500, 9
MANY, MANY_ROUNDS = 2_000, 15
NOON = datetime(2026, 11, 26, 6, 30, tzinfo=UTC)


@contextmanager
def loopback(latency_s: float) -> Iterator[str]:
    """The URL of a server that knows `MANY` symbols."""
    command = [sys.executable, "-m", "tests.loopback_yahoo", "--latency", str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            rows = [quote_row(f"S{n:04}.NS", 100.05 + n, 100.0 + n, 1000 * n, 1_795_600_000) for n in range(MANY)]
            order = json.dumps({"quotes": rows}).encode()
            with urllib.request.urlopen(urllib.request.Request(f"{url}/_control", order), timeout=30):
                yield url
        finally:
            server.kill()


class BareRequests:
    """Cookie, crumb and lists by curl alone."""

    def __init__(self, url: str) -> None:
        self._url, self._session = url, requests.Session(impersonate="chrome")
        self._session.get(url)
        self._crumb = self._session.get(f"{url}/v1/test/getcrumb").text
        self._workers = ThreadPoolExecutor(THREADS)

    def _ask(self, symbols: Sequence[str]) -> None:
        params = {"symbols": ",".join(symbols), "fields": FIELDS, "formatted": "false", "crumb": self._crumb}
        answer = self._session.get(f"{self._url}/v7/finance/quote", params=params)
        assert answer.status_code == 200

    def poll(self, symbols: Sequence[str]) -> float:
        """Seconds for all lists."""
        start = time.perf_counter()
        list(self._workers.map(self._ask, chunks(symbols, LIST)))
        return time.perf_counter() - start


def _poll(source: YahooSource, symbols: Sequence[str]) -> tuple[float, float]:
    """Seconds of a poll, and those of them after the last byte."""
    start = time.perf_counter()
    answer = source.fetch(symbols, None, NOON, time.monotonic() + 60)
    elapsed_s = time.perf_counter() - start
    assert len(answer.quotes) == len(symbols), answer.reason
    return elapsed_s, elapsed_s - answer.duration_s


def _source(url: str) -> YahooSource:
    """As in production but for the token bucket, which back-to-back polls would empty, and lists that do not grow."""
    source = YahooSource(url, batch=LIST, threads=THREADS, rate_per_s=1000.0, burst=1000)
    source.lists.clean_poll = lambda: None  # type: ignore[method-assign]
    return source


def _spread(name: str, values: Sequence[float], digits: int = 2) -> str:
    least, middle, most = min(values), statistics.median(values), max(values)
    return f"  {name:<46} min {least:.{digits}f}   median {middle:.{digits}f}   max {most:.{digits}f}"


def run() -> list[str]:
    symbols = [f"S{n:04}.NS" for n in range(MANY)]
    with loopback(LATENCY_S) as url:
        source, bare = _source(url), BareRequests(url)
        _poll(source, symbols[:POLLED])
        bare.poll(symbols[:POLLED])
        pairs = [(_poll(source, symbols[:POLLED])[0], bare.poll(symbols[:POLLED])) for _ in range(ROUNDS)]
        source.close()
    with loopback(0.0) as url:
        source = _source(url)
        _poll(source, symbols)
        after = [_poll(source, symbols)[1] * 1000 for _ in range(MANY_ROUNDS)]
        source.close()
    return [
        f"fetch: {POLLED} symbols, lists of {LIST}, {THREADS} threads, {LATENCY_S * 1000:.0f} ms a request",
        _spread("poll, seconds", [poll for poll, _ in pairs], 3),
        _spread("the requests themselves, seconds", [bare_s for _, bare_s in pairs], 3),
        _spread("poll / requests (at most 1.5)", [poll / bare_s for poll, bare_s in pairs]),
        f"fetch: {MANY} symbols without latency",
        _spread("last byte to Answer, milliseconds", after),
    ]


if __name__ == "__main__":
    print("\n".join(run()))
