"""From an answer to the journal's commit: 2,000 symbols. Run as `python -m tests.bench.bench_breadth`.

Prints median, least and most of each part in milliseconds, and ratios against a plain loop over dicts of floats that
only counts advances, declines and unchanged.
"""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.breadth import References, compute
from pipeline.journal import Journal
from pipeline.model import Answer, Member, Quote, Session, Universe
from pipeline.process import GC_THRESHOLDS
from pipeline.records import poll_record
from pipeline.wire import encode

SYMBOLS, SECTORS, ROUNDS = 2_000, 20, 60
BUDGET_MS = 10.0
ZONE = ZoneInfo("Asia/Kolkata")
SESSION = Session(
    date(2026, 6, 18),
    datetime(2026, 6, 18, 9, 15, tzinfo=ZONE),
    datetime(2026, 6, 18, 15, 30, tzinfo=ZONE),
    ZONE,
)


def universe() -> Universe:
    members = (Member(f"S{n:04}.NS", f"Company {n} Ltd", f"Sector {n % SECTORS}") for n in range(SYMBOLS))
    return Universe("bench", tuple(members))


def answer(symbols: tuple[str, ...], randomness: random.Random) -> Answer:
    """Prices around the previous close in steps of 0.05, trade times over the last hour."""
    last = int(SESSION.open.timestamp()) + 3600
    quotes = {}
    for symbol in symbols:
        close = randomness.randrange(20, 100_000) * 500
        price = max(500, close + randomness.randrange(-40, 41) * 500)
        volume, age_s = randomness.randrange(1, 10**7), randomness.randrange(3600)
        quotes[symbol] = Quote(symbol, price, close, volume, last - age_s, close, price + 500, price - 500, 900, "INR")
    return Answer(quotes, requests=40, duration_s=1.0)


def naive(quotes: dict[str, dict[str, float]]) -> tuple[int, int, int]:
    """What the least program would do: three counters, floats compared."""
    advances = declines = unchanged = 0
    for quote in quotes.values():
        if quote["price"] > quote["prev_close"]:
            advances += 1
        elif quote["price"] < quote["prev_close"]:
            declines += 1
        else:
            unchanged += 1
    return advances, declines, unchanged


def milliseconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return (time.perf_counter() - start) * 1000, result


def one_round(
    members: Universe, given: Answer, minute: int, references: References, journal: Journal
) -> dict[str, float]:
    """Milliseconds of each part of a poll that was just answered."""
    instant = SESSION.open + timedelta(minutes=minute)
    freeze_ms, frozen = milliseconds(lambda: references.freeze(given.quotes, SESSION))
    compute_ms, snapshot = milliseconds(lambda: compute(members, given.quotes, frozen, SESSION))
    rows_ms, record = milliseconds(
        lambda: poll_record(
            universe=members,
            session=SESSION,
            instant=instant,
            source="yahoo",
            answer=given,
            snapshot=snapshot,
            fetched_at=datetime.now(UTC),
        )
    )
    encode_ms, payload = milliseconds(lambda: encode(record))
    commit_ms, _ = milliseconds(lambda: journal.append_payload(record.key, payload))
    plain = {symbol: {"price": q.price / 1e4, "prev_close": q.prev_close / 1e4} for symbol, q in given.quotes.items()}
    naive_ms, _ = milliseconds(lambda: naive(plain))
    parts = {"freeze": freeze_ms, "compute": compute_ms, "rows": rows_ms, "encode": encode_ms, "commit": commit_ms}
    return parts | {"answer to commit": sum(parts.values()), "naive loop": naive_ms}


def main() -> None:
    gc.set_threshold(*GC_THRESHOLDS)  # as in the fetcher, which is a child of the supervisor
    members, randomness, references = universe(), random.Random(1), References()
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal.open(Path(directory), "bench")
        rounds = [
            one_round(members, answer(members.symbols, randomness), minute, references, journal)
            for minute in range(ROUNDS)
        ]
        journal.close()
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    print(f"breadth: {SYMBOLS} symbols, {SECTORS} sectors, {ROUNDS} polls; milliseconds")
    for name, median in medians.items():
        values = [one[name] for one in rounds]
        print(f"  {name:<18} median {median:7.2f}   min {min(values):7.2f}   max {max(values):7.2f}")
    total = medians["answer to commit"]
    print(f"  answer to commit / naive loop   {total / medians['naive loop']:6.1f}")
    print(f"  compute / naive loop            {medians['compute'] / medians['naive loop']:6.1f}")
    print(f"  answer to commit / {BUDGET_MS:g} ms budget  {total / BUDGET_MS:6.2f}")


if __name__ == "__main__":
    main()
