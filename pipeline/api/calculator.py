"""IntradayAdvDeclCalculator: advances and declines over the stocks a program has seen. Layer 4.

In the program's own process and thread; no I/O. Outputs are rounded to 2 decimals, as programs written for the system
this one succeeds expect; the tables keep unrounded numbers. Unlike there, NaN is no price, untraded issues and issues
of an earlier day are not counted as unchanged, and a price that is no longer refreshed is left out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pipeline.api.issue import TRADED, StockStatus, of_newest_day, stock_status
from pipeline.breadth import ratios
from pipeline.breadth.sentiment import sentiment
from pipeline.model import Status

MAX_AGE_S = 900.0
EMPTY_LABEL = "NEUTRAL"
log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now().astimezone()


class IntradayAdvDeclCalculator:
    """`max_age_s`: an issue that is not refreshed for so long before the newest update leaves the counts."""

    def __init__(self, max_age_s: float = MAX_AGE_S, *, clock: Callable[[], datetime] = _now) -> None:
        self._max_age = timedelta(seconds=max_age_s)
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[datetime, StockStatus]] = {}
        self._updated: datetime | None = None
        self.update_count = 0

    @property
    def last_update(self) -> datetime | None:
        """Of the newest update, the machine's local time, naive as `datetime.now()`."""
        return self._updated.astimezone().replace(tzinfo=None) if self._updated else None

    def update_stock(
        self, symbol: str, ltp: Any, prev_close: Any, timestamp: Any = None, volume: Any = None
    ) -> StockStatus:
        """Takes in one stock and returns its status."""
        info = {"ltp": ltp, "prev_close": prev_close, "timestamp": timestamp, "volume": volume}
        return self._take(symbol, info)

    def update_batch(self, data: Mapping[str, Mapping[str, Any]]) -> int:
        """Takes in `{symbol: {ltp, prev_close, volume, timestamp}}`; returns how many have price and previous close."""
        taken = [self._take(symbol, info) for symbol, info in data.items()]
        usable = sum(stock.ltp is not None and stock.prev_close is not None for stock in taken)
        if usable < len(taken):
            log.warning("%d of %d stocks have no usable price or previous close", len(taken) - usable, len(taken))
        return usable

    def calculate_breadth(self) -> dict[str, Any]:
        """Counts, percentages and ratio (None when nothing declines), rounded to 2, and the label."""
        statuses = [stock.status for stock in self._counted()]
        advances, declines, unchanged = (statuses.count(status.value) for status in TRADED)
        total = advances + declines + unchanged
        ratio = ratios.adv_decl_ratio(advances, declines) if declines else (None if advances else 0.0)
        adv_pct = ratios.percent(advances, total)
        return {
            "total_stocks": total,
            "advances": advances,
            "declines": declines,
            "unchanged": unchanged,
            "adv_pct": _rounded(adv_pct),
            "decl_pct": _rounded(ratios.percent(declines, total)),
            "unch_pct": _rounded(ratios.percent(unchanged, total)),
            "adv_decl_ratio": None if ratio is None else round(ratio, 2),
            "adv_decl_diff": advances - declines,
            "last_update": self.last_update,
            "update_count": self.update_count,
            "market_sentiment": sentiment(adv_pct) or EMPTY_LABEL,
        }

    def get_stock_status(self, symbol: str) -> StockStatus | None:
        found = self._seen.get(symbol)
        return found[1] if found else None

    def get_top_gainers(self, n: int = 10) -> list[StockStatus]:
        """Advancing stocks, the largest percent change first."""
        found = [stock for stock in self._counted() if stock.status == Status.ADVANCE]
        return sorted(found, key=lambda stock: (-stock.change_pct, stock.symbol))[: max(0, n)]

    def get_top_losers(self, n: int = 10) -> list[StockStatus]:
        """Declining stocks, the largest loss first."""
        found = [stock for stock in self._counted() if stock.status == Status.DECLINE]
        return sorted(found, key=lambda stock: (stock.change_pct, stock.symbol))[: max(0, n)]

    def get_most_active(self, n: int = 10) -> list[StockStatus]:
        """The stocks with the largest volume first."""
        return sorted(self._counted(), key=lambda stock: (-stock.volume, stock.symbol))[: max(0, n)]

    def clear_cache(self) -> None:
        """Forgets every stock."""
        with self._lock:
            self._seen.clear()

    def get_cache_info(self) -> dict[str, Any]:
        """`size`, `last_update`, `update_count`."""
        return {"size": len(self._seen), "last_update": self.last_update, "update_count": self.update_count}

    def _take(self, symbol: str, info: Mapping[str, Any]) -> StockStatus:
        """An issue without a usable price leaves the counts: its last price is no longer known to hold."""
        with self._lock:
            now = self._clock()
            stock = stock_status(symbol, info, now)
            if stock.ltp is None or stock.prev_close is None:
                self._seen.pop(symbol, None)
                return stock
            self._seen[symbol] = (now, stock)
            self._updated = now
            self.update_count += 1
            return stock

    def _counted(self) -> list[StockStatus]:
        with self._lock:
            if self._updated is None:
                return []
            oldest = self._updated - self._max_age
            fresh = [stock for seen, stock in self._seen.values() if seen >= oldest]
        return [stock for stock in of_newest_day(fresh).values() if stock.status in TRADED]


def _rounded(percentage: float | None) -> float:
    return 0.0 if percentage is None else round(percentage, 2)
