"""A made-up recorded day: few symbols, as long as wanted, the same for the same seed."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Kolkata")
BAR_MINUTES = 5


def make_recording(directory: Path, name: str, *, symbols: int = 8, bars: int = 72, seed: int = 7) -> Path:
    """Writes NAME.csv and NAME.prev_close.csv; bars of five minutes from 09:15. Returns the recording's path.

    A run polls it on any grid: `--interval 2s` makes 10,800 polls of the default six hours.
    """
    directory.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    names = [f"T{number:03d}" for number in range(symbols)]
    closes = {each: round(chance.uniform(50, 5000), 2) for each in names}
    previous = "".join(f"{each},{price}\n" for each, price in closes.items())
    (directory / f"{name}.prev_close.csv").write_text("symbol,prev_close\n" + previous)
    start = datetime(2023, 4, 5, 9, 15, tzinfo=ZONE)
    lines = ["symbol,timestamp,open,high,low,close,volume"]
    for each in names:
        price = closes[each]
        for bar in range(bars):
            opened, price = price, round(max(1.0, price * (1 + chance.gauss(0, 0.002))), 2)
            stamp = (start + timedelta(minutes=BAR_MINUTES * bar)).isoformat()
            high, low = max(opened, price), min(opened, price)
            lines.append(f"{each},{stamp},{opened},{high},{low},{price},{chance.randrange(1, 5000)}")
    path = directory / f"{name}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
