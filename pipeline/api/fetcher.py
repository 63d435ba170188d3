"""RealTimeDataFetcher: the present quotes of a list of symbols, for any program. Layer 4.

In the program's own process. The same Yahoo source as the pipeline's; trouble of network or data is a line in the log
and an absent symbol, never an exception.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.api.issue import zone_of
from pipeline.config import environment, load
from pipeline.errors import UsageError
from pipeline.figures import change_pct
from pipeline.model import UNITS_PER_CURRENCY, Answer, Quote
from pipeline.sources.pacing import ListLength
from pipeline.sources.yahoo import YahooSource

PATIENCE_S = 30.0
FIRST_BACKOFF_S = 0.5
log = logging.getLogger("pipeline.api")


class RealTimeDataFetcher:
    """`batch_size`: symbols a request; `max_retries`: tries while nothing comes at all; `calls_per_minute`: requests
    in any 60 s. `yahoo_url`: another base URL (BREADTH_YAHOO_URL). Used by one thread at a time."""

    def __init__(
        self,
        batch_size: int = 50,
        max_retries: int = 3,
        calls_per_minute: int = 20,
        *,
        yahoo_url: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("calls_per_minute", calls_per_minute)):
            if value < 1:
                raise UsageError(f"{name} {value!r} must be at least 1")
        self._tries, self._sleep = max(1, max_retries), sleep
        self._batch_size, self._calls_per_minute = batch_size, calls_per_minute
        burst = max(1, calls_per_minute // 2)  # what is saved up and what comes in together stay within the limit
        self._source = YahooSource(
            yahoo_url or load({}, environment(), Path.cwd()).settings.yahoo_url,
            batch_size,
            rate_per_s=max(1, calls_per_minute - burst) / 60,
            burst=burst,
        )
        self._source.lists = _FixedLength(batch_size)

    def fetch_realtime_data(self, symbols: Sequence[str]) -> dict[str, dict[str, Any]]:
        """`{symbol: {ltp, prev_close, volume, timestamp, change, change_pct, day_open, day_high, day_low, currency,
        delay_s}}`, in currency and shares, the timestamp of the last trade in the exchange's zone; None where Yahoo
        states nothing usable. Symbols without a price are absent. Raises UsageError for one text: its letters are no
        symbols."""
        if isinstance(symbols, str):
            raise UsageError(
                f"fetch_realtime_data needs a list of symbols, not the text {symbols!r}: use [{symbols!r}]"
            )
        asked = list(dict.fromkeys(str(symbol) for symbol in symbols))
        answer = self._ask(asked)
        found = {symbol: _details(quote) for symbol, quote in answer.quotes.items() if quote.price is not None}
        if len(found) < len(asked):
            log.warning("%d of %d symbols fetched: %s", len(found), len(asked), answer.reason or "no price stated")
        return found

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> RealTimeDataFetcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, symbols: list[str]) -> Answer:
        """One answer. The source asks a second time for single symbols by itself; here only silence is tried again."""
        requests = len(symbols) / self._batch_size
        patience_s = PATIENCE_S + 120 * requests / self._calls_per_minute
        answer = Answer({})
        for attempt in range(self._tries if symbols else 0):
            if attempt:
                self._sleep(FIRST_BACKOFF_S * 2**attempt * random.uniform(0.5, 1.0))
            answer = self._source.fetch(symbols, None, datetime.now(UTC), time.monotonic() + patience_s)
            if answer.quotes or not answer.missing:
                break
        return answer


class _FixedLength(ListLength):
    """Lists of the caller's length, shorter where the service asks for it, never longer."""

    def clean_poll(self) -> None:
        """Does not grow."""


def _details(quote: Quote) -> dict[str, Any]:
    last, previous = _currency(quote.price), _currency(quote.prev_close)
    stamp = None if quote.trade_time is None else datetime.fromtimestamp(quote.trade_time, zone_of(quote.symbol))
    units = None if quote.price is None or quote.prev_close is None else quote.price - quote.prev_close
    return {
        "ltp": last,
        "prev_close": previous,
        "volume": quote.volume,
        "timestamp": stamp,
        "change": _currency(units),
        "change_pct": change_pct(last, previous),
        "day_open": _currency(quote.day_open),
        "day_high": _currency(quote.day_high),
        "day_low": _currency(quote.day_low),
        "currency": quote.currency,
        "delay_s": quote.delay_s,
    }


def _currency(units: int | None) -> float | None:
    return None if units is None else units / UNITS_PER_CURRENCY
