"""A second opinion: breadth of a recorded day, counted naively. Imports nothing of the pipeline, on purpose.

Goes over all bars anew for every poll, with csv and Decimal. Tests compare what the pipeline stored with it.
As a program: `python tests/naive.py RECORDING.csv.gz` prints one line a poll.
"""

import csv
import gzip
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

LABELS = [
    (70, "STRONG BULLISH"),
    (60, "BULLISH"),
    (55, "SLIGHTLY BULLISH"),
    (45, "NEUTRAL"),
    (40, "SLIGHTLY BEARISH"),
    (30, "BEARISH"),
    (0, "STRONG BEARISH"),
]


def read_bars(recording):
    """[(symbol, start, close, volume)] in file order."""
    with gzip.open(recording, "rt", newline="") as stream:
        return [
            (
                row["symbol"],
                datetime.fromisoformat(row["timestamp"]),
                Decimal(row["close"]),
                int(Decimal(row["volume"])),
            )
            for row in csv.DictReader(stream)
        ]


def read_previous_closes(recording):
    """{symbol: Decimal or None}"""
    recording = Path(recording)
    beside = recording.with_name(recording.name.removesuffix(".csv.gz") + ".prev_close.csv")
    with open(beside, newline="") as stream:
        return {
            row["symbol"]: Decimal(row["prev_close"]) if row["prev_close"] else None for row in csv.DictReader(stream)
        }


def poll_times(bars):
    """(instants, bar length): one bar's length after the first start, then every length, until the last bar's end."""
    starts = sorted({start for _, start, _, _ in bars})
    length = min(later - earlier for earlier, later in pairwise(starts))
    end = starts[-1] + length
    instants = []
    instant = starts[0] + length
    while instant <= end:
        instants.append(instant)
        instant += length
    return instants, length


def count(bars, previous_closes, instant, length: timedelta):
    """The breadth at `instant` as a dict, by the columns' names of the table of snapshots."""
    last_price, volume = {}, {}
    for symbol, start, close, shares in bars:
        if start + length <= instant:
            last_price[symbol] = close
            volume[symbol] = volume.get(symbol, 0) + shares
    advances = declines = unchanged = not_traded = no_reference = up = down = flat = 0
    for symbol, previous_close in previous_closes.items():
        if previous_close is None:
            no_reference += 1
        elif symbol not in last_price:
            not_traded += 1
        elif last_price[symbol] > previous_close:
            advances += 1
            up += volume[symbol]
        elif last_price[symbol] < previous_close:
            declines += 1
            down += volume[symbol]
        else:
            unchanged += 1
            flat += volume[symbol]
    total = advances + declines + unchanged
    trin = None
    if advances and declines and up and down:
        trin = float((Decimal(advances) / Decimal(declines)) / (Decimal(up) / Decimal(down)))
    label = None
    if total:
        label = next(name for lowest, name in LABELS if advances * 100 >= lowest * total)
    return {
        "poll_time": instant.strftime("%Y-%m-%d %H:%M:%S"),
        "advances": advances,
        "declines": declines,
        "unchanged": unchanged,
        "total_stocks": total,
        "not_traded": not_traded,
        "no_reference": no_reference,
        "universe_size": len(previous_closes),
        "up_volume": up,
        "down_volume": down,
        "unch_volume": flat,
        "adv_pct": float(Decimal(100) * advances / total) if total else None,
        "adv_decl_ratio": float(Decimal(advances) / declines) if declines else None,
        "trin": trin,
        "market_sentiment": label,
    }


def count_recording(recording):
    """One dict a poll, in the order of the day."""
    bars = read_bars(recording)
    previous_closes = read_previous_closes(recording)
    instants, length = poll_times(bars)
    return [count(bars, previous_closes, instant, length) for instant in instants]


if __name__ == "__main__":
    for poll in count_recording(sys.argv[1]):
        print(" ".join(f"{name}={value}" for name, value in poll.items()))
